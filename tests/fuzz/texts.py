"""Texts of every kind that people send, and of kinds that nobody does."""

from pathlib import Path

from hypothesis import strategies as st

SENTENCES = (Path(__file__).parents[1] / "sentences.txt").read_text(encoding="utf-8").splitlines()
"""That every model's vocabulary has."""

_WORDS = sorted({word for sentence in SENTENCES for word in sentence.rstrip(".").split()}, key=len)

_OTHER_SCRIPTS = [
    "你好世界",
    "Привет",
    "мир",
    "Ελληνικά",
    "עברית",
    "مرحبا",
    "हिन्दी",
    "ไทย",
    "한국어",
    "日本語です",
    "😀",
    "ʻokina",
    "İstanbul",
    "Straße",
    "ŒUVRE",
    "ﬁne",
    "Ⅻ",
    "½",
    "10²",
    "x₁",
    "™",
    "½½",
    "Ωmega",
    "ﷺ",
]

_PROTECTED = [
    "https://example.com/a?b=c&d=e#f",
    "http://x.y/(a)",
    "www.example.org/path",
    "anna.smith@example.com",
    "@anna",
    "@anna@mastodon.social",
    "#news",
    "#2",
    "{0}",
    "{name}",
    "{{name}}",
    "${name}",
    "{count,plural,one{#}other{#}}",
    "{%if%}",
    "%s",
    "%d",
    "%(name)s",
    "%1$s",
    "%%",
    "100%",
    "$HOME",
    "%PATH%",
    "%-5.2f",
    "/usr/bin/env",
    "./run.sh",
    "C:\\Users\\Anna\\a.txt",
    "\\\\host\\share",
    "src/main.py",
    "readme.md",
    "example.com",
    "12:30",
    "1,234,567.89",
    "3.14",
    "$9.99",
    "+33",
    "1",
    "23",
    "45",
    "67",
    "89",
    "2024-05-06",
    "2024-05-06T12:30:00Z",
    "v1.2.3",
    "192.168.0.1",
    "::1",
    "a1b2c3d4e5",
    "0xDEADBEEF",
    "1234567",
    "12345",
    "COVID-19",
    "1920x1080",
    "<b>",
    "</b>",
    "<br/>",
    "<a",
    'href="x">',
    "&amp;",
    "&lt;",
    "ISBN-13",
    "00:00:01,000",
    "-->",
    "5%",
    "-5",
    "€5",
    "5€",
    "123e4567-e89b-12d3-a456-426614174000",
]

_SIGNS = [*".,;:!?()[]{}\"'«»“”‘’„…–—-_*/\\|<>&#@%$€£©®°~^`+=", "...", "***", "--", "¿", "。", "、", "—"]

_BLANKS = [" ", "  ", "\t", "\u00a0", "\u202f", "\u3000", "\u2009", "\u200b", "\ufeff", "\u00ad", "\u2060", "\u180e"]
_BREAKS = ["\n", "\n\n", "\r\n", "\r", " \n ", "\n\t", "\u2028", "\u2029", "\v", "\f", "\x85", "\x1c", "\n \n\n"]
_MARKERS = [
    "- ",
    "* ",
    "• ",
    "1. ",
    "2) ",
    "(a) ",
    "iv. ",
    "## ",
    "> ",
    ">> ",
    "- [ ] ",
    "- [x] ",
    "①",
    "    ",
    "\t",
    "— ",
]
_MODIFIERS = [
    "\u0301",
    "\u0308",
    "\u20e3",
    "\ufe0f",
    "\ufe0e",
    "\u200d",
    "\u202e",
    "\u202c",
    "\u0338",
    "\u0e31",
    "\u0000",
]

_EMOJI = [
    "😊",
    "❤",
    "❤️",
    "👍🏽",
    "👩\u200d👩\u200d👧\u200d👦",
    "🏳️\u200d🌈",
    "🇫🇷",
    "🇫",
    "1️⃣",
    "#️⃣",
    "☎",
    "☎️",
    "✔",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "👩🏾\u200d💻",
    "™️",
    "©️",
    "⭐",
    "♥",
    "🤷🏻\u200d♀️",
    "😊😊😊",
    "☺︎",
    "🫠",
]

sentences = st.sampled_from(SENTENCES)
words = st.sampled_from(_WORDS)
characters = st.characters(exclude_categories=["Cs"])
any_texts = st.text(characters, min_size=1, max_size=6)
signs = st.sampled_from(_SIGNS)
protected = st.sampled_from(_PROTECTED)
emoji = st.sampled_from(_EMOJI)
blanks = st.sampled_from(_BLANKS)
breaks = st.sampled_from(_BREAKS)

capitals = st.one_of(words, sentences).map(str.upper)
marked = st.builds(
    lambda word, mark, at: word[:at] + mark + word[at:], words, st.sampled_from(_MODIFIERS), st.integers(0, 6)
)
long_words = st.builds(
    lambda unit, number: unit * number,
    st.sampled_from(
        [
            "a",
            "ab",
            "dog",
            "é",
            "你",
            "😊",
            "a\u0301",
            "\u0301",
            "-",
            ".",
            "x-",
            "x.",
            "1",
            "1,",
            "@",
            "{",
            "Dog.",
            "%s",
        ]
    ),
    st.sampled_from([3, 20, 70, 200]),
)
pieces = st.one_of(
    words,
    words,
    words,
    sentences,
    sentences,
    signs,
    protected,
    protected,
    emoji,
    st.sampled_from(_OTHER_SCRIPTS),
    any_texts,
    capitals,
    marked,
    st.sampled_from(["A", "J.", "J. R. R.", "p.", "No.", "Mr.", "e.g.", "U.S.", "etc."]),
    st.integers(0, 99999).map(str),
)
"""What a line is put together of."""

_joints = st.sampled_from(["", " ", " ", " ", " ", ". ", ", "]) | blanks


@st.composite
def lines(draw: st.DrawFn, pieces: st.SearchStrategy[str] = pieces) -> str:
    text = draw(st.sampled_from(["", "", "", "", *_MARKERS]))
    for number in range(draw(st.integers(1, 6))):
        text += (draw(_joints) if number else "") + draw(pieces)
    return text


rows = st.lists(words | protected | emoji, min_size=2, max_size=4).flatmap(
    lambda cells: st.sampled_from(["\t".join(cells), f"| {' | '.join(cells)} |", "|".join(cells), ";".join(cells)])
)
rules = st.sampled_from(["---", "|---|:--:|", "***", "```", "===", "", " ", "\u200b"])
subtitles = st.builds(
    lambda number, text: f"{number}\r\n00:00:0{number},000 --> 00:00:0{number},900\r\n{text}\r\n",
    st.integers(1, 9),
    st.one_of(sentences, sentences.map(lambda sentence: f"- {sentence}\r\n<i>- {sentence}</i>")),
)
logs = st.builds(lambda text: f"2024-05-06 12:30:01,123 [main] ERROR c.e.App: {text} (code=0x1F)", sentences)
usual = st.lists(sentences, min_size=1, max_size=3).map(" ".join)

plain_texts = st.one_of(
    usual,
    lines(),
    lines(),
    st.lists(st.tuples(st.one_of(lines(), lines(), rows, rules, subtitles, logs), breaks).map("".join), max_size=4).map(
        "".join
    ),
    st.tuples(lines(), breaks, lines()).map("".join),
    st.tuples(long_words, blanks, lines()).map("".join),
    st.text(characters, max_size=12),
    st.lists(blanks | breaks, max_size=4).map("".join),
    st.tuples(sentences, st.integers(2, 8), blanks | breaks).map(lambda three: three[2].join([three[0]] * three[1])),
)
"""Of some hundred characters at most, mostly."""

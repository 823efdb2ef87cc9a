"""What no model may touch: addresses, names, placeholders, numbers that are written out, emoji.

Knows patterns only, neither a vocabulary nor markup. The time of every pattern grows with the text alone: repetitions
are possessive, and a look behind lets a pattern begin only where the characters that it repeats begin.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any
from unicodedata import normalize

import regex

from server.text.braces import find_brace_placeholders
from server.text.segment import Protected
from server.text.steps import Steps

Span = tuple[int, int]

_TRIGGER = re.compile(r"[0-9@#{%$<>/_:;=*`\\©®\u0660-\u1fff\u203c-\U0010ffff]")
_INNER_DOT = re.compile(r"\w\.\w")
"""A text without these two has no span but those that a request lists."""

_MAY_BE_EMOJI = re.compile("[©®\u203c-\U0010ffff]")

_MATCHES_PER_STEP = 100

_CLOSING = ".,;:!?'\"’”»…*_|"
_BRACKETS = {")": "(", "]": "[", "}": "{"}

_ADDRESS_BODY = r"[^\s<>\"“”„«»`\u3000-\u303f\uff00-\uffef]"
_FOLDER = r"[^\s\\/:*?\"<>|]++(?:[ ][^\s\\/:*?\"<>|]++){0,3}+[\\/]"
_ENDINGS = (
    "com|org|net|edu|gov|info|io|dev|eu|txt|pdf|docx?|xlsx?|pptx?|csv|tsv|json|xml|ya?ml|toml|html?|css|png|jpe?g|gif|svg"
    "|mp[34]|py|js|ts|sh|md|log|zip|tar|gz|exe|dll|ini|cfg"
)


def _compile(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives))


# Their ends are looked at again: punctuation that closes the sentence is no part of them.
_ADDRESSES = {
    "://": _compile(rf"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+-]{{1,20}}+://(?=[\w\[]){_ADDRESS_BODY}++"),
    ":": _compile(rf"(?<![A-Za-z0-9])[mM][aA][iI][lL][tT][oO]:(?=\w){_ADDRESS_BODY}++"),
    ".": _compile(
        rf"(?<![A-Za-z0-9])[wW]{{3}}\.(?=\w){_ADDRESS_BODY}++",
        # A domain of letters, and a path.
        rf"(?<![\w.@/-])\w(?:[\w-]*+\.(?=\w))++[A-Za-z]{{2,24}}+(?::\d{{1,5}}+)?+/{_ADDRESS_BODY}*+",
        rf"(?<![\w.@/-])\w(?:[\w-]*+\.(?=\w))++(?<=\.)(?:{_ENDINGS})(?![\w-])",
    ),
    "/": _compile(
        r"(?<![\w/.~:\\)<\]}%@&-])(?:~|\.{1,2})?/(?=[\w.]*[^\W\d])[\w.@+~%=-]++(?:/[\w.@+~%=-]++)*+/?+",
        # A relative path ends with a file's ending, which and/or, km/h do not.
        r"(?<![\w/.~:\\-])\w[\w.-]*+/(?:[\w.@+-]++/)*+[\w-]++(?:\.[\w-]++(?=\.\w))*+\.[a-z][a-z0-9]{0,4}+(?![\w/-])",
    ),
    "\\": _compile(
        rf"(?<!\w)[A-Za-z]:\\(?:{_FOLDER})*+[^\s\\/:*?\"<>|]*+",
        rf"(?<![\w\\])\\\\\w[\w.-]*+\\(?:{_FOLDER})*+[^\s\\/:*?\"<>|]*+",
    ),
    "@": _compile(
        r"(?<![\w.+%-])\w[\w.+%-]*+@[\w-]++(?:\.[\w-]++)++",
        r"(?<![\w@/])@\w++(?:[.-]++\w++)*+(?:@\w++(?:[.-]++\w++)*+)?+",
    ),
}
"""By what a text has where one of them is."""


def _emoticon(eyes: str) -> str:
    return rf"(?<![\w:;=]){eyes}['^-]?(?:[()]++|[DPpOo|/\\])(?![\w/])"


# Placeholders, names of programs, emoticons and short codes of emoji as :smile:, arrows, and the signs of comments.
_OTHERS = {
    "`": _compile(r"(?<!`)`{1,2}+[^`\n]++`{1,2}+(?!`)"),  # code in Markdown
    "#": _compile(r"(?<![\w&#/])#\w++(?:-\w++)*+"),
    "%": _compile(
        r"(?<![\d%])%(?:\(\w++\)|\d{1,3}+\$)?[-+0#]{0,4}\d{0,4}(?:\.\d{1,4})?(?:hh?|ll?|[zjtLq])?[sdiufFeEgGxXoacpr@]"
        r"(?:(?![A-Za-z0-9])|(?=[x:]%))",
        r"(?<![\w%])%[A-Za-z_]\w*+%",
        r"(?<![\w%])%L?\d{1,2}+(?![\w%])",  # Qt's
        r"%%",
        r"<%(?:(?!%>)[^<])*+%>",  # of ERB, JSP and the like
    ),
    "_": _compile(
        r"(?<!\w)_*+[^\W_]++(?:_++[^\W_]++)++_*+(?!\w)",
        r"(?<!\w)_{1,3}+(?=[^\W_])|(?<=[^\W_])_{1,3}+(?!\w)",
        r"_{4,}+(?:[/.-]_{2,}+)*+|(?<!\w)_{2,}+(?:[/.-]_{2,}+)++(?!\w)",  # to be filled in
    ),
    ":": _compile(_emoticon(":"), r"(?<![\w:])(?::(?:[+-]1|(?=[\d_+-]{0,64}+[^\W\d_])[\w+-]{2,64}+):)++(?![\w:])"),
    ";": _compile(_emoticon(";")),
    "=": _compile(_emoticon("="), r"(?<!\S)[<>!=]=(?!\S)"),
    ">": _compile(r"<?[-=~]{1,10}+>"),
    "*": _compile(
        r"/\*++(?!/)|(?<![/*])\*++/",
        r"(?<![\w*])\*{1,3}+(?=[^\s*])|(?<=[^\s*])\*{1,3}+(?![\w*])",  # emphasis in Markdown
    ),
    # Tags in a text that is no HTML.
    # Tags of markup; an attribute has a value, so that `a <b and c> d` has no tag.
    "<": _compile(
        r"</?[A-Za-z][\w:-]*+(?:\s++[\w:.-]++\s*+=\s*+(?:\"[^<>\"]*+\"|'[^<>']*+'|[^\s<>\"'=]++))*+\s*+/?>",
        r"<!?[-=~]{1,10}+(?![\w>])",
    ),
    "$": _compile(r"(?<![\w$])\$[A-Za-z_]\w*+"),
}

_FENCE = re.compile(r"(?m)(?<![^\n])[ \t]*+`{3,}+([^`\n]*+)$")

_CURRENCY = r"[$€£¥₹₽₩]"
_CURRENCY_BEHIND = rf"{_CURRENCY}(?![\d{{a-z_])"
_PERCENT = r"[%‰](?!\w|[%@{]|\(\w++\)|[-+#]\d{0,4}[A-Za-z])"
"""Behind a number, unless a placeholder begins there: `9 ${name}`, `5 %(unit)s`."""
_NUMBER_SEPARATOR = r"[.,:/'’\u00b7\u2013\u00a0\u202f-]"
_UNIT = r"(?:km/h|m/s|[kcdm]?m[²³]?|[kmµμ]?g|[cdm]?l|[kKMGT]i?B|[kMG]?Hz|[kMG]Wh?|[kM]V|mA|kcal|mph|min)(?![\w/'’²³])"
"""Signs of units as most languages with Latin letters write them; those of one capital are letters of much else."""
_AMOUNT = rf"(?:\d{{1,3}}(?: \d{{3}})++|\d++(?:{_NUMBER_SEPARATOR}\d++)*+)"
"""A number, also in groups of three digits."""
_BEFORE_AMOUNT = (
    rf"(?:(?<!\w)[-+−]{_CURRENCY}?|(?<!\w){_CURRENCY}|(?<![\w.,/$€£¥₹₽₩]))(?<!\d[ .,:/'’\u00b7\u2013\u00a0\u202f-])"
)
"""Its sign and currency; it does not begin amid another number."""
_NUMBERS = (
    # Telephone numbers, and numbers in groups of three.
    _compile(
        r"(?<![\w+])\+(?=(?:[ .\u00a0()/-]*+\d){7})\d++(?:[ .\u00a0()/-]{1,3}+\d++)*+",
        r"(?<![\w.])\(\d{2,4}\) ?\d{2,4}(?:[ -]\d{2,4}){1,3}(?!\w)",
        r"(?<![\w.])0\d(?:[ .\u00a0-]\d\d){4}(?!\d)",
        r"(?<![\w.])\d{1,3}(?: \d{3}){2,}(?!\d)",
    ),
    # Times with their half of the day, or with French's sign of hours, of which models would make what they like.
    # German has another `am`, before a noun.
    _compile(
        r"(?<![\w.,:])\d{1,2}[:.]\d\d(?::\d\d)?[ \u00a0\u202f]?[aApP](?:\. ?[mM]\.|[mM](?!\w))",
        r"(?<![\w.,:])(?:0?[1-9]|1[0-2])[ \u00a0\u202f]?(?:[aApP]\. ?[mM]\.|[pP][mM](?!\w)|[aA][mM](?!\w| [A-ZÄÖÜ]))",
        r"(?<![\w.,:])\d{1,2}[ \u00a0\u202f]?h(?:/\d{1,2}|[ \u00a0\u202f]?\d\d(?:[ \u00a0\u202f]?min)?)?(?![\w/])",
    ),
    # Numbers with separators: with their sign, currency or unit.
    _compile(
        rf"(?:(?<!\w)[-+−](?={_CURRENCY}?\d))?{_CURRENCY}?(?<![\w.])\d++(?:{_NUMBER_SEPARATOR}\d++)++"
        rf"(?:T\d\d:\d\d(?::\d\d)?(?:\.\d++)?(?:Z|[+-]\d\d:?\d\d)?|[^\W\d]\w*+|{_PERCENT}"
        rf"|[ \u00a0\u202f]?{_CURRENCY_BEHIND})?",
        r"(?<!\w)\d++[x×]\d++(?!\w)",
    ),
    # Numbers with a sign of what they count: units, percents, degrees, amounts of money.
    _compile(
        rf"{_BEFORE_AMOUNT}{_AMOUNT}[ \u00a0\u202f]?{_UNIT}",
        rf"{_BEFORE_AMOUNT}{_AMOUNT}[ \u00a0\u202f]?(?:{_PERCENT}|°[ \u00a0]?(?:[CFK]\b)?|{_CURRENCY_BEHIND})",
        rf"(?<!\w){_CURRENCY}[ \u00a0]?{_AMOUNT}(?!\w)",
    ),
    # Versions; long numbers, with the word that they are in; hexadecimal ones.
    _compile(
        r"(?<![\w.])[vV]\d++(?:\.\d++)*+(?:-\w++(?:\.\w++)*+)?",
        rf"(?:{_CURRENCY}(?=\d))?(?<!\w)(?=[^\W\d]*+(?:\d{{1,4}}+[^\W\d]++)*+\d{{5}})\w++",
    ),
    _compile(
        r"(?<!\w)[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?!\w)",
        r"(?<!\w)(?=[a-f]*+\d)(?=\d*+[a-f])[0-9a-f]{7,64}+(?!\w)",
        r"(?<!\w)0[xX][0-9a-fA-F]++(?!\w)",
        r"(?<![\w:])[0-9a-fA-F]{1,4}(?:::?[0-9a-fA-F]{1,4}){4,7}(?![\w:])",
    ),
    # Codes.
    _compile(
        r"(?<![\w-])(?=[A-Z-]++\d)[A-Z][A-Z0-9]*+(?:-[A-Z0-9]++)++(?![\w-])",
        r"(?<![\w-])\d++-[A-Z]{1,2}(?![\w-])",
    ),
)

_EMOJI: "regex.Pattern[str]" = regex.compile(
    r"""(?:
      [0-9\#*]\uFE0F?\u20E3
    | \p{Regional_Indicator}{2}
    | (?: \p{Emoji_Presentation} | [\p{Emoji}--[0-9\#*]](?=[\uFE0F\p{Emoji_Modifier}])
        | [\p{Extended_Pictographic}&&[\u2300-\U0010FFFF]] )
      [\p{Emoji_Modifier}\uFE0E\uFE0F\u20E3\U000E0020-\U000E007F]*+
      (?: \u200D\p{Extended_Pictographic}[\p{Emoji_Modifier}\uFE0E\uFE0F\U000E0020-\U000E007F]*+ )*+
    ){1,500}+""",
    regex.VERBOSE | regex.VERSION1,
)
"""Emoji sequences of Unicode Technical Standard 51; several without anything between them are one match. Signs that are
mostly text, as the copyright sign, count only where they are presented as emoji."""

_MARKUP = re.compile(r"</?[A-Za-z][^>]*>|\*{1,3}|_{1,3}")

_APOSTROPHES = str.maketrans("’", "'")


def in_every_form(listed: Sequence[str]) -> tuple[str, ...]:
    """Texts as they are, and with their letters encoded in Unicode's other ways: é, and e with an accent behind it."""
    forms = (form for text in listed for form in (text, normalize("NFC", text), normalize("NFD", text)))
    return tuple(dict.fromkeys(forms))


def is_markup(literal: str) -> bool:
    """Whether a protected text is a tag or a sign of emphasis: no word, but something about those that it stands by."""
    return _MARKUP.fullmatch(literal) is not None


def find_protected(text: str, do_not_translate: Sequence[str]) -> Steps[list[Protected]]:
    """The parts of a text that a translation has as they are, in order and disjoint: of those that overlap, the one
    that begins first, or else the longer one.

    do_not_translate: texts of which every occurrence is protected, whole words where they begin or end with a word
    character, in exactly this letter case; ' and ’ are one.
    """
    spans: list[Span] = []
    if _TRIGGER.search(text) or (text.find(".", 0, -1) >= 0 and _INNER_DOT.search(text)):
        spans = yield from _find_by_pattern(text)
    if do_not_translate:
        spans += yield from _find_listed(text, do_not_translate)
    if not spans:
        return []
    ends: dict[int, int] = {}
    for number, (start, end) in enumerate(spans):
        if number % _MATCHES_PER_STEP == 0:
            yield
        ends[start] = max(end, ends.get(start, 0))
    protected: list[Protected] = []
    last_end = 0
    for number, start in enumerate(sorted(ends)):
        if number % _MATCHES_PER_STEP == 0:
            yield
        if start >= last_end:
            last_end = ends[start]
            protected.append(Protected(start, last_end, text[start:last_end]))
    return protected


def _find_by_pattern(text: str) -> Steps[list[Span]]:
    spans: list[Span] = []
    for sign, pattern in _ADDRESSES.items():
        if sign in text:
            spans += yield from _spans(pattern.finditer(text), text)
    for sign, pattern in _OTHERS.items():
        if sign in text:
            spans += yield from _spans(pattern.finditer(text))
    if "```" in text:
        spans += yield from _find_fenced(text)
    if "{" in text:
        spans += yield from find_brace_placeholders(text)
    if _MAY_BE_EMOJI.search(text):
        spans += yield from _spans(_EMOJI.finditer(text))
    if re.search(r"\d", text):
        for pattern in _NUMBERS:
            spans += yield from _spans(pattern.finditer(text))
    return spans


def _find_fenced(text: str) -> Steps[list[Span]]:
    """Blocks of code in Markdown, from the line with their first fence to that with their last; a fence without
    another is a line by itself."""
    spans: list[Span] = []
    opening: Span | None = None
    for match in _FENCE.finditer(text):
        if opening and not match.group(1).strip():
            spans.append((opening[0], match.end()))
            opening = None
        else:
            spans += [opening] if opening else []
            opening = match.span()
        yield
    return [*spans, opening] if opening else spans


def _spans(matches: Iterator[Any], trimmed: str = "") -> Steps[list[Span]]:
    """Where matches are; in a text that is given, without the punctuation that closes the sentence."""
    spans: list[Span] = []
    for number, match in enumerate(matches):
        start, end = match.span()
        if trimmed:
            end = _without_closing(trimmed, start, end)
        spans.append((start, end))
        if number % _MATCHES_PER_STEP == 0:
            yield
    yield
    return spans


def _without_closing(text: str, start: int, end: int) -> int:
    """The end of an address without punctuation and without brackets that were opened before it."""
    num_open = {closing: text.count(opening, start, end) for closing, opening in _BRACKETS.items()}
    num_closed = {closing: text.count(closing, start, end) for closing in _BRACKETS}
    while end > start:
        last = text[end - 1]
        if last in _BRACKETS:
            if num_closed[last] <= num_open[last]:
                break
            num_closed[last] -= 1
        elif last not in _CLOSING:
            break
        end -= 1
    return end


def _find_listed(text: str, listed: Sequence[str]) -> Steps[list[Span]]:
    plain = text.translate(_APOSTROPHES)
    spans: list[Span] = []
    num_searches = 0
    for term in {term.translate(_APOSTROPHES) for term in listed if term}:
        start = plain.find(term)
        while start >= 0:
            end = start + len(term)
            if _is_whole(plain, start, end):
                spans.append((start, end))
            start = plain.find(term, start + 1)
            num_searches += 1
            if num_searches % _MATCHES_PER_STEP == 0:
                yield
        num_searches += 1
        if num_searches % _MATCHES_PER_STEP == 0:
            yield
    return spans


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether no word of the text goes on over a part's beginning or end, and no mark belongs to its last character."""
    after = text[end : end + 1]
    if after and (unicodedata.combining(after) or (_is_of_word(after) and _is_of_word(text[end - 1]))):
        return False
    return not (start and _is_of_word(text[start - 1]) and _is_of_word(text[start]))


def _is_of_word(character: str) -> bool:
    return character.isalnum() or character == "_"

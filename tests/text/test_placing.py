import itertools
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.text.alignment import Float32, words
from server.text.placing import Placed, Translated, place
from server.text.segment import Element, Protected, Segment
from tests.fakes import all_at_once

MARKS = re.compile(r"(⟦[^⟧]*⟧|<[a-z][^>]*>|</[a-z]+>)")


def taken_out(marked: str, *, is_html: bool | None = None) -> Translated:
    """A segment whose protected spans are in ⟦ ⟧ and whose elements are in tags; the output is still empty."""
    text, protected, elements, open_ = "", [], [], []
    for part in MARKS.split(marked):
        if part.startswith("⟦"):
            literal = part[1:-1]
            is_tag = literal.startswith("<")
            protected.append(Protected(len(text), len(text) + (0 if is_tag else len(literal)), literal))
            text += "" if is_tag else literal
        elif part.startswith("</"):
            number = open_.pop()
            elements[number] = elements[number]._replace(end=len(text), closing=part)
        elif part.startswith("<"):
            open_.append(len(elements))
            elements.append(Element(len(text), len(text), part, ""))
        else:
            text += part
    if is_html is None:
        is_html = bool(elements)
    segment = Segment(text, range(len(text) + 1), tuple(protected), tuple(elements), is_html)
    return read(segment, collapses=True)


def read(segment: Segment, *, collapses: bool) -> Translated:
    """What a model reads: without protected spans, with one blank or both of those that were around them."""
    text, source, origins, protected, at = segment.text, "", list[int](), list[tuple[int, Protected]](), 0
    for span in segment.protected:
        source, origins = source + text[at : span.start], [*origins, *range(at, span.start)]
        at = span.end
        protected.append((len(source), span))
        if collapses:
            while (not source or source[-1:].isspace()) and text[at : at + 1].isspace():
                at += 1
    source, origins = source + text[at:], [*origins, *range(at, len(text) + 1)]
    return Translated(segment, source, origins, protected, segment.elements, "")


def with_output(translated: Translated, output: str, pairs: str | None = None) -> Translated:
    """pairs: "source-output" words, separated by blanks; words are tokens."""
    if pairs is None:
        return replace(translated, output=output)
    source_words, output_words = all_at_once(words(translated.source)), all_at_once(words(output))
    attention = np.full((len(output_words), len(source_words)), 0.01, np.float32)
    for pair in pairs.split():
        source_word, output_word = map(int, pair.split("-"))
        attention[output_word, source_word] = 0.9
    return replace(
        translated, output=output, source_tokens=source_words, output_tokens=output_words, attention=attention
    )


def placed(marked: str, output: str, pairs: str | None = None, *, is_html: bool | None = None) -> str:
    translated = with_output(taken_out(marked, is_html=is_html), output, pairs)
    result = all_at_once(place(translated))
    check(translated, result)
    return result.text


def check(translated: Translated, result: Placed) -> None:
    """What is true of every result."""
    for (_, span), (start, end) in zip(translated.protected, result.spans, strict=True):
        assert result.text[start:end] == span.literal
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(result.spans))
    offsets = list(result.offsets)
    assert offsets == sorted(offsets)
    assert len(offsets) == len(translated.output) + 1
    assert offsets[-1] <= len(result.text)
    for character, offset in zip(translated.output, offsets, strict=False):
        written = character.upper() if translated.is_upper else character
        written = escape(written, quote=False) if translated.segment.is_html else written
        assert character.isspace() or result.text.startswith(written, offset)
    taken = np.zeros(len(result.text) + 1, int)
    for start, end in result.spans:
        taken[start:end] += 1
    for at, character in enumerate(translated.output):
        if not character.isspace():
            assert not taken[offsets[at]]
            taken[offsets[at]] += 1


SENTENCES = [
    # the words in their order
    ("Visit ⟦http://a.b⟧ for more.", "Visitez pour plus.", "0-0 1-1 2-2 3-3", "Visitez http://a.b pour plus."),
    ("Hello ⟦{0}⟧, you have ⟦%s⟧ new messages.", "Bonjour, vous avez nouveaux messages.", None,
     "Bonjour {0}, vous avez %s nouveaux messages."),
    ("The file ⟦{name}⟧ was not found.", "Le fichier n'a pas été trouvé.", "0-0 1-1 3-2 3-3 2-4 4-5 5-6",
     "Le fichier {name} n'a pas été trouvé."),
    # at the beginning and at the end
    ("⟦@jane⟧ sleeps", "dort", "0-0", "@jane dort"),
    ("⟦@jane⟧, come here", ", viens ici", None, "@jane, viens ici"),
    ("I love dogs ⟦🐶⟧", "J'adore les chiens", "0-0 1-0 2-1 2-2", "J'adore les chiens 🐶"),
    ("I love dogs. ⟦🐶⟧", "J'adore les chiens.", None, "J'adore les chiens. 🐶"),
    ("I love dogs ⟦🐶⟧", "J'adore les chiens.", None, "J'adore les chiens. 🐶"),
    ("Stop!⟦🛑⟧", "Arrêtez", None, "Arrêtez 🛑"),
    ("The number is ⟦1234567890⟧.", "Le numéro est.", None, "Le numéro est 1234567890."),
    ("Where is ⟦{name}⟧?", "Où est ?", "0-0 1-1 2-2", "Où est {name} ?"),
    ("Where is ⟦{name}⟧?", "Wo ist?", "0-0 1-1 2-2", "Wo ist {name}?"),
    ('He said "it is ⟦{0}⟧."', 'Il a dit "c\'est."', None, 'Il a dit "c\'est {0}."'),
    ("I saw ⟦{0}⟧ yesterday.", "Gestern sah ich.", "2-0 1-1 0-2 3-3", "Gestern sah ich {0}."),
    # written together with something
    ("It costs ⟦£⟧5.", "Il coûte 5.", None, "Il coûte £5."),
    ("the ⟦£⟧5 note", "le billet de 5", "0-0 2-1 1-2 1-3", "le billet de £5"),
    ("It is ⟦{0}⟧% of it.", "C'est % de cela.", "0-0 1-0 2-1 3-2 4-3 5-4", "C'est {0}% de cela."),
    ("Look (⟦http://a.b⟧) here", "Regardez () ici", None, "Regardez (http://a.b) ici"),
    ("Look (⟦http://a.b⟧) here", "Regardez ( ) ici", None, "Regardez (http://a.b) ici"),
    ("Look (⟦http://a.b⟧) here", "Regardez ici", "0-0 3-1", "Regardez http://a.b ici"),
    ('The "⟦{name}⟧" file', 'Le fichier ""', "0-0 3-1 1-2 2-3", 'Le fichier "{name}"'),
    ('The "⟦{name}⟧" file', "Le fichier « »", "0-0 3-1 1-2 2-3", "Le fichier « {name} »"),
    ("the ⟦{n}⟧th dog", "le ième chien", "0-0 1-1 2-2", "le {n}ième chien"),
    ("a ⟦{0}⟧-⟦{1}⟧ score", "un score -", "0-0 2-1 1-2", "un score {0}-{1}"),
    ("in ⟦{0}⟧, dogs", "in , Hunde", "0-0 1-1 2-2", "in {0}, Hunde"),
    ("Note ⟦{0}⟧: run", "Remarque : cours", "0-0 1-1 2-2", "Remarque {0} : cours"),
    ("⟦{0}⟧: run", ": cours", None, "{0}: cours"),
    ("run (now) ⟦{0}⟧", "cours (maintenant)", None, "cours (maintenant) {0}"),
    ("about ⟦{0}⟧% of it", "environ pour cent de cela", "0-0 1-1 1-2 2-3 3-4", "environ {0} pour cent de cela"),
    ("the ⟦{0}⟧ dog", "le (chien)", "0-0 0-1 1-2 1-3", "le ({0} chien)"),
    ("the ⟦{0}⟧ dog", "le (chien)", "0-0 1-1 1-2 1-3", "le {0} (chien)"),
    ("dogs, ⟦{0}⟧ too", "auch, Hunde", "2-0 1-1 0-2", "auch, Hunde {0}"),
    ("give ⟦{0}⟧ to ⟦{1}⟧!", "donnez à !", "0-0 1-1 2-2", "donnez {0} à {1} !"),
    # tags that stand alone
    ("dogs ⟦<img>⟧ run", "chiens courent", None, "chiens <img> courent"),
    ("dogs⟦<wbr>⟧ run", "chiens courent", None, "chiens<wbr> courent"),
    ("dog⟦<wbr>⟧house", "doghouse", None, "dog<wbr>house"),
    ("dog⟦<wbr>⟧house", "chenil", None, "chenil<wbr>"),
    ("⟦<img>⟧⟦{0}⟧⟦<img>⟧ run", "courent", None, "<img>{0}<img> courent"),
    # several
    ("dogs ⟦😊⟧⟦🐶⟧ ⟦{0}⟧ run", "chiens courent", "0-0 1-1", "chiens 😊🐶 {0} courent"),
    ("⟦{a}⟧ red ⟦{b}⟧ car ⟦{c}⟧", "voiture rouge", "1-0 0-1", "{a} voiture rouge {b} {c}"),
    ("⟦{a}⟧ ⟦{b}⟧", "", None, "{a} {b}"),
    ("⟦{a}⟧\u00a0⟦{b}⟧ dogs", "chiens", "0-0", "{a}\u00a0{b} chiens"),
    ("dogs ⟦{a}⟧", "", None, "dogs {a}"[5:]),
    # never inside a word
    ("the ⟦{0}⟧ man", "l'homme", "0-0 1-0", "l'homme {0}"),
    ("it is ⟦{0}⟧ 3.5 kg", "3.5 kg", "2-0 3-1", "{0} 3.5 kg"),
    # without blanks
    ("Hello ⟦{name}⟧, welcome", "你好，欢迎", "0-0 0-1 1-2 2-3 2-4", "你好 {name}，欢迎"),
    ("你好⟦{name}⟧欢迎", "hello welcome", "0-0 1-0 2-1 3-1", "hello {name} welcome"),
    ("你好⟦{name}⟧欢迎", "こにようこそ", "0-0 1-1 2-2 2-3 3-4 3-5", "こに{name}ようこそ"),
]  # fmt: skip


@pytest.mark.parametrize(("marked", "output", "pairs", "expected"), SENTENCES)
def test_a_protected_span_is_where_it_stood(marked: str, output: str, pairs: str | None, expected: str) -> None:
    assert placed(marked, output, pairs) == expected


def test_spans_keep_their_order_where_what_they_are_glued_to_does_not() -> None:
    text = placed("⟦+⟧ the ⟦£⟧5 dog ⟦{n}⟧th cat", "th cat 5 dog", "3-0 4-1 1-2 2-3")
    assert text in ("+ £ {n}th cat 5 dog", "+ th cat £5 {n} dog", "+ th cat £5 dog {n}")


ELEMENTS = [
    ("<b>red</b> car", "voiture rouge", "1-0 0-1", "voiture <b>rouge</b>"),
    ("<b>red</b> <i>car</i>", "voiture rouge", "1-0 0-1", "<i>voiture</i> <b>rouge</b>"),
    ("<b>red car</b>", "voiture rouge", "1-0 0-1", "<b>voiture rouge</b>"),
    ("<p>a <b>red</b> car</p>", "une voiture rouge", "0-0 2-1 1-2", "<p>une voiture <b>rouge</b></p>"),
    ("<a><b><i>red</i></b></a> car", "voiture rouge", "1-0 0-1", "voiture <a><b><i>rouge</i></b></a>"),
    ("<b>red, big</b> car.", "voiture rouge, grande.", "3-0 0-1 1-2 2-3 4-4", "voiture <b>rouge, grande</b>."),
    ('This is <a href="/rex?id=1&amp;v=2">⟦Rex⟧</a>, a dog.', "C'est, un chien.", None,
     'C\'est <a href="/rex?id=1&amp;v=2">Rex</a>, un chien.'),
    ("Look <b>at ⟦{0}⟧</b> now", "Regardez maintenant", "0-0 1-0 2-1", "Regardez <b>{0}</b> maintenant"),
    ("the <b>big</b> dog", "le chien", "0-0 2-1", "le <b></b>chien"),
    ("the <b><i>big</i></b> dog", "le chien", "0-0 2-1", "le <b><i></i></b>chien"),
    ("the<b></b> dog", "le chien", "0-0 1-1", "le<b></b> chien"),
    ("the <b></b>dog", "le chien", "0-0 1-1", "le <b></b>chien"),
    ("<b>dog</b>house", "chenil", "0-0", "<b>chenil</b>"),
    ("the <b> dog </b> runs", "le chien court", "0-0 1-1 2-2", "le <b>chien</b> court"),
    ("Tom & <b>Jerry</b> < you", "Tom & Jerry < toi", None, "Tom &amp; <b>Jerry</b> &lt; toi"),
    ("see <a>⟦<img>⟧</a> here", "voir ici", "0-0 1-1", "voir <a><img></a> ici"),
    ("<b>dogs</b>", "", None, "<b></b>"),
    ("<b>⟦{0}⟧</b> <i>⟦{1}⟧</i>", "", None, "<b>{0}</b> <i>{1}</i>"),
    ("<b>not</b> eat", "ne mange pas", "0-0 1-1 0-2", "<b>ne</b> mange pas"),
    ("<b>dogs run</b>", "les chiens courent bien", None, "<b>les chiens courent bien</b>"),
]  # fmt: skip


@pytest.mark.parametrize(("marked", "output", "pairs", "expected"), ELEMENTS)
def test_tags_are_around_the_words_that_translate_what_they_enclosed(
    marked: str, output: str, pairs: str | None, expected: str
) -> None:
    assert placed(marked, output, pairs, is_html=True) == expected


def test_an_element_that_lost_its_words_is_in_no_sibling() -> None:
    text = placed("<a>big</a> <b>old dog</b>", "vieux chien", "1-0 2-1")
    assert text in ("<a></a> <b>vieux chien</b>", "<a></a><b>vieux chien</b>")


def test_capitals_are_the_models_text_alone_and_offsets_know_what_grew() -> None:
    translated = replace(with_output(taken_out("THE ⟦{name}⟧ STREET"), "die straße da", "0-0 1-1 1-2"), is_upper=True)
    result = all_at_once(place(translated))
    assert result.text == "DIE {name} STRASSE DA"
    check(translated, result)
    assert result.offsets[11] == result.text.index("DA")


def test_capitals_and_html_without_spans_or_elements() -> None:
    segment = Segment("A & B", range(6), is_html=True)
    result = all_at_once(place(Translated(segment, "A & B", range(6), (), (), "a & ß", is_upper=True)))
    assert result == Placed("A &amp; SS", [0, 1, 2, 7, 8, 10], ())


def test_what_has_nothing_to_be_placed_is_as_the_model_wrote_it() -> None:
    segment = Segment("a  dog <b>", range(11))
    assert all_at_once(place(Translated(segment, segment.text, range(11), (), (), "un  chien <b>"))) == Placed(
        "un  chien <b>", range(14), ()
    )


texts = st.text(st.sampled_from("ab c5.,-'\"()?«»é你ด\u0301&<_"), max_size=6)
literals = st.sampled_from(["{0}", "http://a.b/?c&d", "😊", "£", "%s", "a b", "<br>"])
"""The last one is a tag, which the segment's text has not."""


@dataclass(frozen=True)
class Built:
    """A segment, and what a translation of HTML and of plain text is that is the same."""

    segment: Segment
    html: str
    plain: str


@st.composite
def built_segments(draw: st.DrawFn, *, has_elements: bool) -> Built:
    parts = texts.map(lambda text: re.sub(r"\s", "", text)) | literals.map(as_protected)
    tokens = [token for token in draw(st.lists(st.lists(parts, min_size=1, max_size=3), max_size=6)) if any(token)]
    if has_elements:  # whether a tag without text is in the element that ends there, nobody knows
        tokens = [[part for part in token if part != as_protected("<br>")] or ["a"] for token in tokens]
    for end in (0, -1):  # a segment has no white space at its ends
        while tokens and not any(map(text_of, tokens[end])):
            del tokens[end]
    text, html, plain = "", "", ""
    protected, elements, open_ = list[Protected](), list[Element](), list[int]()
    for left, token in zip(reversed(range(len(tokens))), tokens, strict=True):
        for _ in range(draw(st.integers(0, 2)) if has_elements else 0):
            number = len(elements)
            elements.append(Element(len(text), len(text), f"<x{number}>", f"</x{number}>"))
            html += f"<x{number}>"
            if draw(st.booleans()):
                open_.append(number)
            else:
                html += f"</x{number}>"
                break  # another empty one would be as well inside as behind it
        for part in token:
            if isinstance(part, Protected):
                protected.append(part._replace(start=len(text), end=len(text) + len(text_of(part))))
            text += text_of(part)
            plain += part if isinstance(part, str) else part.literal
            html += escape(part, quote=False) if isinstance(part, str) else part.literal
        while open_ and (not left or draw(st.booleans())):
            number = open_.pop()
            elements[number] = elements[number]._replace(end=len(text))
            html += f"</x{number}>"
        blank = draw(st.sampled_from([" ", " ", "  ", "\u00a0", "\t"])) if left else ""
        text, html, plain = text + blank, html + blank, plain + blank
    return Built(Segment(text, range(len(text) + 1), tuple(protected), tuple(elements), True), html, plain)


def as_protected(literal: str) -> Protected:
    return Protected(0, 0, literal)


def text_of(part: str | Protected) -> str:
    """What a segment's text has of it."""
    if isinstance(part, str):
        return part
    return "" if part.literal.startswith("<") else part.literal


def tokens_of(text: str, bounds: Sequence[int]) -> list[tuple[int, int]]:
    cuts = [0, *sorted({bound % (len(text) + 1) for bound in bounds}), len(text)]
    return list(itertools.pairwise(cuts))


def with_copy(segment: Segment, bounds: Sequence[int], *, collapses: bool, attends: bool) -> Translated:
    """A translation by a model that copies what it reads."""
    translated = read(segment, collapses=collapses)
    tokens = tokens_of(translated.source, bounds)
    attention: Float32 | None = np.eye(len(tokens), dtype=np.float32) if attends else None
    return replace(
        translated, output=translated.source, source_tokens=tokens, output_tokens=tokens, attention=attention
    )


any_bounds = st.lists(st.integers(0, 50), max_size=12)


@settings(max_examples=300)
@given(built_segments(has_elements=False), any_bounds, st.booleans(), st.booleans())
def test_a_copy_is_the_segment_again(built: Built, bounds: list[int], collapses: bool, attends: bool) -> None:
    segment = replace(built.segment, is_html=False)
    translated = with_copy(segment, bounds, collapses=collapses, attends=attends)
    result = all_at_once(place(translated))
    assert result.text == built.plain
    check(translated, result)


@settings(max_examples=300)
@given(built_segments(has_elements=True), any_bounds, st.booleans(), st.booleans())
def test_a_copy_of_html_is_the_segment_with_its_tags(
    built: Built, bounds: list[int], collapses: bool, attends: bool
) -> None:
    translated = with_copy(built.segment, bounds, collapses=collapses, attends=attends)
    result = all_at_once(place(translated))
    assert result.text == built.html
    check(translated, result)


class Nesting(HTMLParser):
    """Checks that tags close in the order in which they open, and counts them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []
        self.closed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.closed.append(tag)


@settings(max_examples=300)
@given(built_segments(has_elements=True), texts.map(str.strip), any_bounds, st.integers(0, 2**32 - 1), st.booleans())
def test_whatever_the_model_writes_and_attends_to_everything_is_there_once(
    built: Built, output: str, bounds: list[int], seed: int, is_upper: bool
) -> None:
    translated = read(built.segment, collapses=True)
    source_tokens, output_tokens = tokens_of(translated.source, bounds), tokens_of(output, bounds)
    attention = np.random.default_rng(seed).random((len(output_tokens), len(source_tokens)), np.float32)
    translated = replace(
        translated,
        output=output,
        source_tokens=source_tokens,
        output_tokens=output_tokens,
        attention=attention**4,
        is_upper=is_upper,
    )
    result = all_at_once(place(translated))
    check(translated, result)
    parser = Nesting()
    parser.feed(re.sub("|".join(map(re.escape, ["&amp;", "&lt;", "&LT;", "?c&d"])), "", result.text))
    parser.close()
    assert not parser.open
    assert sorted(parser.closed) == sorted(element.opening[1:-1] for element in built.segment.elements)


def longest_step(translated: Translated) -> float:
    """Seconds of the longest work between two yields: of three tries the best."""
    best = float("inf")
    for _ in range(3):
        longest, before = 0.0, time.perf_counter()
        for _ in place(translated):
            now = time.perf_counter()
            longest, before = max(longest, now - before), now
        best = min(best, max(longest, time.perf_counter() - before))
    return best


def random_attention(translated: Translated, output: str) -> Translated:
    source_tokens, output_tokens = all_at_once(words(translated.source)), all_at_once(words(output))
    attention = np.random.default_rng(0).random((len(output_tokens), len(source_tokens)), np.float32)
    return replace(
        translated, output=output, source_tokens=source_tokens, output_tokens=output_tokens, attention=attention
    )


LARGE = {
    "words and spans": random_attention(taken_out("dog ⟦{0}⟧ cat " * 100 + "end"), "chien " * 200),
    "spans alone": random_attention(taken_out("a " + "⟦😊⟧" * 5000), "b"),
    "tags": random_attention(taken_out("<b>" * 1400 + "dog " * 200 + "</b>" * 1400), "chien " * 200),
    "empty elements": random_attention(taken_out("dog <b></b> " * 800), "chien " * 200),
    "marks": random_attention(taken_out(".⟦😊⟧" * 1000), "." * 1000),
    "one long word": random_attention(taken_out("a" * 5000 + " ⟦😊⟧ b", is_html=True), "b" * 10000),
}


@pytest.mark.parametrize("name", LARGE)
def test_work_is_cut_into_short_steps(name: str) -> None:
    assert longest_step(LARGE[name]) < 0.02  # a loaded machine's; 0.002 on an idle one

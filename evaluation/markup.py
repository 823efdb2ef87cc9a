"""Test sentences as HTML, with inline tags around some of their words, and what such a translation has to be."""

import html
import re
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from random import Random
from typing import NamedTuple

from evaluation.variants import Changed, Variant

TAGS = ("<b>", "<i>", "<em>", '<a href="https://example.com/?a=1&amp;b=2">', '<span class="name" lang=en>', "<u >")
"""Opening tags; no content has two of the same, so that each is known again in the translation."""

MAX_WORDS = 4
"""Most words that a tag is put around."""

_OUTER_MARKS = ".,;:!?\"'()"
_WORD = re.compile(r"\S+")


class Element(NamedTuple):
    start: int
    """Where the enclosed text begins, in code points of the text without tags."""
    end: int
    opening: str
    """The opening tag as it is written."""


class Parsed(NamedTuple):
    """What a parser finds in HTML."""

    text: str
    """Without tags, and with entities decoded."""
    elements: dict[str, Element]
    """By opening tag."""
    parents: dict[str, str]
    """Opening tag -> that of the element around it; "" where there is none."""
    num_tags: Counter[str]
    """How often each opening and closing tag is there."""
    problems: list[str]
    """Tags that are not closed, or not in the order in which they were opened."""


class TagQuality(NamedTuple):
    """Words of the translation that have a letter or a digit, counted once for each element."""

    num_right: int
    """In the element, and aligned with a word that it encloses in the source."""
    num_tagged: int
    """In the element."""
    num_expected: int
    """Aligned with a word that the element encloses in the source."""
    num_empty: int
    """Elements without such a word, though words are aligned with theirs."""


def with_tags(sentences: Sequence[str], seed: str) -> Variant:
    """Each sentence with one to three tags around words or phrases, nested or side by side."""
    random = Random(f"{seed} tags")
    contents = [Changed(index, tagged(sentence, random)) for index, sentence in enumerate(sentences)]
    return Variant("HTML", contents, undo=_text_of, fault=_tag_fault, mime_type="text/html")


def tagged(sentence: str, random: Random) -> str:
    """The sentence as HTML with tags around one to three stretches of its words; marks at their ends are outside."""
    words = [match.span() for match in _WORD.finditer(sentence)]
    elements: list[Element] = []
    for opening in random.sample(TAGS, random.randint(1, 3)):
        for _ in range(20):
            first = random.randrange(len(words))
            last = min(first + random.randrange(MAX_WORDS), len(words) - 1)
            start, end = _trimmed(sentence, words[first][0], words[last][1])
            if start < end and all(_are_apart_or_nested(start, end, other) for other in elements):
                elements.append(Element(start, end, opening))
                break
    return _rendered(sentence, elements)


def parse(text: str) -> Parsed:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    problems = [*reader.problems, *(f"{opening} is not closed" for opening, _ in reader.open)]
    return Parsed("".join(reader.text), reader.elements, reader.parents, reader.num_tags, problems)


def tag_faults(source: Parsed, translation: Parsed) -> list[str]:
    """What is wrong with the tags of a translation, whatever words they are around."""
    faults = list(translation.problems)
    for tag in source.num_tags | translation.num_tags:
        expected, found = source.num_tags[tag], translation.num_tags[tag]
        if expected != found:
            faults.append(f"{tag} is there {found} times, {expected} expected")
    if not faults and source.parents != translation.parents:
        faults.append("tags are not nested as in the source")
    return faults


def judge_tags(source: Parsed, translation: Parsed, word_alignment: str) -> TagQuality:
    """How well the elements of a translation are around the words that belong to theirs in the source.

    word_alignment: pairs of words of both texts, as in Moses.
    """
    source_words, words = ([match.span() for match in _WORD.finditer(text)] for text in (source.text, translation.text))
    origins: dict[int, set[int]] = {}
    for pair in word_alignment.split():
        origin, word = map(int, pair.split("-"))
        origins.setdefault(word, set()).add(origin)
    counted = {at for at, (start, end) in enumerate(words) if any(map(str.isalnum, translation.text[start:end]))}
    right = tagged = expected = empty = 0
    for opening, element in source.elements.items():
        enclosed = _words_inside(source_words, element)
        wanted = {word for word in counted if origins.get(word, set()) & enclosed}
        found = (
            _words_inside(words, translation.elements[opening]) & counted if opening in translation.elements else set()
        )
        right += len(wanted & found)
        tagged += len(found)
        expected += len(wanted)
        empty += bool(wanted) and not found
    return TagQuality(right, tagged, expected, empty)


def _text_of(_changed: Changed, translation: str) -> str:
    return parse(translation).text


def _tag_fault(changed: Changed, translation: str, _plain: str) -> str:
    return "; ".join(tag_faults(parse(changed.content), parse(translation)))


def _words_inside(words: Sequence[tuple[int, int]], element: Element) -> set[int]:
    return {at for at, (start, end) in enumerate(words) if start < element.end and element.start < end}


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    inner = text[start:end]
    return end - len(inner.lstrip(_OUTER_MARKS + " ")), start + len(inner.rstrip(_OUTER_MARKS + " "))


def _are_apart_or_nested(start: int, end: int, other: Element) -> bool:
    is_apart = end <= other.start or other.end <= start
    return is_apart or (start <= other.start and other.end <= end) or (other.start <= start and end <= other.end)


def _rendered(text: str, elements: Sequence[Element]) -> str:
    """Of elements that enclose the same, the later one is the inner one."""
    outer_first = sorted(elements, key=lambda element: (element.start, -element.end))
    parts = []
    for place in range(len(text) + 1):
        parts += [_closing(element.opening) for element in reversed(outer_first) if element.end == place]
        parts += [element.opening for element in outer_first if element.start == place]
        parts.append(html.escape(text[place : place + 1], quote=False))
    return "".join(parts)


def _closing(opening: str) -> str:
    name = re.match(r"<(\w+)", opening)
    assert name, opening
    return f"</{name[1]}>"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.open: list[tuple[str, int]] = []
        """Opening tags that are not closed yet, and where their text begins."""
        self.elements: dict[str, Element] = {}
        self.parents: dict[str, str] = {}
        self.num_tags: Counter[str] = Counter()
        self.problems: list[str] = []
        self._length = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        opening = self.get_starttag_text() or ""
        self.num_tags[opening] += 1
        self.parents[opening] = self.open[-1][0] if self.open else ""
        self.open.append((opening, self._length))

    def handle_endtag(self, tag: str) -> None:
        self.num_tags[f"</{tag}>"] += 1
        if not self.open or _closing(self.open[-1][0]) != f"</{tag}>":
            self.problems.append(f"</{tag}> closes another tag")
            return
        opening, start = self.open.pop()
        self.elements[opening] = Element(start, self._length, opening)

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        self._length += len(data)

"""What is changed in a sentence pair before it is trained on, so that models meet what people send.

Protected spans (URLs, placeholders, emoji ...) are reserved characters, one for each span of the source in its order;
the server puts them in the place of what must not be translated, and the model carries them to where they belong.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from random import Random

from models.span_characters import SPAN_CHARACTERS, find_spans

_WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*")
_PLACEHOLDER = re.compile(r"\{\d\}")
_ELIDED = re.compile(r"['’]$")
_LIST_MARKERS = ("- ", "* ", "• ", "– ", "1. ", "2. ", "3) ", "a) ", "(b) ")
_FINAL_MARK = re.compile(r" ?[.!?…]+$")
_NUMBER = re.compile(
    r"(?<![\w.,])[$€£]?\d+(?:[ \u00a0\u202f]\d{3}(?!\d)|[.,:/]\d+)*(?:[ \u00a0\u202f]?[$€£%])?(?![\w%]|[.,:/]\d)"
)
_PLAIN_NUMBER = re.compile(r"\d+")
_NOT_OF_VALUE = re.compile(r"[^\d$€£%]")

_BESIDE: tuple[tuple[str, str], ...] = (
    ("{text} {span}", "{text} {span}"),
    ("{text} ({span})", "{text} ({span})"),
    ("{span} {text}", "{span} {text}"),
    ("{span}: {text}", "{span} : {text}"),
    ("{span}, {text}", "{span}, {text}"),
    ("{span} - {text}", "{span} - {text}"),
    ("{bare}: {span}", "{bare} : {span}"),
    ("{bare}: {span}.", "{bare} : {span}."),
    ("{bare} {span}{mark}", "{bare} {span}{mark}"),
    ("{bare} ({span}){mark}", "{bare} ({span}){mark}"),
    ("{bare}, {span}{mark}", "{bare}, {span}{mark}"),
)
"""Where a span stands beside a sentence, in English and in French: `bare` is the sentence without its final `mark`."""


@dataclass(frozen=True, kw_only=True)
class Shares:
    """The share of pairs that are changed in each way; a pair is changed in one way at most."""

    span_for_word: float = 0.0
    """A reserved character in place of a word that both sides have alike: a name, a number."""
    span_for_number: float = 0.0
    """A reserved character in place of a number with separators, a currency or a percent sign, which each language
    writes in its way."""
    span_beside: float = 0.0
    """A reserved character before, behind or in parentheses within the sentence."""
    capitals: float = 0.0
    """Both sides in capitals."""
    title_case: float = 0.0
    """Every word of the source with a capital, as in a headline."""
    small_letters: float = 0.0
    """The source in small letters and without its final mark, as in a chat."""
    no_final_mark: float = 0.0
    """Neither side with its final mark."""
    list_line: float = 0.0
    """Both sides behind a list's marker."""
    typographic: float = 0.0
    """Both sides with curly apostrophes and quotation marks."""

    def __post_init__(self) -> None:
        total = sum(getattr(self, field.name) for field in fields(self))
        if total > 1:
            given = ", ".join(field.name for field in fields(self) if getattr(self, field.name))
            raise ValueError(f"{given}: shares of 1 in all at most expected, got {total:g}")


def augment(source: str, target: str, direction: tuple[str, str], shares: Shares, random: Random) -> tuple[str, str]:
    """The pair, or the pair changed in one way. Where the chosen way does not fit the pair, it is left as it is; so is
    a pair that has spans already, if more of them would be put in."""
    draw = random.random()
    for field in fields(shares):
        draw -= getattr(shares, field.name)
        if draw < 0:
            changed = WAYS[field.name](source, target, direction, random) or (source, target)
            has_spans = bool(find_spans(source))
            return (source, target) if has_spans and field.name in _ADD_SPANS else changed
    return source, target


def number_spans(source: str, target: str) -> tuple[str, str]:
    """Reserved characters in place of `{1}`, `{2}` ..., numbered in the order of the source."""
    for character, placeholder in zip(SPAN_CHARACTERS, dict.fromkeys(_PLACEHOLDER.findall(source)), strict=False):
        source, target = source.replace(placeholder, character), target.replace(placeholder, character)
    return source, target


def _span_for_word(source: str, target: str, direction: Sequence[str], random: Random) -> tuple[str, str] | None:
    words = {word.group(): word for word in _WORD.finditer(source)}
    there = {word.group(): word for word in _WORD.finditer(target)}
    alike = [
        word
        for word, match in there.items()
        if word in words
        and (word[0].isupper() or word[0].isdigit())
        and source.count(word) == target.count(word) == 1
        and not _ELIDED.search(target[: match.start()])
        and not _ELIDED.search(source[: words[word].start()])
    ]
    if not alike:
        return None
    number = min(len(alike), len(SPAN_CHARACTERS), 1 + int(random.expovariate(1.0)))
    chosen = sorted(random.sample(alike, number), key=lambda word: words[word].start())
    for word, character in zip(chosen, SPAN_CHARACTERS, strict=False):
        source = re.sub(rf"\b{re.escape(word)}\b", character, source, count=1)
        target = re.sub(rf"\b{re.escape(word)}\b", character, target, count=1)
    return source, target


def _span_for_number(source: str, target: str, direction: Sequence[str], random: Random) -> tuple[str, str] | None:
    there, here = _numbers_by_value(target), _numbers_by_value(source)
    alike = [
        (here[value][0], there[value][0])
        for value in here
        if len(here[value]) == len(there.get(value, ())) == 1
        and not _PLAIN_NUMBER.fullmatch(here[value][0].group())
        and not _ELIDED.search(target[: there[value][0].start()])
    ][: len(SPAN_CHARACTERS)]
    if not alike:
        return None
    for side, matches in enumerate(zip(*alike, strict=True)):
        put = dict(zip(matches, SPAN_CHARACTERS, strict=False))
        text = (source, target)[side]
        for match in sorted(put, key=re.Match.start, reverse=True):
            text = text[: match.start()] + put[match] + text[match.end() :]
        source, target = (text, target) if side == 0 else (source, text)
    return source, target


def _numbers_by_value(text: str) -> dict[str, list[re.Match[str]]]:
    """Digits and sign, in a fixed order -> the numbers of a text that have these, however they are written."""
    numbers: dict[str, list[re.Match[str]]] = {}
    for match in _NUMBER.finditer(text):
        numbers.setdefault("".join(sorted(_NOT_OF_VALUE.sub("", match.group()), key=str.isdigit)), []).append(match)
    return numbers


def _span_beside(source: str, target: str, direction: Sequence[str], random: Random) -> tuple[str, str] | None:
    ends = [_FINAL_MARK.search(text) for text in (source, target)]
    if bool(ends[0]) != bool(ends[1]):
        return None
    frame = random.choice(_BESIDE)
    sides = []
    for text, end, language in zip((source, target), ends, direction, strict=True):
        bare, mark = (text[: end.start()], end.group()) if end else (text, "")
        form = frame[language == "fr"]
        sides.append(form.format(text=text, bare=bare, mark=mark, span=SPAN_CHARACTERS[0]))
    return sides[0], sides[1]


def _capitals(source: str, target: str, direction: Sequence[str], random: Random) -> tuple[str, str] | None:
    return source.upper(), target.upper()


def _title_case(source: str, target: str, direction: Sequence[str], random: Random) -> tuple[str, str] | None:
    source, target = (_FINAL_MARK.sub("", text) for text in (source, target))
    return " ".join(word[:1].upper() + word[1:] for word in source.split(" ")), target


def _small_letters(source: str, target: str, direction: Sequence[str], random: Random) -> tuple[str, str] | None:
    first = target.split(" ")[0]
    known = first.lower() if first.isalpha() and first not in source else first
    return _FINAL_MARK.sub("", source.lower()), _FINAL_MARK.sub("", known + target[len(first) :])


def _no_final_mark(source: str, target: str, direction: Sequence[str], random: Random) -> tuple[str, str] | None:
    return _FINAL_MARK.sub("", source), _FINAL_MARK.sub("", target)


def _list_line(source: str, target: str, direction: Sequence[str], random: Random) -> tuple[str, str] | None:
    marker = random.choice(_LIST_MARKERS)
    return marker + source, marker + target


def _typographic(source: str, target: str, direction: Sequence[str], random: Random) -> tuple[str, str] | None:
    return _curly(source, direction[0]), _curly(target, direction[1])


def _curly(text: str, language: str) -> str:
    opening, closing = ("« ", " »") if language == "fr" else ("“", "”")
    text = re.sub(r'"([^"]*)"', rf"{opening}\1{closing}", text)
    return text.replace("'", "’").replace("...", "…")


WAYS: dict[str, Callable[[str, str, Sequence[str], Random], tuple[str, str] | None]] = {
    "span_for_word": _span_for_word,
    "span_for_number": _span_for_number,
    "span_beside": _span_beside,
    "capitals": _capitals,
    "title_case": _title_case,
    "small_letters": _small_letters,
    "no_final_mark": _no_final_mark,
    "list_line": _list_line,
    "typographic": _typographic,
}
"""The field of `Shares` -> what it does; None where it does not fit the pair."""

_ADD_SPANS = ("span_for_word", "span_for_number", "span_beside")
"""Ways that would give a character to a second span, in a pair that has some."""

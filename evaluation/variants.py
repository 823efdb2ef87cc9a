"""Test sentences as people write them: with addresses and emoji, in capitals, with typographic quotes, with characters
that nobody sees. Each kind says how its change is undone, so that BLEU compares what is left, and what no translation
may get wrong.

Everything is drawn from a `Random` that is passed in: the same seed makes the same contents.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

SPANS = {
    "URL": ("https://www.example.com/a/page.html?id=42&x=1", "http://example.org", "www.example.net/~jane/#top"),
    "e-mail address": ("jane.doe@example.org", "info@mail.example.com", "a+b_c@example.co.uk"),
    "placeholder": ("{0}", "{name}", "{{ user }}", "${total}", "%s", "%(count)d"),
    "emoji": ("😊", "👍🏽", "👩‍👧", "🇫🇷", "❤️"),
    "foreign word": ("Привет", "你好", "שלום", "ありがとう", "Ευχαριστώ"),
}
"""Kind -> texts of that kind that a translation has as they are."""

NAME = "Tom"
"""A name that many of Tatoeba's sentences have, and their references as well."""

_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_NO_BREAK = "\u00a0\u202f"
_TYPOGRAPHIC = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "—": "-", "–": "-"})


class Changed(NamedTuple):
    """A content that was made of a test sentence."""

    sentence: int
    """Which of the test set's sentences."""
    content: str
    span: str = ""
    """What was put in, where the kind puts something in."""


def unchanged(text: str) -> str:
    return text


def _no_fault(_changed: Changed, _translation: str, _plain: str) -> str:
    return ""


@dataclass(frozen=True)
class Variant:
    """One kind of change, made to a test set's sentences."""

    name: str
    contents: Sequence[Changed]
    """Of the sentences to which the change applies, in their order."""
    undo: Callable[[Changed, str], str] = lambda _changed, translation: translation
    """The translation of a changed content as that of the plain sentence is expected to be."""
    fold: Callable[[str], str] = unchanged
    """What is done to all texts before they are compared: both translations, and the references."""
    fault: Callable[[Changed, str, str], str] = _no_fault
    """What is wrong with a translation, which is compared with that of the plain sentence; empty if nothing."""
    mime_type: str = "text/plain"
    do_not_translate: Sequence[str] = ()


def plain_variants(sentences: Sequence[str], seed: str) -> list[Variant]:
    """Every kind of change to plain text. `seed`: equal ones make equal contents."""

    def random(name: str) -> Random:
        return Random(f"{seed} {name}")

    return [
        *(with_span(kind, spans, sentences, random(kind)) for kind, spans in SPANS.items()),
        *(with_name(replacement, sentences) for replacement in (NAME, "{name}", "李明")),
        in_capitals(sentences),
        with_typography(sentences),
        with_invisible_characters(sentences, random("invisible")),
        with_no_break_spaces(sentences, random("no-break")),
    ]


def with_span(kind: str, spans: Sequence[str], sentences: Sequence[str], random: Random) -> Variant:
    """One span between two words of each sentence that has two."""

    def put_in(sentence: str) -> tuple[str, str] | None:
        words = sentence.split(" ")
        if len(words) < 2:
            return None
        span = random.choice(spans)
        words.insert(random.randrange(1, len(words)), span)
        return " ".join(words), span

    made = ((index, put_in(sentence)) for index, sentence in enumerate(sentences))
    contents = [Changed(index, *found) for index, found in made if found]
    return Variant(f"with {kind}", contents, undo=_without_span, fault=_span_fault)


def with_name(replacement: str, sentences: Sequence[str]) -> Variant:
    """Sentences with one Tom, in whose place something protected is a part of the sentence: a placeholder, a name that
    the model cannot read, or Tom himself, who is not to be translated."""
    pattern = re.compile(rf"\b{NAME}\b")

    def undo(_changed: Changed, translation: str) -> str:
        return translation.replace(replacement, NAME)

    contents = [
        Changed(index, pattern.sub(replacement, sentence), replacement)
        for index, sentence in enumerate(sentences)
        if len(pattern.findall(sentence)) == 1
    ]
    name = f"{NAME} kept" if replacement == NAME else f"{replacement} for {NAME}"
    return Variant(name, contents, undo, fault=_span_fault, do_not_translate=(NAME,) if replacement == NAME else ())


def in_capitals(sentences: Sequence[str]) -> Variant:
    def fault(_changed: Changed, translation: str, _plain: str) -> str:
        return "" if translation == translation.upper() else "not in capitals"

    contents = [Changed(index, sentence.upper()) for index, sentence in enumerate(sentences)]
    return Variant("in capitals", contents, fold=str.upper, fault=fault)


def with_typography(sentences: Sequence[str]) -> Variant:
    """Of the sentences that have any: curly quotes and apostrophes, long dashes, and the ellipsis of one character."""
    contents = [
        Changed(index, typeset)
        for index, sentence in enumerate(sentences)
        if (typeset := typography(sentence)) != sentence
    ]
    return Variant("typographic marks", contents, fold=plain_typography, fault=_same_words(plain_typography))


def with_invisible_characters(sentences: Sequence[str], random: Random) -> Variant:
    """Zero-width characters and soft hyphens between letters, in one of three words and in one at least."""
    made = ((index, _hidden(sentence, random)) for index, sentence in enumerate(sentences))
    contents = [Changed(index, content) for index, content in made if content != sentences[index]]
    return Variant("invisible characters", contents, fault=_same_words(unchanged))


def with_no_break_spaces(sentences: Sequence[str], random: Random) -> Variant:
    """No-break spaces, wide and narrow, in place of about two of three blanks, and of one at least."""
    made = ((index, _unbreakable(sentence, random)) for index, sentence in enumerate(sentences))
    contents = [Changed(index, content) for index, content in made if content != sentences[index]]
    return Variant("no-break spaces", contents, fold=plain_blanks, fault=_same_words(plain_blanks))


def typography(text: str) -> str:
    """Plain quotes, apostrophes, dashes and dots as a typesetter sets them."""
    text = re.sub(r'"([^"]*)"', r"“\1”", text)
    text = re.sub(r"(^|(?<=\s))'(?=\w)", "‘", text).replace("'", "’")
    return text.replace(" - ", " — ").replace("...", "…")


def plain_typography(text: str) -> str:
    return text.translate(_TYPOGRAPHIC).replace("…", "...")


def plain_blanks(text: str) -> str:
    return re.sub(r"\s", " ", text)


def without_span(text: str, span: str) -> str:
    """The text without the first of these spans and without one blank beside it."""
    before, found, after = text.partition(span)
    if not found:
        return text
    if before.endswith(" "):
        return before[:-1] + after
    return before + after.removeprefix(" ")


def _without_span(changed: Changed, translation: str) -> str:
    return without_span(translation, changed.span)


def _span_fault(changed: Changed, translation: str, _plain: str) -> str:
    count = translation.count(changed.span)
    return "" if count == 1 else f"{changed.span} is there {count} times"


def _same_words(fold: Callable[[str], str]) -> Callable[[Changed, str, str], str]:
    def fault(_changed: Changed, translation: str, plain: str) -> str:
        return "" if fold(translation) == fold(plain) else f"the plain sentence is translated: {plain}"

    return fault


def _hidden(sentence: str, random: Random) -> str:
    places = [match.end() for match in re.finditer(r"[A-Za-z](?=[A-Za-z])", sentence)]
    if not places:
        return sentence
    words = [match.span() for match in re.finditer(r"\S+", sentence)]
    chosen = {random.choice(places), *_one_in_each_third_word(places, words, random)}
    return "".join(
        (random.choice(_INVISIBLE) if place in chosen else "") + character for place, character in enumerate(sentence)
    )


def _one_in_each_third_word(places: Sequence[int], words: Sequence[tuple[int, int]], random: Random) -> Iterator[int]:
    for start, end in words:
        inside = [place for place in places if start < place < end]
        if inside and random.random() < 1 / 3:
            yield random.choice(inside)


def _unbreakable(sentence: str, random: Random) -> str:
    blanks = [place for place, character in enumerate(sentence) if character == " "]
    if not blanks:
        return sentence
    chosen = {random.choice(blanks), *(blank for blank in blanks if random.random() < 2 / 3)}
    return "".join(
        random.choice(_NO_BREAK) if place in chosen else character for place, character in enumerate(sentence)
    )

"""Five hundred English sentences with one to three spans that a translation has as they are: addresses, placeholders,
emoji, names, code, words of other scripts. Spans stand beside a sentence, or are words of it: its subject, its object,
behind a preposition, before a possessive 's, in questions and in lists.

They are composed from the frames in span_frames.toml, the same ones every time. A model that carries spans through
itself never reads them: it reads span characters in their places, which are pieces of its vocabulary.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from random import Random
from typing import NamedTuple

from models.span_characters import span_character

NUM_SENTENCES = {1: 300, 2: 140, 3: 60}
"""Number of spans -> sentences with so many."""

_FILE = Path(__file__).with_name("span_frames.toml")
_BLANK = re.compile(r"\{(?P<slot>\w+)\}|\[(?P<filler>\w+)\]")


class SpanSentence(NamedTuple):
    """A sentence with spans in it."""

    role: str
    """Where its spans are: the name of its frame's list."""
    text: str
    """As somebody writes it."""
    carried: str
    """What a model reads: a span character in the place of each span."""
    spans: tuple[str, ...]
    """In their order, all different."""
    kinds: tuple[str, ...]
    """What each span is."""


def span_sentences() -> list[SpanSentence]:
    """All of them, those with one span first. No two have the same `carried`, so that a model gets no sentence
    twice."""
    tables = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    composer = _Composer(tables["slots"], tables["spans"], tables["fillers"])
    frames = [(role, frame) for role, listed in tables["frames"].items() for frame in listed]
    found: dict[str, SpanSentence] = {}
    for num_spans, num_sentences in NUM_SENTENCES.items():
        fitting = [(role, frame) for role, frame in frames if frame.count("{") == num_spans]
        wanted = len(found) + num_sentences
        for role, frame in cycle(fitting):
            sentence = composer.compose(role, frame)
            found.setdefault(sentence.carried, sentence)
            if len(found) == wanted:
                break
    return list(found.values())


class _Composer:
    """Fills frames in. Spans are drawn by turns, so that every kind comes about as often as the frames allow."""

    def __init__(
        self,
        slots: Mapping[str, Sequence[str]],
        spans: Mapping[str, Sequence[str]],
        fillers: Mapping[str, Sequence[str]],
    ) -> None:
        self._slots = slots
        self._spans: dict[str, Iterator[str]] = {kind: cycle(texts) for kind, texts in spans.items()}
        self._fillers = fillers
        self._num_drawn: Counter[str] = Counter()
        self._random = Random("spans")

    def compose(self, role: str, frame: str) -> SpanSentence:
        spans: list[str] = []
        kinds: list[str] = []
        text: list[str] = []
        carried: list[str] = []
        end = 0
        for match in _BLANK.finditer(frame):
            before = frame[end : match.start()]
            if match["slot"]:
                kind = min(self._slots[match["slot"]], key=lambda kind: self._num_drawn[kind])
                self._num_drawn[kind] += 1
                spans.append(next(span for span in self._spans[kind] if span not in spans))
                kinds.append(kind)
                written, read = spans[-1], span_character(len(spans) - 1)
            else:
                word = self._random.choice(self._fillers[match["filler"]])
                written = read = word if match.start() else word[0].upper() + word[1:]
            text += [before, written]
            carried += [before, read]
            end = match.end()
        return SpanSentence(
            role, "".join([*text, frame[end:]]), "".join([*carried, frame[end:]]), tuple(spans), tuple(kinds)
        )

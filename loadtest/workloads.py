"""What models are asked to translate: texts that a seed decides, made from plain sentences of their source language.

The sentences are the repository's own, or those of a folder with a file `<language>.txt` for each language, one
sentence a line.
"""

import random
from collections.abc import Callable, Mapping, Sequence

NUM_TEXTS = 400
"""Different texts of a workload; calls choose among them at random."""

_PARTS = 8
"""Most sentences that a long one is made of."""


def make_texts(workload: str, sentences: Sequence[str], seed: int = 0) -> list[str]:
    """The texts of a workload of `WORKLOADS`, the same ones for the same seed. Raises KeyError for an unknown name."""
    make = WORKLOADS[workload]
    chooser = random.Random(f"{workload} {seed}")
    return [make(sentences, chooser) for _ in range(NUM_TEXTS)]


def _sentence(sentences: Sequence[str], chooser: random.Random) -> str:
    return chooser.choice(sentences)


def _text(sentences: Sequence[str], chooser: random.Random) -> str:
    """Two to four paragraphs, of one to three sentences, with an empty line between them."""
    paragraphs = [chooser.choices(sentences, k=chooser.randint(1, 3)) for _ in range(chooser.randint(2, 4))]
    return "\n\n".join(map(" ".join, paragraphs))


def _long_mix(sentences: Sequence[str], chooser: random.Random) -> str:
    """Every fifth one is long, as single long sentences among short ones are what holds up a batch."""
    return _sentence_of(_PARTS if chooser.random() < 0.2 else 1, sentences, chooser)


def _lengths(sentences: Sequence[str], chooser: random.Random) -> str:
    """All lengths alike."""
    return _sentence_of(chooser.randint(1, _PARTS), sentences, chooser)


def _sentence_of(num_parts: int, sentences: Sequence[str], chooser: random.Random) -> str:
    """One sentence with several main clauses, which no splitter takes apart."""
    first, *others = (part.rstrip(".?!\u2026 \u00a0\u202f") for part in chooser.choices(sentences, k=num_parts))
    return ", ".join([first, *(part[:1].lower() + part[1:] for part in others)]) + "."


WORKLOADS: Mapping[str, Callable[[Sequence[str], random.Random], str]] = {
    "sentences": _sentence,
    "texts": _text,
    "long-mix": _long_mix,
    "lengths": _lengths,
}
"""How each makes one text: single sentences; texts of several paragraphs and sentences; single sentences of which every
fifth is long; single sentences of all lengths alike, from one clause to eight."""

"""From the pairs that a source holds to its parts: cleaning, splitting by the hashes of held-out sentences, writing."""

import gzip
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from operator import or_
from pathlib import Path

from models.data.corpora import CorpusError
from models.data.download.archives import write_whole
from models.data.download.clean import find_fault, normalise, plain
from models.data.download.pair import Pair
from models.data.held_out import is_short, sentence_hash

PairHash = tuple[int, int]


@dataclass
class Parts:
    """A source's pairs by what they are for, and the numbers of those that are left out, by the reason."""

    train: list[Pair] = field(default_factory=list)
    test: list[Pair] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def pair_hash(pair: Pair) -> PairHash:
    """Equal for pairs that differ in case, punctuation and spaces alone."""
    return sentence_hash(pair.english), sentence_hash(pair.french)


def split(found: Iterable[Pair], held_out: Collection[int], known: Collection[PairHash]) -> Parts:
    """Clean pairs, each once. Those with both sides held out are the test, those with neither the training text.

    `known`: pairs that other sources have. A sentence of up to three words is not held out, nor does it keep its pair
    out of the test.
    """
    parts = Parts()
    seen: set[PairHash] = set()
    for each in found:
        pair = Pair(normalise(each.english), normalise(each.french))
        fault = find_fault(*pair)
        if fault:
            parts.left_out[fault] += 1
            continue
        hashes = pair_hash(pair)
        if hashes in seen or hashes in known:
            parts.left_out["double"] += 1
            continue
        seen.add(hashes)
        short = [is_short(side) for side in pair]
        held = [digest in held_out and not brief for digest, brief in zip(hashes, short, strict=True)]
        if not any(held):
            parts.train.append(pair)
        elif all(map(or_, held, short)):
            parts.test.append(pair)
        else:
            parts.left_out["held out"] += 1
    return parts


def keep_all(found: Iterable[Pair]) -> Parts:
    """A benchmark: every pair in its order, with spaces and apostrophes made plain."""
    return Parts(test=[Pair(plain(each.english), plain(each.french)) for each in found])


def write_parts(folder: Path, parts: dict[str, list[Pair]]) -> None:
    """Write `<part>.<language>.gz`, one sentence a line. Raises CorpusError for a part without pairs."""
    empty = next((part for part, pairs in parts.items() if not pairs), None)
    if empty:
        raise CorpusError(f"no pair for {empty} found in the archive")
    for part, pairs in parts.items():
        for language, sentences in zip(("en", "fr"), zip(*pairs, strict=True), strict=True):
            text = "".join(f"{sentence}\n" for sentence in sentences)
            write_whole(folder / f"{part}.{language}.gz", gzip.compress(text.encode("utf-8"), mtime=0))

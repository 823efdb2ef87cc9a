"""From the pairs that a source holds to its parts: cleaning, splitting by the hashes of held-out sentences, writing."""

import gzip
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from operator import or_
from pathlib import Path
from typing import Literal

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


def split(found: Iterable[Pair], held_out: Collection[int], known: Collection[PairHash], *, of_blocks: bool) -> Parts:
    """Pairs, each once. Those with both sides held out are the test, those with neither, if clean, the training text.

    `known`: pairs that other sources have. `of_blocks`: whether pairs are blocks, to be split into sentences.
    """
    parts = Parts()
    seen: set[PairHash] = set()
    for each in found:
        block = Pair(normalise(each.english), normalise(each.french))
        pieces = split_block(block, held_out) if of_blocks else [block]
        if not pieces:
            parts.left_out["held out"] += 1
        for pair in pieces:
            use = _use_of(pair, held_out)
            reason = find_fault(*pair) if use == "train" else "held out" if use is None else None
            hashes = pair_hash(pair)
            if not reason and (hashes in seen or hashes in known):
                reason = "double"
            if reason:
                parts.left_out[reason] += 1
            else:
                seen.add(hashes)
                (parts.test if use == "test" else parts.train).append(pair)
    return parts


def split_block(block: Pair, held_out: Collection[int]) -> list[Pair]:
    """A block's sentences with their translations. The block as it is, if one side has more sentences than the other,
    or if it is a pair of a test as it is; nothing, if it is not split and some sentence in it is held out."""
    if any(is_held_out(side, held_out) for side in block):
        return [block]
    english, french = block.sentences()
    if len(english) == len(french):
        return [*map(Pair, english, french)]
    return [] if any(is_held_out(sentence, held_out) for sentence in english + french) else [block]


def _use_of(pair: Pair, held_out: Collection[int]) -> Literal["train", "test"] | None:
    """A sentence of up to three words is not held out, nor does it keep its pair out of the test."""
    held = [is_held_out(side, held_out) for side in pair]
    if not any(held):
        return "train"
    return "test" if all(map(or_, held, map(is_short, pair))) else None


def is_held_out(sentence: str, held_out: Collection[int]) -> bool:
    return not is_short(sentence) and sentence_hash(sentence) in held_out


def keep_all(found: Iterable[Pair]) -> Parts:
    """A benchmark: every pair in its order, with spaces and apostrophes made plain."""
    return Parts(test=[Pair(plain(each.english), plain(each.french)) for each in found])


def count_trainable(pairs: Iterable[Pair], held_out: Collection[int]) -> int:
    """The number of pairs of a test that nothing keeps out of another corpus's training text."""
    return sum(not all(is_short(side) or is_held_out(side, held_out) for side in pair) for pair in pairs)


def write_parts(folder: Path, parts: dict[str, list[Pair]]) -> None:
    """Write `<part>.<language>.gz`, one sentence a line. Raises CorpusError for a part without pairs."""
    empty = next((part for part, pairs in parts.items() if not pairs), None)
    if empty:
        raise CorpusError(f"no pair for {empty} found in the archive")
    for part, pairs in parts.items():
        for language, sentences in zip(("en", "fr"), zip(*pairs, strict=True), strict=True):
            text = "".join(f"{sentence}\n" for sentence in sentences)
            write_whole(folder / f"{part}.{language}.gz", gzip.compress(text.encode("utf-8"), mtime=0))

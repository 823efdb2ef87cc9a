"""Sentences that are never trained on: those of every test set, known by their hashes, and of the validation sets.

python -m models.data.held_out [--data FOLDER]      # writes the hashes of the test sets again
"""

import argparse
import hashlib
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.corpora import all_sources, data_folder, read_corpus
from models.span_sentences import span_sentences

FIRST_SENTENCES = Path(__file__).parents[2] / "evaluation" / "first_sentences.toml"
"""A test of its own, whose sentences and references are not trained on either."""

HASHES = Path(__file__).with_name("held_out.npy")
"""uint64, sorted: `sentence_hash` of both sides of all pairs of all test sets, and of the tests of our own."""

MAX_SHORT = 3
"""Words up to which a sentence may be in a test set and in the training text: `Thank you.` belongs to nobody."""


def sentence_hash(sentence: str) -> int:
    """Of its letters and digits alone: case, punctuation and spaces make no other sentence."""
    folded = unicodedata.normalize("NFKC", sentence).casefold()
    letters = "".join(character for character in folded if character.isalnum())
    return int.from_bytes(hashlib.blake2b(letters.encode(), digest_size=8).digest(), "big")


def is_short(sentence: str) -> bool:
    return len(sentence.split()) <= MAX_SHORT


def hashes(sentences: Iterable[str]) -> set[int]:
    return {sentence_hash(sentence) for sentence in sentences if not is_short(sentence)}


def read_test_hashes() -> set[int]:
    return set(np.load(HASHES).tolist())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.data.held_out", description="Hash all test sets.")
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    data = data_folder(parser.parse_args().data)
    found: set[int] = set()
    for name, source in all_sources().items():
        for part in source.parts:
            if part.startswith("test"):
                corpus = read_corpus(data, name, part)
                found |= hashes([*corpus.sources, *(line for every in corpus.references for line in every)])
    tables = tomllib.loads(FIRST_SENTENCES.read_text(encoding="utf-8"))
    found |= hashes(_texts_in(tables))
    found |= hashes(sentence.carried for sentence in span_sentences())
    array: npt.NDArray[np.uint64] = np.array(sorted(found), dtype=np.uint64)
    np.save(HASHES, array)
    print(f"wrote {HASHES}: {len(array):,} sentences")


def _texts_in(value: object) -> Iterator[str]:
    """Every text in a TOML table, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)


if __name__ == "__main__":
    main()

"""Measure whether models carry protected spans through by themselves, without anything that a server does about it.

    python -m models.evaluate_spans checkpoints/transformer-en-fr checkpoints/lstm-en-fr

The sentences of `models.span_sentences` are decoded greedily in PyTorch, with span characters in the places of spans.
One is carried if its translation has the character of each span exactly once, and no other span character.
`python -m export.evaluate_spans` measures finished bundles alike.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sentencepiece import SentencePieceProcessor

from models.checkpoint import CheckpointError, load_checkpoint
from models.config import ConfigError
from models.greedy import greedy_decode, translate
from models.span_characters import find_spans, span_character
from models.span_sentences import NUM_SENTENCES, SpanSentence, span_sentences


class NoSpanPieces(ValueError):
    """A tokenizer without a piece for each span character."""


class Carried(NamedTuple):
    """How many sentences keep their spans."""

    num_sentences: int
    num_carried: int
    """With each span exactly once."""
    num_in_order: int
    """Of these, with their spans in the order of the source."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m models.evaluate_spans", description="Measure what becomes of spans."
    )
    parser.add_argument("checkpoints", nargs="+", type=Path, help="finished models' folders")
    arguments = parser.parse_args()
    sentences = span_sentences()
    try:
        for checkpoint in arguments.checkpoints:
            _, model, tokenizer = load_checkpoint(checkpoint)
            translations = translate_spans(partial(greedy_decode, model), tokenizer, sentences)
            print(report(str(checkpoint), sentences, translations))
    except (CheckpointError, ConfigError, NoSpanPieces) as error:
        sys.exit(f"error: {error}")


def translate_spans(
    decode: Callable[[Sequence[Sequence[int]]], list[list[int]]],
    tokenizer: SentencePieceProcessor,
    sentences: Sequence[SpanSentence],
) -> list[str]:
    """What a model writes of sentences, with span characters where it writes any.

    decode: sources, each ending with EOS -> output ids without EOS. Raises NoSpanPieces.
    """
    span_ids(tokenizer)
    return translate(decode, tokenizer, [sentence.carried for sentence in sentences])


def span_ids(tokenizer: SentencePieceProcessor) -> list[int]:
    """The pieces that are the span characters of these sentences. Raises NoSpanPieces."""
    ids = []
    for number in range(max(NUM_SENTENCES)):
        character = span_character(number)
        ids.append(tokenizer.piece_to_id(character))
        if ids[-1] == tokenizer.unk_id():
            raise NoSpanPieces(f"the tokenizer has no piece for the span character U+{ord(character):04X}")
    return ids


def count_carried(sentences: Sequence[SpanSentence], translations: Sequence[str]) -> dict[str, Carried]:
    """By where spans are in their sentences, and of all together, under that name."""
    counts: dict[str, Carried] = {}
    for sentence, translation in zip(sentences, translations, strict=True):
        found, expected = find_spans(translation), list(range(len(sentence.spans)))
        is_carried, is_in_order = sorted(found) == expected, found == expected
        for name in (sentence.role, "all"):
            before = counts.pop(name, Carried(0, 0, 0))  # so that "all" is the last
            counts[name] = Carried(
                before.num_sentences + 1, before.num_carried + is_carried, before.num_in_order + is_in_order
            )
    return counts


def report(system: str, sentences: Sequence[SpanSentence], translations: Sequence[str], num_shown: int = 20) -> str:
    """A table in Markdown of what is carried, and the first sentences that are not."""
    lines = [f"| {system} | sentences | carried | of these in order |", "|---|---|---|---|"]
    lines += _rows(count_carried(sentences, translations))
    lost = [
        f"{sentence.text} -> {_readable(translation)}"
        for sentence, translation in zip(sentences, translations, strict=True)
        if sorted(find_spans(translation)) != list(range(len(sentence.spans)))
    ]
    if lost:
        lines += ["", f"Not carried, {min(num_shown, len(lost))} of {len(lost)}:", "", *lost[:num_shown]]
    return "\n".join([*lines, ""])


def _rows(counts: Mapping[str, Carried]) -> list[str]:
    return [
        f"| {name} | {num_sentences} | {num_carried / num_sentences:.1%} | {num_in_order / max(num_carried, 1):.1%} |"
        for name, (num_sentences, num_carried, num_in_order) in counts.items()
    ]


def _readable(translation: str) -> str:
    """A translation with the number of a span, from 1, for each span character, which few terminals show."""
    for number in set(find_spans(translation)):
        translation = translation.replace(span_character(number), f"⟨{number + 1}⟩")
    return translation


if __name__ == "__main__":
    main()

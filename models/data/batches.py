"""Sentence pairs as ids, in batches of like length, so that little of a batch is padding."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.seq2seq import BOS, PAD


class Pair(NamedTuple):
    source: list[int]
    """Ends with EOS."""
    target: list[int]
    """Ends with EOS."""


class Batch(NamedTuple):
    source_ids: Tensor
    """int64 [batch, source]"""
    source_lengths: Tensor
    """int64 [batch]"""
    previous_ids: Tensor
    """int64 [batch, target], the target shifted right behind BOS"""
    target_ids: Tensor
    """int64 [batch, target]"""

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(tensor.to(device) for tensor in self))


def pad(sequences: Sequence[Sequence[int]]) -> Tensor:
    """int64 [batch, longest], padded with PAD on the right."""
    padded = np.full((len(sequences), max(map(len, sequences))), PAD, dtype=np.int64)
    for row, sequence in enumerate(sequences):
        padded[row, : len(sequence)] = sequence
    return torch.from_numpy(padded)


def pad_sources(sources: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """source_ids int64 [batch, source], source_lengths int64 [batch]."""
    return pad(sources), torch.tensor([len(source) for source in sources])


def make_batch(pairs: Sequence[Pair]) -> Batch:
    source_ids, source_lengths = pad_sources([pair.source for pair in pairs])
    previous_ids = pad([[BOS, *pair.target[:-1]] for pair in pairs])
    return Batch(source_ids, source_lengths, previous_ids, pad([pair.target for pair in pairs]))


def batches_of(pairs: Sequence[Pair], batch_tokens: int, generator: np.random.Generator) -> Iterator[Batch]:
    """Every pair once, in batches of at most `batch_tokens` padded tokens on the longer side, in random order."""
    longer = np.array([max(len(pair.source), len(pair.target)) for pair in pairs])
    groups: list[list[int]] = [[]]
    for index in np.lexsort((generator.random(len(pairs)), longer)):
        if groups[-1] and longer[index] * (len(groups[-1]) + 1) > batch_tokens:
            groups.append([])
        groups[-1].append(int(index))
    for group in generator.permutation(len(groups)):
        yield make_batch([pairs[index] for index in groups[group]])

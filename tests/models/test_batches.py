from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.batches import Pair, encode_pairs, epoch_batches, epoch_passes, make_batch, pad_sources
from models.seq2seq import BOS, EOS, PAD
from models.tokenizer import load_tokenizer

ids = st.lists(st.integers(min_value=4, max_value=99), min_size=1, max_size=30)
pairs = st.lists(st.builds(lambda source, target: Pair([*source, EOS], [*target, EOS]), ids, ids), min_size=1)


@given(pairs=pairs, batch_tokens=st.integers(min_value=31, max_value=200), seed=st.integers(0, 9))
def test_an_epoch_holds_every_pair_once_in_bounded_batches(pairs: list[Pair], batch_tokens: int, seed: int) -> None:
    seen = []
    for batch in epoch_batches(pairs, batch_tokens, np.random.default_rng(seed)):
        rows, longest = len(batch.source_ids), max(batch.source_ids.shape[1], batch.target_ids.shape[1])
        assert rows * longest <= batch_tokens
        for source, target in zip(batch.source_ids.tolist(), batch.target_ids.tolist(), strict=True):
            seen.append(Pair([id_ for id_ in source if id_ != PAD], [id_ for id_ in target if id_ != PAD]))
    assert sorted(seen) == sorted(pairs)


def test_the_decoder_reads_what_came_before_what_it_writes() -> None:
    batch = make_batch([Pair([5, EOS], [7, 8, EOS]), Pair([5, 6, EOS], [9, EOS])])
    assert batch.previous_ids.tolist() == [[BOS, 7, 8], [BOS, 9, PAD]]
    assert batch.target_ids.tolist() == [[7, 8, EOS], [9, EOS, PAD]]
    assert batch.source_lengths.tolist() == [2, 3]


def test_sources_are_padded_on_the_right() -> None:
    source_ids, source_lengths = pad_sources([[4, EOS], [5, 6, 7, EOS]])
    torch.testing.assert_close(source_ids, torch.tensor([[4, EOS, PAD, PAD], [5, 6, 7, EOS]]))
    assert source_lengths.tolist() == [2, 4]


def test_empty_and_overlong_sides_are_left_out(small_tokenizer: Path) -> None:
    tokenizer = load_tokenizer(small_tokenizer)
    pairs = encode_pairs(tokenizer, ["a", "", "a", "a" * 500], ["b", "b", "", "b"], max_length=20)
    assert len(pairs) == 1
    assert pairs[0].source[-1] == pairs[0].target[-1] == EOS


def test_an_epoch_reads_each_corpus_as_often_as_it_says_and_no_pair_twice_in_a_pass() -> None:
    often = [Pair([4, number, EOS], [EOS]) for number in range(4, 14)]
    once = [Pair([5, number, EOS], [EOS]) for number in range(4, 44)]
    passes = list(epoch_passes([(often, 4), (once, 1)], np.random.default_rng(1)))
    assert [len(part) for part in passes] == [20] * 4
    for part in passes:
        assert sorted(pair for pair in part if pair.source[0] == 4) == often
    assert sorted(pair for part in passes for pair in part if pair.source[0] == 5) == once

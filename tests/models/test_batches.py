import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.data.batches import Pair, batches_of, make_batch, pad_sources
from models.seq2seq import BOS, EOS, PAD

ids = st.lists(st.integers(min_value=4, max_value=99), min_size=1, max_size=30)
pairs = st.lists(st.builds(lambda source, target: Pair([*source, EOS], [*target, EOS]), ids, ids), min_size=1)


@given(pairs=pairs, batch_tokens=st.integers(min_value=31, max_value=200), seed=st.integers(0, 9))
def test_every_pair_is_read_once_in_bounded_batches(pairs: list[Pair], batch_tokens: int, seed: int) -> None:
    seen = []
    for batch in batches_of(pairs, batch_tokens, np.random.default_rng(seed)):
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

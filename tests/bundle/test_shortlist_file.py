"""`shortlist.npz`, written and read."""

import dataclasses
from pathlib import Path

import numpy as np

from server.bundle.shortlist import Shortlist, read_shortlist, write_shortlist

WITHOUT_BIAS = Shortlist(
    frequent=np.array([2, 3]),
    candidates=np.array([[0, -1], [1, 4], [2, -1]]),
    weights=np.arange(10, dtype=np.int8).reshape(5, 2),
    scales=np.linspace(0.1, 0.5, 5, dtype=np.float32),
)
"""Of three source tokens and five target tokens."""

WITH_BIAS = dataclasses.replace(WITHOUT_BIAS, biases=np.array([-np.inf, 0.5, -1, 0, 2], np.float32))


def test_a_shortlist_is_read_as_it_was_written_with_a_bias_and_without(tmp_path: Path) -> None:
    for written in (WITHOUT_BIAS, WITH_BIAS):
        write_shortlist(tmp_path / "shortlist.npz", written)
        read = read_shortlist(tmp_path / "shortlist.npz")
        for name, array in vars(written).items():
            if array is None:
                assert getattr(read, name) is None
            else:
                np.testing.assert_array_equal(getattr(read, name), array)


def test_a_source_s_list_has_what_is_frequent_and_its_tokens_candidates() -> None:
    assert WITH_BIAS.of([0, 2]).tolist() == [0, 2, 3]
    assert WITH_BIAS.of([1], further=[0]).tolist() == [0, 1, 2, 3, 4]

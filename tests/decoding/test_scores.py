"""Searches in the columns of a list find what they would find in the whole vocabulary without all other tokens."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bundle.manifest import SpecialIds
from server.bundle.shortlist import Int64, list_width
from server.decoding.scores import EVERY_TOKEN, Columns, ListedRows, StepScores
from server.decoding.search.greedy import Greedy, advance_greedy
from server.decoding.search.plain_beams import BeamArrays
from server.decoding.search.searched import open_search
from server.messages.hypothesis import Float32
from server.messages.options import DecodingOptions, RequiredTerm
from server.text.pieces import Pieces

PAD, UNKNOWN, BOS, EOS = 0, 1, 2, 3
SPECIAL_IDS = SpecialIds(start=BOS, eos=EOS, pad=PAD, unknown=UNKNOWN, never_written=(PAD, UNKNOWN, BOS))
VOCABULARY_SIZE = 400
WIDTH = 256
MAX_OUTPUT = 6

PIECES = Pieces([f"▁{chr(97 + id_ % 26)}{id_}" for id_ in range(VOCABULARY_SIZE)])

OPTIONS: dict[str, dict[str, Any]] = {
    "beam": {"beam_size": 3, "min_output_tokens": 2},
    "prefix": {"beam_size": 2, "prefix": (11, 12)},
    "no repetition": {"beam_size": 2, "no_repeat_ngram_size": 1, "repetition_penalty": 1.5},
    "a forbidden phrase": {"beam_size": 2, "forbidden_phrases": ("a", "b", "c")},
    "required": {"beam_size": 3, "required_terms": (RequiredTerm((11, 13), range(1)),)},
    "scored": {"forced_ids": (11, 12)},
    "sampled": {"num_samples": 3, "seed": 5, "top_k": 5},
    "sampled from what is probable": {"num_samples": 2, "seed": 6, "top_p": 0.8},
}


def some_list(seed: int, size: int) -> Int64:
    """A list with EOS and what the options demand."""
    chosen = np.random.default_rng(seed).choice(np.arange(EOS + 1, VOCABULARY_SIZE), size, replace=False)
    return np.unique([EOS, 11, 12, 13, *chosen])


def vocabulary_scores(listed: Int64 | None, seed: int, *place: int) -> Float32:
    """Of one row, minus infinity for what is not listed."""
    scores = -np.random.default_rng([seed, *place]).exponential(3.0, VOCABULARY_SIZE).astype(np.float32)
    if listed is not None:
        kept = scores[listed]
        scores[:] = -np.inf
        scores[listed] = kept
    return scores


def in_columns(scores: Float32, listed: Int64, width: int) -> Float32:
    row = np.full(width, -np.inf, np.float32)
    row[: len(listed)] = scores[listed]
    return row


@pytest.mark.parametrize("name", OPTIONS)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 130))
def test_a_search_in_columns_finds_what_it_finds_in_the_vocabulary(name: str, seed: int, size: int) -> None:
    listed = some_list(seed, size)
    options = DecodingOptions(max_output_tokens=MAX_OUTPUT, **OPTIONS[name])
    wide = open_search(options, SPECIAL_IDS, PIECES, EVERY_TOKEN)
    narrow = open_search(options, SPECIAL_IDS, PIECES, Columns(listed))
    for position in range(MAX_OUTPUT + 1):
        shown = np.stack(
            [vocabulary_scores(listed, seed, position, *hypothesis.output_ids) for hypothesis in wide.live]
        )
        columns = np.stack([in_columns(row, listed, list_width(len(listed))) for row in shown])
        continued = wide.advance(shown, None)
        assert narrow.advance(columns, None) == continued
        if not continued:
            break
    assert narrow.ranked() == wide.ranked()


def test_a_token_that_is_not_listed_cannot_be_written_whatever_is_done_to_it() -> None:
    columns = Columns(np.array([EOS, 11, 13]))
    row = np.full(list_width(3), -np.inf, np.float32)
    row[:3] = (-1.0, -2.0, -3.0)
    scores = columns.by_token(row)
    scores[[12, 13, 399]] = -0.5
    assert [float(scores[id_]) for id_ in (EOS, 11, 12, 13, 399)] == [-1.0, -2.0, -np.inf, -0.5, -np.inf]
    assert columns.ids(columns.of(np.array([13, EOS]))).tolist() == [13, EOS]


class Mixed:
    """A batch of rows, some with a list and some without, and the same batch over the whole vocabulary."""

    def __init__(self, lists: list[Int64 | None], scores: list[Float32]) -> None:
        self.whole = StepScores(np.stack(scores))
        if all(listed is None for listed in lists):
            self.columns = StepScores(np.stack(scores))
            return
        width = WIDTH if all(listed is not None for listed in lists) else VOCABULARY_SIZE
        ids = np.zeros((len(lists), WIDTH), np.int64)
        eos_columns = np.zeros(len(lists), np.int64)
        rows = []
        for row, (listed, own) in enumerate(zip(lists, scores, strict=True)):
            if listed is None:
                rows.append(own)
                continue
            ids[row, : len(listed)] = listed
            eos_columns[row] = listed.searchsorted(EOS)
            rows.append(in_columns(own, listed, width))
        is_listed = np.array([listed is not None for listed in lists])
        self.columns = StepScores(np.stack(rows), ListedRows(is_listed, ids, eos_columns))


kinds = st.lists(st.sampled_from([None, 5, 80, 130]), min_size=1, max_size=5)


@given(kinds=kinds, seed=st.integers(0, 10_000), fond_of=st.sampled_from([EOS, BOS, 200]))
def test_greedy_rows_write_in_columns_what_they_write_in_the_vocabulary(
    kinds: list[int | None], seed: int, fond_of: int
) -> None:
    lists = [None if size is None else some_list(seed + row, size) for row, size in enumerate(kinds)]
    scores = [vocabulary_scores(listed, seed, row) for row, listed in enumerate(lists)]
    for row, listed in zip(scores, lists, strict=True):
        if listed is None or fond_of == EOS:
            row[fond_of] = -0.001
    found = []
    mixed = Mixed(lists, scores)
    for step in (mixed.whole, mixed.columns):
        sentences = [Greedy(DecodingOptions(max_output_tokens=MAX_OUTPUT), row) for row in range(len(lists))]
        previous_ids = np.zeros(len(lists), np.int64)
        ended = advance_greedy(sentences, SPECIAL_IDS, step, previous_ids)
        assert not ended.broken
        found.append([(sentence.hypothesis.output_ids, sentence.hypothesis.log_prob) for sentence in sentences])
    assert found[0] == found[1]


@given(kinds=kinds, seed=st.integers(0, 10_000), size=st.integers(2, 4), others=st.integers(0, 20))
def test_plain_beams_find_in_columns_what_they_find_in_the_vocabulary(
    kinds: list[int | None], seed: int, size: int, others: int
) -> None:
    lists = [None if number is None else some_list(seed + beam, number) for beam, number in enumerate(kinds)]
    of_rows = [*(listed for listed in lists for _ in range(size)), *[None] * others]
    together = [BeamArrays(size, len(lists), MAX_OUTPUT, SPECIAL_IDS) for _ in range(2)]
    options = DecodingOptions(max_output_tokens=MAX_OUTPUT, beam_size=size)
    beams = [
        [arrays.join(options, list(range(beam * size, (beam + 1) * size))) for beam in range(len(lists))]
        for arrays in together
    ]
    for position in range(3):
        mixed = Mixed(of_rows, [vocabulary_scores(listed, seed, position, row) for row, listed in enumerate(of_rows)])
        whole, columns = together[0].advance(mixed.whole), together[1].advance(mixed.columns)
        for one, other in zip(whole, columns, strict=True):
            assert one.tolist() == other.tolist()
    for first, second in zip(*beams, strict=True):
        assert first.ranked() == second.ranked()

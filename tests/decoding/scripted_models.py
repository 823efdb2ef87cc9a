"""Models of a few tokens whose log-probabilities are given, or random, and beams over them."""

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import strategies as st

from server.bundle.manifest import SpecialIds
from server.decoding.search.base import Search
from server.decoding.search.beam import BeamSearch
from server.messages.hypothesis import Attention, Float32, Hypothesis
from server.messages.options import DecodingOptions
from server.text.pieces import Pieces

EOS = 3
SPECIAL_IDS = SpecialIds(start=2, eos=EOS, pad=0, unknown=1, never_written=(0, 1, 2))
VOCABULARY_SIZE = 9
PIECES = Pieces(["", "", "", "", *["▁x"] * (VOCABULARY_SIZE - 4)])
WRITABLE = range(EOS + 1, VOCABULARY_SIZE)
NUM_SOURCE_TOKENS = 3
NUM_HEADS = 2
MAX_OUTPUT = 7

Model = Callable[[Sequence[int]], Float32]
"""Log-probabilities [vocabulary] of the token behind those that are written."""

seeds = st.integers(0, 100_000)
beams = st.builds(
    DecodingOptions,
    max_output_tokens=st.integers(1, MAX_OUTPUT),
    beam_size=st.integers(1, 5),
    patience=st.sampled_from([0.5, 1.0, 2.0]),
    length_penalty=st.sampled_from([0.0, 0.6, 2.0]),
)


def random_model(seed: int, vocabulary_size: int = VOCABULARY_SIZE, spread: float = 1.0) -> Model:
    def log_probs(output_ids: Sequence[int]) -> Float32:
        scores = np.random.default_rng([seed, *output_ids]).normal(size=vocabulary_size) * spread
        return (scores - np.log(np.exp(scores).sum())).astype(np.float32)

    return log_probs


def fond_of_ending(seed: int) -> Model:
    """A random model of which EOS is always the most probable token by far."""
    model = random_model(seed)

    def log_probs(output_ids: Sequence[int]) -> Float32:
        scores = model(output_ids) - np.float32(20)
        scores[EOS] = -1e-6
        return scores

    return log_probs


def first_writable(output_ids: Sequence[int]) -> int:
    """The smallest id that may follow: EOS, but for the first token."""
    return EOS if output_ids else EOS + 1


def sure_model(*wishes: dict[int, float]) -> Model:
    """At position i, `wishes[i]` are the log-probabilities; all others are impossible."""

    def log_probs(output_ids: Sequence[int]) -> Float32:
        scores = np.full(VOCABULARY_SIZE, -np.inf, np.float32)
        for id_, log_prob in wishes[len(output_ids)].items():
            scores[id_] = log_prob
        return scores

    return log_probs


def attention_behind(output_ids: Sequence[int]) -> Float32:
    return np.random.default_rng([1, *output_ids]).dirichlet(np.ones(NUM_SOURCE_TOKENS)).astype(np.float32)


def heads_behind(output_ids: Sequence[int]) -> Float32:
    return np.stack([attention_behind([head, *output_ids]) for head in range(NUM_HEADS)])


def run(search: Search, model: Model) -> list[list[Hypothesis]]:
    """Until the end, as the engine does: rows are the last continuations, and its arrays are overwritten. Returns what
    lived after every step."""
    lived = [search.live]
    while True:
        before = [list(hypothesis.output_ids) for hypothesis in search.live]
        log_probs = np.stack([model(output_ids) for output_ids in before])
        attention = np.stack([attention_behind(output_ids) for output_ids in before])
        by_head = np.stack([heads_behind(output_ids) for output_ids in before])
        shown = log_probs.copy()
        continuations = search.advance(shown, Attention(attention, by_head))
        assert np.array_equal(shown, log_probs), "the engine's array is not the search's to change"
        shown.fill(np.nan)
        attention.fill(np.nan)
        by_head.fill(np.nan)
        if not continuations:
            return lived
        assert len(continuations) <= search.options.num_rows
        assert [hypothesis.output_ids for hypothesis in search.live] == [
            [*before[parent], id_] for parent, id_ in continuations
        ]
        lived.append(search.live)


def translate(model: Model, options: DecodingOptions) -> list[Hypothesis]:
    search = BeamSearch(options, SPECIAL_IDS, PIECES)
    run(search, model)
    return search.ranked()


def naive_best(scores: Float32, number: int) -> list[int]:
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
    return [index for index in order if scores[index] > -np.inf][:number]

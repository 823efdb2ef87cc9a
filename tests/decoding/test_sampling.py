import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bundle.manifest import SpecialIds
from server.decoding.search.sampling import Sampling, restricted
from server.messages.hypothesis import Ending, Float32, Hypothesis
from server.messages.options import DecodingOptions
from server.text.pieces import Pieces

EOS = 3
SPECIAL_IDS = SpecialIds(start=2, eos=EOS, pad=0, unknown=1, never_written=(0, 1, 2))
VOCABULARY_SIZE = 9
PIECES = Pieces(["", "", "", "", "▁a", "▁b", "▁c", "▁d", "▁e"])
MAX_OUTPUT = 6

Model = Callable[[Sequence[int]], Float32]

seeds = st.integers(0, 2**64 - 1)
log_prob_lists = st.lists(st.sampled_from([-math.inf, -5.0, -2.0, -1.0, -0.5, -0.1]), min_size=1, max_size=12)


def options(num_samples: int = 4, seed: int = 7, **others: Any) -> DecodingOptions:
    return DecodingOptions(max_output_tokens=MAX_OUTPUT, num_samples=num_samples, seed=seed, **others)


def model(output_ids: Sequence[int]) -> Float32:
    scores = np.random.default_rng([5, *output_ids]).normal(size=VOCABULARY_SIZE)
    return (scores - np.log(np.exp(scores).sum())).astype(np.float32)


def step(search: Sampling, log_probs: Model = model) -> None:
    """As the engine does, whose array is overwritten by the next step."""
    before = [hypothesis.output_ids for hypothesis in search.live]
    shown = np.stack([log_probs(output_ids) for output_ids in before])
    kept = shown.copy()
    continuations = search.advance(shown, None)
    assert np.array_equal(shown, kept)
    shown.fill(np.nan)
    if continuations:
        assert [hypothesis.output_ids for hypothesis in search.live] == [
            [*before[parent], id_] for parent, id_ in continuations
        ]


def sample(asked: DecodingOptions, log_probs: Model = model) -> list[Hypothesis]:
    search = Sampling(asked, SPECIAL_IDS, PIECES)
    while search.live:
        step(search, log_probs)
    return search.ranked()


def outputs(hypotheses: Sequence[Hypothesis]) -> list[tuple[int, ...]]:
    return [tuple(hypothesis.output_ids) for hypothesis in hypotheses]


def first_tokens(number: int, log_probs: Float32, **others: Any) -> Counter[int]:
    """How often each token was the first of `number` samples."""
    asked = DecodingOptions(max_output_tokens=1, num_samples=number, seed=3, **others)
    search = Sampling(asked, SPECIAL_IDS, PIECES)
    search.advance(log_probs[None], None)
    return Counter(hypothesis.output_ids[0] if hypothesis.output_ids else EOS for hypothesis in search.finished)


def naive_restricted(scores: Float32, temperature: float, top_k: int, top_p: float) -> dict[int, float]:
    """Probability of each token that may be drawn."""
    order = sorted(range(len(scores)), key=lambda id_: (-scores[id_], id_))
    kept = [id_ for id_ in order if scores[id_] > -math.inf][: top_k or len(scores)]
    weights = {id_: math.exp(float(scores[id_]) / temperature) for id_ in kept}
    whole, reached, nucleus = sum(weights.values()), 0.0, {}
    for id_, weight in weights.items():
        nucleus[id_] = weight
        reached += weight
        if top_p < 1.0 and reached >= top_p * whole:
            break
    return {id_: weight / sum(nucleus.values()) for id_, weight in nucleus.items()}


@given(
    log_probs=log_prob_lists,
    temperature=st.sampled_from([0.3, 1.0, 2.5]),
    top_k=st.integers(0, 12),
    top_p=st.sampled_from([0.013, 0.217, 0.531, 0.783, 0.991, 1.0]),
)
def test_what_may_be_drawn_is_what_a_plain_computation_says(
    log_probs: list[float], temperature: float, top_k: int, top_p: float
) -> None:
    scores = np.array(log_probs, np.float32)
    ids, probabilities = restricted(scores, temperature, top_k, top_p)
    assert dict(zip(ids.tolist(), probabilities / probabilities.sum(), strict=True)) == pytest.approx(
        naive_restricted(scores, temperature, top_k, top_p)
    )


def test_top_p_keeps_the_token_that_reaches_it_and_none_behind() -> None:
    scores = np.log(np.array([0.5, 0.25, 0.125, 0.125], np.float32))
    assert [len(restricted(scores, 1.0, 0, top_p)[0]) for top_p in (0.01, 0.49, 0.51, 0.74, 0.76, 1.0)] == [
        1,
        1,
        2,
        2,
        3,
        4,
    ]


def test_the_temperature_comes_before_top_p_and_top_k_before_it() -> None:
    scores = np.log(np.array([0.6, 0.2, 0.1, 0.1], np.float32))
    assert len(restricted(scores, 1.0, 0, 0.55)[0]) == 1
    assert len(restricted(scores, 100.0, 0, 0.55)[0]) == 3
    assert len(restricted(scores, 1.0, 0, 0.7)[0]) == 2
    assert len(restricted(scores, 1.0, 2, 0.7)[0]) == 1


@pytest.mark.parametrize("temperature", [1e-45, 1e-6])
def test_a_temperature_close_to_none_is_greedy(temperature: float) -> None:
    log_probs = model([])
    [(id_, _)] = first_tokens(50, log_probs, temperature=temperature).items()
    assert id_ == EOS + 1 + log_probs[EOS + 1 :].argmax()


@pytest.mark.parametrize("prefix", [(), (4,)])
def test_tokens_are_drawn_as_often_as_they_are_probable(prefix: tuple[int, ...]) -> None:
    """The first ones: as they are among those that do not end."""
    probabilities = {EOS: 0.1, 4: 0.4, 5: 0.2, 6: 0.3}
    log_probs = np.full(VOCABULARY_SIZE, -np.inf, np.float32)
    log_probs[list(probabilities)] = np.log(list(probabilities.values()))
    number, position = 4000, len(prefix)
    asked = DecodingOptions(max_output_tokens=position + 1, num_samples=number, seed=3, prefix=prefix)
    drawn = Counter([*output, EOS][position] for output in outputs(sample(asked, lambda _: log_probs)))
    possible = {id_: probability for id_, probability in probabilities.items() if position or id_ != EOS}
    assert set(drawn) == set(possible)
    for id_, weight in possible.items():
        probability = weight / sum(possible.values())
        deviation = math.sqrt(number * probability * (1 - probability))
        assert abs(drawn[id_] - number * probability) < 4 * deviation


def test_a_temperature_of_two_draws_by_the_root_of_the_probability() -> None:
    log_probs = np.full(VOCABULARY_SIZE, -np.inf, np.float32)
    log_probs[[4, 5]] = np.log([0.8, 0.2])
    drawn = first_tokens(4000, log_probs, temperature=2.0)
    assert drawn[4] / drawn[5] == pytest.approx(2.0, rel=0.15)


@given(seed=seeds)
def test_the_same_seed_gives_the_same_samples(seed: int) -> None:
    assert outputs(sample(options(seed=seed))) == outputs(sample(options(seed=seed)))


def test_samples_do_not_depend_on_what_is_drawn_beside_them() -> None:
    alone = [sample(options(seed=seed)) for seed in (1, 2)]
    searches = [Sampling(options(seed=seed), SPECIAL_IDS, PIECES) for seed in (2, 1)]
    while any(search.live for search in searches):
        for search in searches:
            if search.live:
                step(search)
    assert [outputs(search.ranked()) for search in reversed(searches)] == [outputs(hypotheses) for hypotheses in alone]


@given(seed=seeds, number=st.integers(1, 6))
def test_what_one_sample_draws_does_not_depend_on_how_many_there_are(seed: int, number: int) -> None:
    fewer, more = (Counter(outputs(sample(options(num_samples, seed)))) for num_samples in (number, 6))
    assert fewer <= more


def test_different_seeds_give_different_samples() -> None:
    assert len({tuple(outputs(sample(options(seed=seed)))) for seed in range(20)}) == 20


def test_the_samples_of_one_seed_differ() -> None:
    assert len(set(outputs(sample(options(num_samples=20), lambda _: np.zeros(VOCABULARY_SIZE, np.float32))))) > 15


@given(seed=seeds, num_samples=st.integers(1, 6))
def test_there_are_as_many_samples_as_were_asked_for_the_best_first(seed: int, num_samples: int) -> None:
    hypotheses = sample(options(num_samples, seed))
    assert len(hypotheses) == num_samples
    scores = [hypothesis.score for hypothesis in hypotheses]
    assert scores == sorted(scores, reverse=True)


@given(seed=seeds, temperature=st.sampled_from([0.5, 1.0, 3.0]))
def test_log_probabilities_are_the_models_own_whatever_the_temperature(seed: int, temperature: float) -> None:
    for hypothesis in sample(options(seed=seed, temperature=temperature)):
        ids = hypothesis.output_ids + [EOS] * (hypothesis.ending is Ending.EOS)
        assert hypothesis.token_log_probs == [float(model(ids[:at])[id_]) for at, id_ in enumerate(ids)]
        assert hypothesis.log_prob == pytest.approx(sum(hypothesis.token_log_probs))
        assert hypothesis.ending is (Ending.EOS if len(ids) > len(hypothesis.output_ids) else Ending.LIMIT)
        assert hypothesis.ending is Ending.EOS or len(ids) == MAX_OUTPUT


@given(seed=seeds, top_k=st.integers(1, 3))
def test_no_sample_leaves_the_most_probable_tokens(seed: int, top_k: int) -> None:
    for hypothesis in sample(options(seed=seed, top_k=top_k)):
        for at, id_ in enumerate(hypothesis.output_ids):
            first = EOS if at else EOS + 1
            writable = model(hypothesis.output_ids[:at])[first:]
            assert id_ - first in np.argsort(-writable)[:top_k]


def fond_of_ending(output_ids: Sequence[int]) -> Float32:
    scores = model(output_ids) - np.float32(20)
    scores[EOS] = -1e-6
    return scores


@given(seed=seeds, top_k=st.integers(0, 3), top_p=st.sampled_from([0.01, 0.5, 1.0]))
def test_no_sample_is_empty_however_fond_of_ending_the_model_is(seed: int, top_k: int, top_p: float) -> None:
    """The probability that an end would have had is no part of `top_p`, and an end is none of the `top_k`."""
    scores = fond_of_ending([])
    scores[: EOS + 1] = -np.inf
    possible = naive_restricted(scores, 1.0, top_k, top_p)
    for hypothesis in sample(options(seed=seed, top_k=top_k, top_p=top_p), fond_of_ending):
        assert hypothesis.output_ids[0] in possible
        assert hypothesis.token_log_probs[0] == scores[hypothesis.output_ids[0]]


def test_the_only_first_token_of_the_most_probable_ones_is_the_most_probable_that_does_not_end() -> None:
    [(id_, _)] = first_tokens(50, fond_of_ending([]), top_k=1).items()
    assert id_ == EOS + 1 + fond_of_ending([])[EOS + 1 :].argmax()


@pytest.mark.parametrize("others", [{}, {"top_k": 1}, {"top_p": 0.5}])
def test_where_nothing_but_an_end_is_possible_every_sample_is_cut(others: dict[str, Any]) -> None:
    only_end = np.full(VOCABULARY_SIZE, -np.inf, np.float32)
    only_end[EOS] = -0.25
    hypotheses = sample(options(num_samples=3, **others), lambda _: only_end)
    assert [(one.output_ids, one.ending, one.log_prob) for one in hypotheses] == [([], Ending.CONSTRAINTS, 0.0)] * 3


def test_where_all_words_are_forbidden_every_sample_is_cut() -> None:
    hypotheses = sample(options(num_samples=3, forbidden_phrases=("a", "b", "c", "d", "e")))
    assert [(one.output_ids, one.ending) for one in hypotheses] == [([], Ending.CONSTRAINTS)] * 3


@given(
    seed=seeds,
    prefix=st.lists(st.integers(4, 8), max_size=3).map(tuple),
    min_output_tokens=st.integers(0, MAX_OUTPUT),
    top_k=st.integers(0, 3),
)
def test_every_sample_keeps_its_constraints(
    seed: int, prefix: tuple[int, ...], min_output_tokens: int, top_k: int
) -> None:
    """What is forbidden takes no place among the `top_k`."""
    asked = options(
        seed=seed,
        prefix=prefix,
        min_output_tokens=min_output_tokens,
        top_k=top_k,
        no_repeat_ngram_size=2,
        forbidden_phrases=("b",),
    )
    for hypothesis in sample(asked):
        output, own = hypothesis.output_ids, hypothesis.output_ids[len(prefix) :]
        assert tuple(output[: len(prefix)]) == prefix
        assert len(output) >= min_output_tokens
        assert set(own) <= {4, 6, 7, 8}
        pairs = list(pairwise(output))
        assert all(pairs.count(pair) == 1 for pair in pairs[max(len(prefix) - 1, 0) :])


def test_a_sample_that_may_go_on_with_no_token_is_cut_and_the_others_go_on() -> None:
    """Whoever begins with 4 could only write it again."""

    def log_probs(output_ids: Sequence[int]) -> Float32:
        scores = np.full(VOCABULARY_SIZE, -np.inf, np.float32)
        scores[{(): [4, 5], (4,): [4], (5,): [6]}.get(tuple(output_ids), [EOS])] = -0.7
        return scores

    hypotheses = sample(options(num_samples=20, no_repeat_ngram_size=1), log_probs)
    assert {(tuple(one.output_ids), one.ending) for one in hypotheses} == {
        ((4,), Ending.CONSTRAINTS),
        ((5, 6), Ending.EOS),
    }
    assert len(hypotheses) == 20

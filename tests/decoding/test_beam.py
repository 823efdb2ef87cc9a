import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.decoding.search.beam import BeamSearch
from server.messages.hypothesis import Attention, Ending, Float32
from server.messages.options import DecodingOptions
from tests.decoding.scripted_models import (
    EOS,
    MAX_OUTPUT,
    PIECES,
    SPECIAL_IDS,
    WRITABLE,
    Model,
    attention_behind,
    beams,
    first_writable,
    fond_of_ending,
    heads_behind,
    random_model,
    seeds,
    sure_model,
    translate,
)


def reference(model: Model, options: DecodingOptions) -> list[tuple[list[int], float, Ending]]:
    """Output, score and ending of every hypothesis that a plain beam search finishes, by the rules of the project's
    reference in PyTorch."""

    def score(total: np.float32, length: int) -> float:
        return float(total / ((5 + length) / 6) ** options.length_penalty)

    size = options.beam_size
    live: list[tuple[list[int], np.float32]] = [([], np.float32(0))]
    finished: list[tuple[list[int], float, Ending]] = []
    for _ in range(options.max_output_tokens):
        every = [
            (output, id_, total + log_prob)
            for output, total in live
            for id_, log_prob in enumerate(model(output))
            if id_ >= first_writable(output)
        ]
        candidates = sorted(every, key=lambda candidate: -candidate[2])[: 2 * size]
        for output, id_, total in candidates[:size]:
            if id_ == EOS:
                finished.append((output, score(total, len(output) + 1), Ending.EOS))
        live = [([*output, id_], total) for output, id_, total in candidates if id_ != EOS][:size]
        if len(finished) >= (options.patience * size if size > 1 else 1):
            live = []
            break
    finished += [(output, score(total, len(output)), Ending.LIMIT) for output, total in live]
    return sorted(finished, key=lambda one: -one[1])


@given(seed=seeds, limit=st.integers(1, MAX_OUTPUT))
def test_a_beam_of_one_writes_the_most_probable_token_at_each_step(seed: int, limit: int) -> None:
    model = random_model(seed)
    output: list[int] = []
    log_prob, ending = 0.0, Ending.LIMIT
    while len(output) < limit:
        scores, start = model(output), first_writable(output)
        id_ = start + int(scores[start:].argmax())
        log_prob += float(scores[id_])
        if id_ == EOS:
            ending = Ending.EOS
            break
        output.append(id_)
    [hypothesis] = translate(model, DecodingOptions(max_output_tokens=limit))
    assert (hypothesis.output_ids, hypothesis.ending) == (output, ending)
    assert hypothesis.log_prob == pytest.approx(log_prob, rel=1e-6)


@given(seed=seeds, options=beams)
def test_a_beam_finishes_what_a_plain_beam_search_finishes(seed: int, options: DecodingOptions) -> None:
    model = random_model(seed)
    found, expected = translate(model, options), reference(model, options)
    assert [(one.output_ids, one.ending) for one in found] == [(output, ending) for output, _, ending in expected]
    assert [one.score for one in found] == pytest.approx([score for _, score, _ in expected], rel=1e-5)


@given(seed=seeds, alpha=st.sampled_from([0.0, 0.6, 2.0]))
def test_a_beam_that_loses_nothing_finds_the_best_of_all_translations(seed: int, alpha: float) -> None:
    model, limit = random_model(seed, vocabulary_size=6), 3
    every = {}
    for length in range(1, limit + 1):
        for output in itertools.product((4, 5), repeat=length):
            ids = [*output, EOS] if length < limit else [*output]
            total = sum(float(model(ids[:at])[id_]) for at, id_ in enumerate(ids))
            every[output] = total / ((5 + len(ids)) / 6) ** alpha
    options = DecodingOptions(max_output_tokens=limit, beam_size=20, patience=10.0, length_penalty=alpha)
    found = {tuple(hypothesis.output_ids): hypothesis.score for hypothesis in translate(model, options)}
    assert found == pytest.approx(every, rel=1e-5)


@given(seed=seeds, options=beams)
def test_hypotheses_are_sorted_and_none_has_the_tokens_of_another(seed: int, options: DecodingOptions) -> None:
    hypotheses = translate(random_model(seed), options)
    scores = [hypothesis.score for hypothesis in hypotheses]
    assert scores == sorted(scores, reverse=True)
    assert len({tuple(hypothesis.output_ids) for hypothesis in hypotheses}) == len(hypotheses)


@given(seed=seeds, options=beams)
def test_every_token_has_its_own_log_probability_and_attention(seed: int, options: DecodingOptions) -> None:
    """Whichever rows its hypothesis was in."""
    model = random_model(seed)
    for hypothesis in translate(model, options):
        ids = hypothesis.output_ids + [EOS] * (hypothesis.ending is Ending.EOS)
        assert hypothesis.token_log_probs == [float(model(ids[:at])[id_]) for at, id_ in enumerate(ids)]
        assert hypothesis.log_prob == pytest.approx(sum(hypothesis.token_log_probs))
        assert len(hypothesis.attention) == len(ids)
        for at, weights in enumerate(hypothesis.attention):
            assert np.array_equal(weights, attention_behind(ids[:at]))
        assert len(hypothesis.attention_by_head) == len(ids)
        for at, weights in enumerate(hypothesis.attention_by_head):
            assert np.array_equal(weights, heads_behind(ids[:at]))


def test_a_beam_finds_what_greedy_decoding_misses() -> None:
    def model(output_ids: Sequence[int]) -> Float32:
        return sure_model({4: -0.5, 5: -0.9}, {EOS: -0.1} if output_ids == [5] else {EOS: -3.0})(output_ids)

    [greedy] = translate(model, DecodingOptions(max_output_tokens=5))
    found = translate(model, DecodingOptions(max_output_tokens=5, beam_size=2))
    assert greedy.output_ids == [4]
    assert [hypothesis.output_ids for hypothesis in found] == [[5], [4]]


@given(
    seed=seeds,
    options=beams,
    min_output_tokens=st.integers(0, 2),
    size=st.integers(0, 2),
    penalty=st.sampled_from([1.0, 2.0]),
)
def test_no_translation_is_empty_however_fond_of_ending_the_model_is(
    seed: int, options: DecodingOptions, min_output_tokens: int, size: int, penalty: float
) -> None:
    constrained = dataclasses.replace(
        options, min_output_tokens=min_output_tokens, no_repeat_ngram_size=size, repetition_penalty=penalty
    )
    hypotheses = translate(fond_of_ending(seed), constrained)
    assert hypotheses
    assert all(hypothesis.output_ids for hypothesis in hypotheses)


@given(seed=seeds, size=st.integers(1, 5))
def test_what_a_model_begins_with_that_would_end_are_its_most_probable_other_tokens(seed: int, size: int) -> None:
    """An end takes no place among them, and costs them nothing."""
    model = fond_of_ending(seed)
    others = sorted(WRITABLE, key=lambda id_: -model([])[id_])[:size]
    found = translate(model, DecodingOptions(max_output_tokens=1, beam_size=size))
    assert [(one.output_ids, one.log_prob) for one in found] == [([id_], float(model([])[id_])) for id_ in others]


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("min_output_tokens", [0, 1])
def test_where_nothing_but_an_end_is_possible_the_empty_hypothesis_is_cut(
    beam_size: int, min_output_tokens: int
) -> None:
    options = DecodingOptions(max_output_tokens=5, beam_size=beam_size, min_output_tokens=min_output_tokens)
    [hypothesis] = translate(sure_model({EOS: -0.25}), options)
    assert (hypothesis.output_ids, hypothesis.ending, hypothesis.log_prob) == ([], Ending.CONSTRAINTS, 0.0)


def test_an_end_that_is_not_among_the_best_is_passed_over() -> None:
    model = sure_model({4: -0.5, 5: -1.0, EOS: -1.5}, {EOS: -0.1})
    hypotheses = translate(model, DecodingOptions(max_output_tokens=5, beam_size=2))
    assert [hypothesis.output_ids for hypothesis in hypotheses] == [[4], [5]]


def test_ends_take_no_place_from_those_that_live_on() -> None:
    model = sure_model({4: -0.1}, {EOS: -0.5, 5: -1.0, 6: -1.5}, {EOS: -0.1})
    hypotheses = translate(model, DecodingOptions(max_output_tokens=5, beam_size=2, patience=5.0))
    assert sorted(hypothesis.output_ids for hypothesis in hypotheses) == [[4], [4, 5], [4, 6]]


@pytest.mark.parametrize(("patience", "number"), [(0.5, 1), (1.0, 2), (1.5, 3), (2.0, 4)])
def test_the_search_stops_when_enough_have_ended(patience: float, number: int) -> None:
    """One ends at every step, and one goes on."""
    model = sure_model(*[{4: -1.0, EOS: -1.1}] * 20)
    hypotheses = translate(model, DecodingOptions(max_output_tokens=20, beam_size=2, patience=patience))
    assert len(hypotheses) == number
    assert {hypothesis.ending for hypothesis in hypotheses} == {Ending.EOS}


def test_what_lives_at_the_limit_is_cut_and_ranked_with_what_ended() -> None:
    model = sure_model(*[{4: -0.1, EOS: -2.0}] * 4)
    hypotheses = translate(model, DecodingOptions(max_output_tokens=4, beam_size=2, patience=10.0))
    assert [(len(hypothesis.output_ids), hypothesis.ending) for hypothesis in hypotheses] == [
        (4, Ending.LIMIT),
        (1, Ending.EOS),
        (2, Ending.EOS),
        (3, Ending.EOS),
    ]


@pytest.mark.parametrize(("alpha", "length"), [(0.0, 1), (2.0, 4)])
def test_the_length_penalty_prefers_longer_hypotheses(alpha: float, length: int) -> None:
    model = sure_model({4: -0.1}, {EOS: -0.9, 5: -0.6}, {5: -0.25}, {5: -0.1}, {EOS: -0.1})
    options = DecodingOptions(max_output_tokens=9, beam_size=2, patience=5.0, length_penalty=alpha)
    assert len(translate(model, options)[0].output_ids) == length


def test_the_coverage_penalty_prefers_what_attends_to_all_of_the_source() -> None:
    """The more probable hypothesis attends to one token alone."""
    attention = {4: [1.0, 0.0], 5: [0.0, 1.0]}
    outputs = []
    for beta in (0.0, 1.0):
        search = BeamSearch(
            DecodingOptions(max_output_tokens=3, beam_size=2, coverage_penalty=beta), SPECIAL_IDS, PIECES
        )
        model = sure_model({4: -0.5, 5: -1.0}, {EOS: -0.1})
        search.advance(model([])[None], Attention(np.array([[1.0, 0.0]], np.float32)))
        ids = [hypothesis.output_ids for hypothesis in search.live]
        attended = np.array([attention[id_] for [id_] in ids], np.float32)
        search.advance(np.stack(list(map(model, ids))), Attention(attended))
        outputs.append(search.ranked()[0].output_ids)
    assert outputs == [[4], [5]]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_without_any_allowed_token_the_hypotheses_are_cut_as_they_are(beam_size: int) -> None:
    """Two tokens, each of which may be written once, and no end before three."""
    model = sure_model(*[{4: -0.5, 5: -1.0, EOS: -2.0}] * 9)
    options = DecodingOptions(max_output_tokens=9, beam_size=beam_size, min_output_tokens=3, no_repeat_ngram_size=1)
    hypotheses = translate(model, options)
    assert {hypothesis.ending for hypothesis in hypotheses} == {Ending.CONSTRAINTS}
    assert hypotheses[0].output_ids == [4, 5]
    assert hypotheses[0].log_prob == -1.5


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_sentence_whose_first_token_is_forbidden_is_empty(beam_size: int) -> None:
    options = DecodingOptions(max_output_tokens=9, beam_size=beam_size, forbidden_phrases=("x",))
    [hypothesis] = translate(random_model(1), options)
    assert (hypothesis.output_ids, hypothesis.ending, hypothesis.log_prob) == ([], Ending.CONSTRAINTS, 0.0)


def test_a_hypothesis_without_an_allowed_token_gives_way_to_others() -> None:
    def model(output_ids: Sequence[int]) -> Float32:
        behind = {5: {5: -0.1}, 4: {6: -1.0}}.get(output_ids[-1] if output_ids else 0, {EOS: -1.0})
        return sure_model({5: -0.1, 4: -3.0}, behind, {EOS: -1.0})(output_ids)

    options = DecodingOptions(max_output_tokens=9, beam_size=2, no_repeat_ngram_size=1, min_output_tokens=2)
    assert [hypothesis.output_ids for hypothesis in translate(model, options)] == [[4, 6]]


@given(
    seed=seeds,
    options=beams,
    prefix=st.lists(st.sampled_from(WRITABLE), max_size=4).map(tuple),
    min_output_tokens=st.integers(0, 4),
    size=st.integers(2, 3),
)
def test_every_hypothesis_of_a_beam_keeps_its_constraints(
    seed: int, options: DecodingOptions, prefix: tuple[int, ...], min_output_tokens: int, size: int
) -> None:
    constrained = DecodingOptions(
        max_output_tokens=MAX_OUTPUT,
        beam_size=options.beam_size,
        prefix=prefix,
        min_output_tokens=min_output_tokens,
        no_repeat_ngram_size=size,
    )
    hypotheses = translate(random_model(seed), constrained)
    assert hypotheses
    for hypothesis in hypotheses:
        output = hypothesis.output_ids
        assert tuple(output[: len(prefix)]) == prefix
        assert len(output) >= min_output_tokens
        ngrams = [tuple(output[at : at + size]) for at in range(len(output) - size + 1)]
        later = ngrams[max(len(prefix) - size + 1, 0) :]
        assert all(ngrams.count(ngram) == 1 for ngram in later)


def test_a_repetition_penalty_changes_the_ranking_but_not_the_log_probability() -> None:
    model = sure_model({4: -0.5}, {4: -1.0, 5: -1.5}, {EOS: -0.1})
    options = DecodingOptions(max_output_tokens=5, beam_size=2, repetition_penalty=2.0)
    first, second = translate(model, options)
    assert (first.output_ids, second.output_ids) == ([4, 5], [4, 4])
    assert [first.log_prob, second.log_prob] == pytest.approx([-2.1, -1.6])
    assert [first.total, second.total] == pytest.approx([-2.1, -2.6])

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.decoding.search.beam import BeamSearch
from server.decoding.search.required import in_turns
from server.messages.hypothesis import Ending, Float32
from server.messages.options import DecodingOptions
from tests.decoding.required_terms import (
    APOSTROPHE,
    CHAT,
    EOS,
    IN,
    LE,
    PA,
    PAIN,
    PIECES,
    SPACE,
    SPECIAL_IDS,
    VOCABULARY_SIZE,
    S,
    Terms,
    allowed,
    assert_written,
    attentions,
    num_tokens,
    numbered,
    progress_after,
    required,
    seeds,
    some_terms,
    translate,
)


@given(terms=some_terms, num_more=st.integers(0, 8), data=st.data())
def test_whatever_is_picked_all_terms_are_written_before_the_end(
    terms: Terms, num_more: int, data: st.DataObject
) -> None:
    asked, limit = required(*terms), num_tokens(terms) + num_more
    progress, output = asked.start, list[int]()
    while len(output) < limit:
        attention, wish = data.draw(attentions), data.draw(st.sampled_from([EOS, LE, PAIN]))
        ids = allowed(asked, progress, limit - len(output), attention=attention, wish=wish)
        id_ = data.draw(st.sampled_from(ids))
        if id_ == EOS:
            break
        output.append(id_)
        progress = asked.advance(progress, id_)
    assert_written(terms, output)


@given(terms=some_terms, num_more=st.integers(0, 8), data=st.data())
def test_terms_are_written_even_where_every_token_is_forbidden(
    terms: Terms, num_more: int, data: st.DataObject
) -> None:
    asked, limit = required(*terms), num_tokens(terms) + num_more
    progress, output = asked.start, list[int]()
    while progress.unmet:
        ids = allowed(asked, progress, limit - len(output), forbidden=range(VOCABULARY_SIZE))
        output.append(data.draw(st.sampled_from(ids)))
        progress = asked.advance(progress, output[-1])
    assert len(output) <= limit
    assert_written(terms, output)


@given(
    terms=some_terms,
    num_more=st.one_of(st.just(0), st.integers(1, 6)),
    beam_size=st.integers(1, 5),
    no_repeat_ngram_size=st.integers(0, 2),
    repetition_penalty=st.sampled_from([1.0, 3.0]),
    guided=st.booleans(),
    seed=seeds,
)
def test_every_hypothesis_of_a_beam_has_all_terms_whatever_forbids_them(
    terms: Terms,
    num_more: int,
    beam_size: int,
    no_repeat_ngram_size: int,
    repetition_penalty: float,
    guided: bool,
    seed: int,
) -> None:
    """With no more tokens than the terms have, and with more."""
    options = DecodingOptions(
        max_output_tokens=num_tokens(terms) + num_more,
        beam_size=beam_size,
        required_terms=numbered(terms),
        no_repeat_ngram_size=no_repeat_ngram_size,
        repetition_penalty=repetition_penalty,
        guided=guided,
    )
    hypotheses = translate(seed, options)
    assert hypotheses
    for hypothesis in hypotheses:
        assert len(hypothesis.output_ids) <= options.max_output_tokens
        assert_written(terms, hypothesis.output_ids)
    scores = [hypothesis.score for hypothesis in hypotheses]
    assert scores == sorted(scores, reverse=True)
    assert len({tuple(hypothesis.output_ids) for hypothesis in hypotheses}) == len(hypotheses)


@given(terms=some_terms, prefix=st.lists(st.sampled_from([LE, SPACE, APOSTROPHE]), min_size=1, max_size=3), seed=seeds)
def test_a_prefix_comes_first_and_the_terms_behind_it(terms: Terms, prefix: list[int], seed: int) -> None:
    options = DecodingOptions(
        max_output_tokens=len(prefix) + num_tokens(terms),
        beam_size=3,
        prefix=tuple(prefix),
        required_terms=numbered(terms),
    )
    for hypothesis in translate(seed, options):
        assert hypothesis.output_ids[: len(prefix)] == prefix
        assert_written(terms, hypothesis.output_ids)


def test_a_term_that_the_prefix_has_is_not_written_again() -> None:
    options = DecodingOptions(
        max_output_tokens=4, prefix=(LE, PA, IN), required_terms=numbered(((PA, IN),)), beam_size=2
    )
    endings = {(tuple(one.output_ids), one.ending) for seed in range(30) for one in translate(seed, options)}
    assert ((LE, PA, IN), Ending.EOS) in endings


def test_a_longer_word_of_the_prefix_is_not_the_term() -> None:
    options = DecodingOptions(
        max_output_tokens=9, prefix=(LE, PAIN, S), required_terms=numbered(((PAIN,),)), beam_size=2
    )
    for seed in range(10):
        for hypothesis in translate(seed, options):
            assert_written(((PAIN,),), hypothesis.output_ids)


def test_a_term_is_not_put_off_until_the_limit_because_everything_else_is_more_probable() -> None:
    """What has written it is less probable, until what has not must write it too."""

    def log_probs(output_ids: Sequence[int]) -> Float32:
        scores = np.full(VOCABULARY_SIZE, -2.0, np.float32)
        scores[PAIN] = -7.0
        scores[EOS] = -0.1 if PAIN in output_ids else -9.0
        return scores

    search = BeamSearch(
        DecodingOptions(max_output_tokens=12, beam_size=3, required_terms=numbered(((PAIN,),))), SPECIAL_IDS, PIECES
    )
    while search.live:
        search.advance(np.stack([log_probs(hypothesis.output_ids) for hypothesis in search.live]), None)
    assert (search.ranked()[0].output_ids, search.ranked()[0].ending) == ([PAIN], Ending.EOS)


def test_there_is_no_end_before_all_terms_are_written() -> None:
    terms = required((LE,), (PA, IN))
    assert EOS not in allowed(terms, terms.start, 20)
    assert EOS not in allowed(terms, progress_after(terms, LE), 20)
    assert EOS not in allowed(terms, progress_after(terms, LE, PA), 20)
    assert EOS in allowed(terms, progress_after(terms, LE, PA, IN), 20)


def test_as_long_as_there_is_room_everything_else_may_be_written() -> None:
    terms = required((PA, IN), (CHAT,))
    assert allowed(terms, terms.start, 4) == list(range(LE, CHAT + 1))
    assert allowed(terms, terms.start, 3) == [PA, CHAT]


def test_a_word_ends_behind_a_term() -> None:
    terms = required((PA, IN))
    assert set(allowed(terms, progress_after(terms, PA, IN), 20)) == {EOS, LE, PA, PAIN, SPACE, APOSTROPHE, CHAT}


def test_a_word_goes_on_in_the_middle_of_a_term_and_behind_what_follows_it() -> None:
    terms = required((PA, IN))
    assert {IN, S} <= set(allowed(terms, progress_after(terms, PA), 20))
    assert {IN, S} <= set(allowed(terms, progress_after(terms, PA, IN, APOSTROPHE), 20))


def test_a_term_that_was_begun_may_be_given_up_where_there_is_room_for_all_of_it() -> None:
    terms = required((PA, IN, S))
    begun = progress_after(terms, PA, IN)
    assert terms.num_left(begun) == 1
    assert LE in allowed(terms, begun, 4)
    assert allowed(terms, begun, 3) == [S]
    given_up = terms.advance(begun, LE)
    assert terms.num_left(given_up) == 3
    assert terms.next_ids(given_up) == [PA]


def test_what_gives_a_term_up_may_begin_another() -> None:
    terms = required((PA, IN), (CHAT, S))
    progress = progress_after(terms, PA, CHAT)
    assert terms.next_ids(progress) == [S]
    assert terms.num_left(terms.advance(progress, S)) == 2


def test_what_gives_a_term_up_may_be_another() -> None:
    terms = required((PA, IN), (LE,))
    assert terms.num_left(progress_after(terms, PA, LE)) == 2


def test_terms_that_share_their_beginning_stay_open_until_they_part() -> None:
    terms = required((PA, IN), (PA, S))
    assert terms.next_ids(terms.start) == [PA]
    assert sorted(terms.next_ids(progress_after(terms, PA))) == [IN, S]
    assert terms.num_left(progress_after(terms, PA, S)) == 2
    assert terms.next_ids(progress_after(terms, PA, S, PA)) == [IN]


def test_a_term_that_is_required_twice_is_written_twice() -> None:
    terms = required((PA, IN), (PA, IN))
    once = progress_after(terms, PA, IN)
    assert EOS not in allowed(terms, once, 20)
    assert terms.num_left(once) == 2
    assert terms.num_left(progress_after(terms, PA, IN, LE, PA, IN)) == 0


def test_a_term_that_is_written_more_often_than_required_counts_once() -> None:
    terms = required((LE,), (CHAT,))
    assert terms.num_left(progress_after(terms, LE, LE)) == 1


def test_what_terms_demand_has_the_models_score_where_it_was_forbidden() -> None:
    terms = required((PA, IN))
    log_probs = np.linspace(-9, -1, VOCABULARY_SIZE).astype(np.float32)
    scores = np.full(VOCABULARY_SIZE, -np.inf, np.float32)
    terms.apply(scores, log_probs, False, None, terms.start, 20, EOS)
    assert np.flatnonzero(np.isfinite(scores)).tolist() == [PA]
    assert scores[PA] == log_probs[PA]


@pytest.mark.parametrize(
    ("banks", "order"),
    [
        ([0, 0, 0], [0, 1, 2]),
        ([0, 0, 1, 1, 2], [4, 2, 0, 3, 1]),
        ([2, 0, 2, 1], [0, 3, 1, 2]),
        ([], []),
    ],
)
def test_every_bank_has_its_turn_those_that_have_met_most_first(banks: list[int], order: list[int]) -> None:
    assert in_turns(banks) == order


@given(st.lists(st.integers(0, 3), max_size=12))
def test_turns_are_fair(banks: list[int]) -> None:
    """At every place a bank is at most one ahead of another that still has candidates, and its best come first."""
    order = in_turns(banks)
    assert sorted(order) == list(range(len(banks)))
    for bank in set(banks):
        own = [index for index in order if banks[index] == bank]
        assert own == sorted(own)
    for end in range(len(order)):
        taken, left = Counter(banks[index] for index in order[:end]), {banks[index] for index in order[end:]}
        assert all(taken[bank] - taken[other] <= 1 for bank in taken for other in left)

"""Terms that are written where the model attends to their source."""

from collections.abc import Sequence

import numpy as np

from server.decoding.search.beam import BeamSearch
from server.decoding.search.required import RequiredTerms
from server.messages.hypothesis import Attention, Float32
from server.messages.options import DecodingOptions, RequiredTerm
from tests.decoding.required_terms import (
    CHAT,
    EOS,
    IN,
    LE,
    PA,
    PAIN,
    PIECES,
    SPECIAL_IDS,
    VOCABULARY_SIZE,
    allowed,
    numbered,
    progress_after,
    required,
)


def test_a_term_is_written_where_nearly_all_attention_is_on_its_source() -> None:
    terms = required((PA, IN), (CHAT,))
    assert allowed(terms, terms.start, 20, attention=[0.1, 0.9, 0.0]) == [CHAT]
    assert allowed(terms, terms.start, 20, attention=[0.9, 0.1, 0.0]) == [PA]


def test_a_term_waits_where_the_words_before_it_share_the_attention() -> None:
    terms = required((PA, IN), (CHAT,))
    assert {LE, PA, CHAT} <= set(allowed(terms, terms.start, 20, attention=[0.5, 0.1, 0.4]))


def test_attention_on_other_words_and_on_a_term_that_is_written_demands_nothing() -> None:
    terms = required((PA, IN), (CHAT,))
    assert LE in allowed(terms, terms.start, 20, attention=[0.0, 0.0, 1.0])
    assert LE in allowed(terms, progress_after(terms, CHAT), 20, attention=[0.0, 1.0, 0.0])


def test_attention_on_all_tokens_of_a_terms_source_counts() -> None:
    terms = RequiredTerms([RequiredTerm((CHAT,), range(1, 3))], PIECES)
    assert allowed(terms, terms.start, 20, attention=[0.1, 0.5, 0.4]) == [CHAT]
    assert LE in allowed(terms, terms.start, 20, attention=[0.4, 0.5, 0.1])


def test_a_term_that_is_begun_in_its_place_is_written_to_its_end() -> None:
    terms = required((PA, IN))
    assert allowed(terms, progress_after(terms, PA), 20, attention=[0.0, 1.0]) == [IN]


def test_terms_are_written_where_the_model_would_end() -> None:
    terms = required((PA, IN), (CHAT,))
    assert allowed(terms, terms.start, 20, attention=[0.0, 0.0, 1.0], wish=EOS) == [PA, CHAT]


def test_a_term_in_its_place_wins_over_one_that_was_appended() -> None:
    """Although it is less probable there."""

    def log_probs(output_ids: Sequence[int]) -> Float32:
        scores = np.full(VOCABULARY_SIZE, -9.0, np.float32)
        scores[[LE, CHAT] if not output_ids else [EOS]] = -0.1
        if PAIN not in output_ids:
            scores[PAIN] = -1.0 if output_ids else -4.0
        return scores

    options = DecodingOptions(max_output_tokens=7, beam_size=3, required_terms=numbered(((PAIN,),)), guided=True)
    search = BeamSearch(options, SPECIAL_IDS, PIECES)
    while search.live:
        attention = np.array([[0.6, 0.4] for _ in search.live], np.float32)
        search.advance(np.stack([log_probs(hypothesis.output_ids) for hypothesis in search.live]), Attention(attention))
    best, *others = search.ranked()
    assert best.output_ids == [PAIN]
    assert {(LE, PAIN), (CHAT, PAIN)} & {tuple(other.output_ids) for other in others}

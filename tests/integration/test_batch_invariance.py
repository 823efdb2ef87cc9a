"""A translation depends on its sentence and its options alone: the real engine on real int8 graphs, whatever else it
does."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from export.session import GraphSession
from models.registry import ARCHITECTURES
from models.seq2seq import EOS
from server.decoding.engine import Engine
from server.decoding.graphs.backend import Backend, BackendOptions
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.messages.hypothesis import Ending
from server.messages.options import DecodingOptions, RequiredTerm
from server.messages.sentence import Finished, Sentence
from server.text.pieces import WORD_START, Pieces
from server.text.sentencepieces import SentencePieceTokenizer
from tests.conftest import SmallModels
from tests.fakes import Outcomes, greedy, post
from tests.small_models import VOCABULARY_SIZE, SmallModel

NUM_SENTENCES = 100
NUM_PLAIN = 40
"""Of them, how many are decoded in the plain and slow way, too."""
NUM_MIXED = 60
"""Of them, how many ask for options of all kinds."""
MAX_LENGTH = 40
MAX_ROWS = 16
TOLERANCE = 1e-4
"""Of a score, the mean log-probability of a token."""

Request = tuple[list[int], DecodingOptions]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def served(request: pytest.FixtureRequest, small_model: SmallModels) -> SmallModel:
    return small_model(request.param)


@pytest.fixture(scope="module")
def alone(served: SmallModel) -> list[Finished]:
    """Each of the sentences with the only row of the batch to itself."""
    return decode_together(served, greedy_requests(), max_rows=1)


@pytest.fixture(scope="module")
def each_alone(served: SmallModel) -> list[Finished]:
    """Each of the sentences, with options of all kinds, with nothing beside it."""
    outcomes = Outcomes()
    engine = engine_of(served, MAX_ROWS)
    for index, (source, options) in enumerate(mixed_requests(served)):
        engine.submit([Sentence(source, options, outcomes.listener(index))])
        engine.run()
    return [outcomes.finished(index) for index in range(NUM_MIXED)]


def engine_of(served: SmallModel, max_rows: int) -> Engine:
    manifest, backend = served.bundle.manifest, Backend(served.bundle, BackendOptions(max_rows, num_threads=1))
    limits = Limits(max_rows, max_joining_tokens=100)
    pieces = Pieces(SentencePieceTokenizer(served.bundle.tokenizer, EOS).texts)
    return Engine(manifest, backend, pieces, limits, post, EngineMetrics(manifest.name))


def random_sources() -> list[list[int]]:
    generator = np.random.default_rng(7)
    lengths = [*range(1, MAX_LENGTH + 1), *generator.integers(1, MAX_LENGTH + 1, NUM_SENTENCES - MAX_LENGTH).tolist()]
    generator.shuffle(lengths)
    return [[*generator.integers(EOS + 1, VOCABULARY_SIZE, length - 1).tolist(), EOS] for length in lengths]


def limit(source: Sequence[int]) -> int:
    """As many output tokens as `GraphSession.decode` allows."""
    return 2 * len(source) + 10


def greedy_requests() -> list[Request]:
    return [(source, greedy(limit(source))) for source in random_sources()]


def mixed_requests(served: SmallModel) -> list[Request]:
    """Sentences that ask for different things, of every kind that there is."""
    texts = SentencePieceTokenizer(served.bundle.tokenizer, EOS).texts
    has_list = served.bundle.manifest.has_shortlist
    attends = served.model.alignment is not None
    phrase = texts[30].strip(WORD_START) or "a"
    terms = (RequiredTerm((40, 41), range(2)), RequiredTerm((50,), range(2, 3)))
    kinds: list[dict[str, Any]] = [
        {},
        {"beam_size": 4, "length_penalty": 0.6},
        {"beam_size": 3, "patience": 2.0, "alignment": attends, "coverage_penalty": 0.2 if attends else 0.0},
        {"num_samples": 3, "temperature": 1.5, "seed": 7},
        {"num_samples": 1, "top_k": 20, "top_p": 0.9, "seed": 8},
        {"prefix": (20, 21, 22), "token_log_probs": True},
        {"no_repeat_ngram_size": 2, "repetition_penalty": 1.3, "min_output_tokens": 6},
        {"beam_size": 2, "forbidden_phrases": (phrase,)},
        {"beam_size": 4, "required_terms": terms, "guided": attends},
        {"use_shortlist": has_list},
        {"use_shortlist": has_list, "beam_size": 3, "prefix": (20, 250)},
        {"use_shortlist": has_list, "beam_size": 4, "length_penalty": 0.6},
        {"use_shortlist": has_list, "num_samples": 2, "top_k": 10, "seed": 10},
        {"use_shortlist": has_list, "beam_size": 3, "required_terms": terms, "guided": attends},
        {"use_shortlist": has_list, "start_ids": (26, 27), "beam_size": 2},
        {"forced_ids": (30, 31, 32, 33), "token_log_probs": True},
        {"start_ids": (25,)},
        {"start_ids": (26, 250), "beam_size": 4, "length_penalty": 0.6},
        {"start_ids": (27,), "beam_size": 3, "prefix": (20, 21), "alignment": attends},
        {"start_ids": (28,), "use_shortlist": has_list},
        {"start_ids": (29,), "forced_ids": (30, 31), "token_log_probs": True},
        {"start_ids": (25,), "num_samples": 2, "temperature": 1.2, "seed": 9},
        {"alignment": attends, "alignment_heads": attends},
        {"beam_size": 3, "alignment": attends, "alignment_heads": attends, "use_shortlist": has_list},
    ]
    sources = random_sources()[:NUM_MIXED]
    return [
        (source, DecodingOptions(max_output_tokens=limit(source), **kinds[index % len(kinds)]))
        for index, source in enumerate(sources)
    ]


def decode_together(served: SmallModel, requests: Sequence[Request], max_rows: int) -> list[Finished]:
    outcomes = Outcomes()
    engine = engine_of(served, max_rows)
    engine.submit([Sentence(source, options, outcomes.listener(i)) for i, (source, options) in enumerate(requests)])
    engine.run()
    return [outcomes.finished(index) for index in range(len(requests))]


def decode_at_random_moments(served: SmallModel, requests: Sequence[Request]) -> list[Finished]:
    """A few arrive, a few steps pass, and so on; half of them have a companion that is cancelled later on."""
    generator = np.random.default_rng(11)
    outcomes, engine = Outcomes(), engine_of(served, MAX_ROWS)
    companions: list[int] = []
    index, num_arriving = 0, MAX_ROWS
    while index < len(requests):
        for source, options in requests[index : index + num_arriving]:
            engine.submit([Sentence(source, options, outcomes.listener(index))])
            if generator.random() < 0.5:
                other = requests[int(generator.integers(len(requests)))]
                companions += engine.submit([Sentence(*other, outcomes.listener(("companion of", index)))])
            index += 1
        for _ in range(int(generator.integers(1, 12))):
            engine.turn()
        generator.shuffle(companions)
        engine.cancel([companions.pop() for _ in range(len(companions) // 2)])
        num_arriving = int(generator.integers(1, 6))
    engine.run()
    return [outcomes.finished(index) for index in range(len(requests))]


def assert_same(actual: Sequence[Finished], expected: Sequence[Finished]) -> None:
    for index, (ended, other_ended) in enumerate(zip(actual, expected, strict=True)):
        for one, other in zip(ended.hypotheses, other_ended.hypotheses, strict=True):
            assert (one.output_ids, one.ending) == (other.output_ids, other.ending), f"sentence {index}"
            num_scored = max(len(one.output_ids), 1)
            assert one.log_prob / num_scored == pytest.approx(other.log_prob / num_scored, abs=TOLERANCE)
            assert one.score == pytest.approx(other.score, abs=num_scored * TOLERANCE)
            assert one.token_log_probs == pytest.approx(other.token_log_probs, abs=num_scored * TOLERANCE)
            for of_one, of_other in (
                (one.attention, other.attention),
                (one.attention_by_head, other.attention_by_head),
            ):
                for attention, other_attention in zip(of_one, of_other, strict=True):
                    assert attention == pytest.approx(other_attention, abs=num_scored * TOLERANCE)


def test_a_full_batch_translates_as_each_sentence_alone(served: SmallModel, alone: list[Finished]) -> None:
    assert_same(decode_together(served, greedy_requests(), MAX_ROWS), alone)


def test_one_batch_of_all_sentences_translates_as_each_alone(served: SmallModel, alone: list[Finished]) -> None:
    assert_same(decode_together(served, greedy_requests(), NUM_SENTENCES), alone)


def test_random_arrivals_and_cancellations_of_others_change_no_translation(
    served: SmallModel, alone: list[Finished]
) -> None:
    assert_same(decode_at_random_moments(served, greedy_requests()), alone)


def test_the_engine_writes_what_a_plain_greedy_decode_of_the_graphs_writes(
    served: SmallModel, alone: list[Finished]
) -> None:
    session = GraphSession(served.bundle.encoder, served.bundle.step, served.model.state)
    for source, finished in list(zip(random_sources(), alone, strict=True))[:NUM_PLAIN]:
        assert finished.hypotheses[0].output_ids == session.decode([source])[0]


def test_options_of_all_kinds_share_a_batch(served: SmallModel, each_alone: list[Finished]) -> None:
    assert_same(decode_together(served, mixed_requests(served), MAX_ROWS), each_alone)


def test_options_of_all_kinds_come_and_go(served: SmallModel, each_alone: list[Finished]) -> None:
    assert_same(decode_at_random_moments(served, mixed_requests(served)), each_alone)


def test_shortlists_that_join_together_do_not_take_each_other_s_place(served: SmallModel) -> None:
    """Sources of many lengths: the batch's columns of the output layer grow, and are replaced, within one join."""
    options = DecodingOptions(max_output_tokens=12, use_shortlist=served.bundle.manifest.has_shortlist)
    requests = [(source, options) for source in random_sources()[:NUM_MIXED]]
    assert_same(decode_together(served, requests, MAX_ROWS), decode_together(served, requests, max_rows=1))


def test_a_greedy_sentence_is_the_same_among_the_greedy_rows_and_by_a_search(
    served: SmallModel, alone: list[Finished]
) -> None:
    requests = [(source, dataclasses.replace(options, token_log_probs=True)) for source, options in greedy_requests()]
    for searched, expected in zip(decode_together(served, requests, MAX_ROWS), alone, strict=True):
        [one], [other] = searched.hypotheses, expected.hypotheses
        assert (one.output_ids, one.ending) == (other.output_ids, other.ending)
        assert one.log_prob == pytest.approx(other.log_prob, rel=1e-4)


def test_translations_differ_and_some_end_by_themselves(served: SmallModel, alone: list[Finished]) -> None:
    """Else the tests above would compare nothing."""
    assert len({tuple(finished.hypotheses[0].output_ids) for finished in alone}) > NUM_SENTENCES / 2
    if served.bundle.manifest.architecture != "transformer":  # a random one goes on and on
        assert not all(finished.hypotheses[0].ending is Ending.LIMIT for finished in alone)

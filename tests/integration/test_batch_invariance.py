"""A translation depends on its sentence alone: the real engine on real int8 graphs, whatever else it does."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest

from export.session import GraphSession
from models.registry import ARCHITECTURES
from models.seq2seq import EOS
from server.backend import Backend, BackendOptions
from server.engine import Engine, Finished, Sentence
from server.metrics import Metrics
from server.scheduler import Limits
from tests.conftest import SmallModels
from tests.fakes import Gate, GatedBackend, Outcomes, post
from tests.small_models import VOCABULARY_SIZE, SmallModel

NUM_SENTENCES = 200
NUM_PLAIN = 80
"""Of them, how many are decoded in the plain and slow way, too."""
MAX_LENGTH = 40
MAX_ROWS = 16
TOLERANCE = 1e-4
"""Of a score, the mean log-probability of a token."""


@pytest.fixture(scope="module", params=ARCHITECTURES)
def served(request: pytest.FixtureRequest, small_model: SmallModels) -> SmallModel:
    return small_model(request.param)


@pytest.fixture(scope="module")
def alone(served: SmallModel) -> list[Finished]:
    """Each of the sentences with the only row of the batch to itself."""
    return decode_together(served, random_sources(), max_rows=1)


@contextmanager
def running(served: SmallModel, max_rows: int, gate: Gate | None = None) -> Iterator[Engine]:
    manifest, options = served.bundle.manifest, BackendOptions(max_rows, num_threads=1)
    backend = GatedBackend(served.bundle, options, gate) if gate else Backend(served.bundle, options)
    limits = Limits(max_rows, max_joining_tokens=100)
    engine = Engine(manifest, backend, limits, 2 * NUM_SENTENCES, post, Metrics().engine(manifest.name))
    engine.start()
    try:
        yield engine
    finally:
        if gate:
            gate.open()
        engine.close()


def random_sources() -> list[list[int]]:
    generator = np.random.default_rng(7)
    lengths = [*range(1, MAX_LENGTH + 1), *generator.integers(1, MAX_LENGTH + 1, NUM_SENTENCES - MAX_LENGTH).tolist()]
    generator.shuffle(lengths)
    return [[*generator.integers(EOS + 1, VOCABULARY_SIZE, length - 1).tolist(), EOS] for length in lengths]


def limit(source: Sequence[int]) -> int:
    """As many output tokens as `GraphSession.decode` allows."""
    return 2 * len(source) + 10


def decode_together(served: SmallModel, sources: Sequence[Sequence[int]], max_rows: int) -> list[Finished]:
    outcomes = Outcomes()
    with running(served, max_rows) as engine:
        engine.submit([Sentence(list(s), limit(s), outcomes.listener(i)) for i, s in enumerate(sources)])
        return [outcomes.finished(index) for index in range(len(sources))]


def decode_at_random_moments(served: SmallModel, sources: Sequence[Sequence[int]]) -> list[Finished]:
    """A few arrive, a few steps pass, and so on; half of them have a companion that is cancelled later on."""
    generator = np.random.default_rng(11)
    outcomes, gate = Outcomes(), Gate()
    companions: list[int] = []
    index, num_arriving = 0, MAX_ROWS
    with running(served, MAX_ROWS, gate) as engine:
        while index < len(sources):
            for source in sources[index : index + num_arriving]:
                engine.submit([Sentence(list(source), limit(source), outcomes.listener(index))])
                if generator.random() < 0.5:
                    other = list(sources[int(generator.integers(len(sources)))])
                    companion = Sentence(other, limit(other), outcomes.listener(("companion of", index)))
                    companions += engine.submit([companion])
                index += 1
            gate.allow(int(generator.integers(1, 12)))
            generator.shuffle(companions)
            engine.cancel([companions.pop() for _ in range(len(companions) // 2)])
            num_arriving = int(generator.integers(1, 6))
        gate.open()
        return [outcomes.finished(index) for index in range(len(sources))]


def assert_same(actual: Sequence[Finished], expected: Sequence[Finished]) -> None:
    for index, (one, other) in enumerate(zip(actual, expected, strict=True)):
        assert (one.output_ids, one.reached_limit) == (other.output_ids, other.reached_limit), f"sentence {index}"
        num_scored = max(len(one.output_ids), 1)
        assert one.log_prob / num_scored == pytest.approx(other.log_prob / num_scored, abs=TOLERANCE)


def test_a_full_batch_translates_as_each_sentence_alone(served: SmallModel, alone: list[Finished]) -> None:
    assert_same(decode_together(served, random_sources(), MAX_ROWS), alone)


def test_one_batch_of_all_sentences_translates_as_each_alone(served: SmallModel, alone: list[Finished]) -> None:
    assert_same(decode_together(served, random_sources(), NUM_SENTENCES), alone)


def test_random_arrivals_and_cancellations_of_others_change_no_translation(
    served: SmallModel, alone: list[Finished]
) -> None:
    assert_same(decode_at_random_moments(served, random_sources()), alone)


def test_the_engine_writes_what_a_plain_greedy_decode_of_the_graphs_writes(
    served: SmallModel, alone: list[Finished]
) -> None:
    session = GraphSession(served.bundle.encoder, served.bundle.step, served.model.state)
    for source, finished in list(zip(random_sources(), alone, strict=True))[:NUM_PLAIN]:
        assert finished.output_ids == session.decode([source])[0]


def test_translations_differ_and_some_end_by_themselves(served: SmallModel, alone: list[Finished]) -> None:
    """Else the tests above would compare nothing."""
    assert len({tuple(finished.output_ids) for finished in alone}) > NUM_SENTENCES / 2
    if served.bundle.manifest.architecture != "transformer":  # a random one goes on and on
        assert not all(finished.reached_limit for finished in alone)

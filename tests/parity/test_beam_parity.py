"""The engine's beam search, rows coming and going, against the plain one in PyTorch: hypothesis by hypothesis."""

import dataclasses
import itertools

import numpy as np
import pytest

from export.manifest import alignment_spec, state_specs
from models.beam_search import BeamOptions, beam_search
from models.greedy import max_output
from models.registry import ARCHITECTURES
from models.seq2seq import EOS
from server.bundle.manifest import Bundle
from server.decoding.engine import Engine
from server.decoding.graphs.backend import Backend, BackendOptions
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.messages.hypothesis import Ending
from server.messages.options import DecodingOptions
from server.messages.sentence import Finished, Sentence
from tests.conftest import SmallModels
from tests.fakes import NO_PIECES, Outcomes, post
from tests.small_models import VOCABULARY_SIZE, SmallModel

NUM_SENTENCES = 72
"""Each beam size with each penalty."""
NUM_BY_NIGHT = 200
MAX_LENGTH = 14
MAX_ROWS = 24
NEAR = 1e-4
"""Hypotheses whose scores are nearer may change places: sums in another order are rounded otherwise."""


EVERY_NIGHT = [pytest.param(name, NUM_BY_NIGHT, marks=pytest.mark.nightly) for name in ARCHITECTURES]


def sentences(model: SmallModel, number: int) -> list[tuple[list[int], BeamOptions]]:
    generator = np.random.default_rng(3)
    found = []
    for index in range(number):
        length = int(generator.integers(1, MAX_LENGTH))
        options = BeamOptions(
            beam_size=1 + index % 6,
            length_penalty=(0.6, 0.0, 1.0)[index % 3],
            patience=(1.0, 2.0)[index // 6 % 2],
            coverage_penalty=(0.0, 0.4)[index // 12 % 2] if model.model.alignment else 0.0,
        )
        found.append(([*generator.integers(EOS + 1, VOCABULARY_SIZE, length).tolist(), EOS], options))
    return found


def decode(exported: SmallModel, number: int) -> list[Finished]:
    """By the engine, on the fp32 graphs."""
    manifest = dataclasses.replace(
        exported.bundle.manifest,
        precision="fp32",
        state=state_specs(exported.model, {}),
        alignment=alignment_spec(exported.model, {}),
        has_shortlist=False,
    )
    bundle = Bundle(exported.fp32, manifest)
    outcomes = Outcomes()
    backend = Backend(bundle, BackendOptions(MAX_ROWS, num_threads=1))
    engine = Engine(bundle.manifest, backend, NO_PIECES, Limits(MAX_ROWS, 60), post, EngineMetrics("parity"))
    engine.submit(
        [
            Sentence(
                source,
                DecodingOptions(
                    max_output_tokens=max_output(source),
                    beam_size=options.beam_size,
                    length_penalty=options.length_penalty,
                    patience=options.patience,
                    coverage_penalty=options.coverage_penalty,
                ),
                outcomes.listener(index),
            )
            for index, (source, options) in enumerate(sentences(exported, number))
        ]
    )
    engine.run()
    return [outcomes.finished(index) for index in range(number)]


@pytest.mark.parametrize(("name", "number"), [("transformer", NUM_SENTENCES), *EVERY_NIGHT])
def test_all_hypotheses_and_their_scores_are_the_reference_s(small_model: SmallModels, name: str, number: int) -> None:
    exported = small_model(name)
    num_compared = 0
    for (source, options), finished in zip(sentences(exported, number), decode(exported, number), strict=True):
        expected = {tuple(h.ids): h for h in beam_search(exported.model, source, options)}
        actual = {tuple(h.output_ids): h for h in finished.hypotheses}
        assert actual.keys() == expected.keys()
        for ids, hypothesis in actual.items():
            assert hypothesis.score == pytest.approx(expected[ids].score, abs=NEAR, rel=3e-6)
            assert hypothesis.log_prob == pytest.approx(expected[ids].log_prob, abs=10 * NEAR)
            assert (hypothesis.ending is Ending.LIMIT) == expected[ids].reached_limit
        scores = [hypothesis.score for hypothesis in finished.hypotheses]
        assert scores == sorted(scores, reverse=True)
        ranked = [expected[tuple(hypothesis.output_ids)].score for hypothesis in finished.hypotheses]
        assert all(earlier >= later - NEAR for earlier, later in itertools.pairwise(ranked))
        num_compared += len(actual)
    assert num_compared > 3 * number

"""What was exported computes what PyTorch computes, for every registered architecture."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.graphs import export_encoder, export_step
from export.parity import TOLERANCE, largest_difference
from export.session import GraphSession
from models.greedy import greedy_decode
from models.registry import ARCHITECTURES
from models.seq2seq import ALIGNMENT_QUERY, BOS, EOS
from server.bundle.manifest import ENCODER, STEP
from server.decoding.graphs.backend import Backend, BackendOptions
from tests.conftest import SmallModels
from tests.small_models import VOCABULARY_SIZE, SmallModel, build_random_model

RANDOM_TOLERANCE = 3 * TOLERANCE
"""Weights so widely spread magnify what is rounded; trained ones are held to TOLERANCE by the export."""

WITH_ALIGNMENT = {name: model.alignment for name in ARCHITECTURES if (model := build_random_model(name)).alignment}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def exported(request: pytest.FixtureRequest, small_model: SmallModels) -> SmallModel:
    return small_model(request.param)


@pytest.fixture(scope="module")
def fp32(exported: SmallModel) -> GraphSession:
    return GraphSession(exported.fp32 / ENCODER, exported.fp32 / STEP, exported.model.state)


def random_sources(*lengths: int) -> list[list[int]]:
    generator = np.random.default_rng(5)
    return [[*generator.integers(EOS + 1, VOCABULARY_SIZE, length - 1).tolist(), EOS] for length in lengths]


def graphs(exported: SmallModel) -> list[Path]:
    """Of both precisions: fp32 encoder and step, int8 encoder and step."""
    return [exported.fp32 / ENCODER, exported.fp32 / STEP, exported.bundle.encoder, exported.bundle.step]


@pytest.mark.parametrize("lengths", [(1,), (9,), (1, 4, 9, 17, 30)])
def test_log_probabilities_are_pytorch_s_at_every_step(
    exported: SmallModel, fp32: GraphSession, lengths: tuple[int, ...]
) -> None:
    assert largest_difference(exported.model, fp32, random_sources(*lengths)) < RANDOM_TOLERANCE


@pytest.mark.nightly
def test_log_probabilities_are_pytorch_s_without_the_cache_too(tmp_path: Path) -> None:
    model = build_random_model("transformer").without_cache()
    export_encoder(model, tmp_path / ENCODER)
    export_step(model, tmp_path / STEP)
    session = GraphSession(tmp_path / ENCODER, tmp_path / STEP, model.state)
    assert largest_difference(model, session, random_sources(1, 4, 9)) < RANDOM_TOLERANCE


def test_a_model_with_other_weights_is_told_apart(exported: SmallModel, fp32: GraphSession) -> None:
    """Else agreement would say nothing."""
    parameter = next(exported.model.parameters())
    original = parameter.data.clone()
    parameter.data *= 1.1
    try:
        assert largest_difference(exported.model, fp32, random_sources(4, 9)) > RANDOM_TOLERANCE
    finally:
        parameter.data = original


def test_greedy_translations_are_pytorch_s(exported: SmallModel, fp32: GraphSession) -> None:
    for source in random_sources(*range(1, 30, 4)):
        assert fp32.decode([source]) == greedy_decode(exported.model, [source])


def test_graphs_have_no_control_flow(exported: SmallModel) -> None:
    for path in graphs(exported):
        operators = {node.op_type for node in onnx.load(path).graph.node}
        assert not operators & {"If", "Loop", "Scan"}, path


def test_every_appended_tensor_is_read_and_written_by_one_operator(exported: SmallModel) -> None:
    """So that input and output can share a buffer, with no copy of it between."""
    for path in (exported.fp32 / STEP, exported.bundle.step):
        nodes = onnx.load(path).graph.node
        for tensor in exported.model.state:
            if tensor.kind == "append":
                [writer] = [node for node in nodes if f"next_{tensor.name}" in node.output]
                readers = [node for node in nodes if tensor.name in node.input and node.op_type != "Shape"]
                assert writer.op_type == "GroupQueryAttention"
                assert readers == [writer]


def test_a_step_of_the_server_writes_one_position_of_each_cache_and_nothing_of_what_is_constant(
    exported: SmallModel,
) -> None:
    manifest = exported.bundle.manifest
    backend = Backend(exported.bundle, BackendOptions(max_rows=3, num_threads=1))
    [source] = random_sources(7)
    for row in range(3):
        backend.state.write(row, backend.encode([source]), 0, len(source))
    backend.previous_ids[:] = manifest.special_ids.start
    before = {name: buffer.copy() for name, buffer in backend.state.current.items()}
    backend.positions[:2] = (0, 4)
    backend.step(2)
    for spec in manifest.state:
        buffer = backend.state.current[spec.name]
        if spec.kind == "constant":
            np.testing.assert_array_equal(buffer, before[spec.name])
        elif spec.kind == "append":
            positions = spec.shape.index("target") + 1
            written = np.moveaxis(buffer != before[spec.name], positions, 1).reshape(3, manifest.max_output_tokens, -1)
            assert np.argwhere(written.any(axis=2)).tolist() == [[0, 0], [1, 4]]
        else:
            assert (buffer[:2] != before[spec.name][:2]).any()


@pytest.mark.parametrize("name", ["transformer", "encoder_decoder"])
def test_listed_tokens_have_the_log_probabilities_that_they_have_without_a_list(
    small_model: SmallModels, name: str
) -> None:
    """Less what the others would have had; with and without a bias of the output layer."""
    bundle = small_model(name).bundle
    assert bundle.manifest.has_shortlist
    backend = Backend(bundle, BackendOptions(max_rows=3, num_threads=1))
    [source] = random_sources(7)
    lists = [None, np.arange(1, VOCABULARY_SIZE), np.array([3, 8, 40, 77, 299])]
    for row, listed in enumerate(lists):
        backend.state.write(row, backend.encode([source]), 0, len(source))
        backend.give_list(row, listed, row + 1)
    backend.previous_ids[:] = BOS
    log_probs = backend.step(3).log_probs
    for row, listed in enumerate(lists):
        if listed is not None:
            expected = log_probs[0, listed].astype(np.float64)
            expected -= np.logaddexp.reduce(expected)
            np.testing.assert_allclose(log_probs[row, : len(listed)], expected, atol=1e-4)
            assert (log_probs[row, len(listed) :] == -np.inf).all()


def test_weights_of_the_int8_bundle_are_int8(exported: SmallModel) -> None:
    """All matrices that are multiplied with; what is gathered from a table so small stays as it is."""
    for path in (exported.bundle.encoder, exported.bundle.step):
        graph = onnx.load(path).graph
        constants = {tensor.name: tensor for tensor in graph.initializer}
        products = [node for node in graph.node if node.op_type in ("MatMul", "Gemm")]
        assert not [node.name for node in products if node.input[1] in constants]


@pytest.fixture(scope="module")
def int8(exported: SmallModel) -> GraphSession:
    return GraphSession(exported.bundle.encoder, exported.bundle.step, exported.model.state)


def test_int8_stays_near_fp32(exported: SmallModel, fp32: GraphSession, int8: GraphSession) -> None:
    """Far nearer than models of other weights are: a lost bias or a transposed matrix shows."""
    source = random_sources(12)
    states = [session.encode(source, 8) for session in (fp32, int8)]
    differences, spreads = [], []
    for position, token in enumerate(random_sources(9)[0][:8]):
        ids, positions = np.array([token]), np.array([position])
        full, coarse = (
            session.step(ids, positions, state)["log_probs"].astype(np.float64)
            for session, state in zip((fp32, int8), states, strict=True)
        )
        differences.append(np.abs(full - coarse).mean())
        spreads.append(np.abs(full - full.mean()).mean())
    assert np.mean(differences) < 0.25 * np.mean(spreads)


@pytest.mark.parametrize("name", WITH_ALIGNMENT)
@torch.inference_mode()
def test_attention_over_the_source_is_pytorch_s(small_model: SmallModels, name: str) -> None:
    """Although the server's keys are int8: their scale is part of the alignment's."""
    model, bundle, alignment = small_model(name).model, small_model(name).bundle, WITH_ALIGNMENT[name]
    backend = Backend(bundle, BackendOptions(max_rows=1, num_threads=1))
    assert backend.state.current[alignment.keys].dtype == np.int8
    differences = []
    for source in random_sources(*[6] * 10):
        state = model.start_state(torch.tensor([source]), torch.tensor([len(source)]), max_target=2)
        _, next_state = model.step(torch.tensor([BOS]), torch.tensor([0]), state)
        keys = state[alignment.keys][0]  # [heads, source, size]
        query = next_state[ALIGNMENT_QUERY].view(keys.shape[0], 1, keys.shape[2])
        expected = (query @ keys.transpose(1, 2) * alignment.scale).softmax(dim=-1).squeeze(1)  # [heads, source]

        backend.state.write(0, backend.encode([source]), 0, len(source))
        backend.previous_ids[0] = BOS
        backend.positions[0] = 0
        backend.step(1)
        attention = backend.attention([0], len(source), by_head=True)
        assert attention.by_head is not None
        [mean], [by_head] = attention.mean, attention.by_head
        assert by_head.shape == expected.shape
        np.testing.assert_allclose(mean, by_head.mean(axis=0), atol=1e-6)
        differences.append(np.abs(by_head - expected.numpy()).mean())
    assert np.mean(differences) < 0.07

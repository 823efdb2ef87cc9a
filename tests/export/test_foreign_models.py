"""Models as others train them, exported: graphs, int8, shortlists of output layers with a bias, large graphs."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from export import graph_files
from export import quantize as quantize_module
from export.calibrate import calibrate
from export.graphs import export_encoder, export_step
from export.parity import TOLERANCE, check_parity, largest_difference
from export.quantize import quantize
from export.session import Array, GraphSession
from export.shortlist import build_shortlist, split_output
from models.encoder_decoder import EncoderDecoder
from models.greedy import greedy_decode
from server.bundle.manifest import ENCODER, FEATURES, FEATURES_STEP, OUTPUT_STEP, STEP
from tests.foreign_models import FOREIGN, build_foreign_model

EVERY_KIND = pytest.mark.parametrize(
    "kind",
    [
        kind if kind in ("marian", "opennmt", "firefox") else pytest.param(kind, marks=pytest.mark.nightly)
        for kind in FOREIGN
        if kind != "marian-separate"
    ],
)
"""Each with an option that no other has. Exports take their time: those that differ least are for the night."""

SOURCES = [[7, 8, 9, 10, 4], [11], [4, 5, 6, 7, 8, 9, 10, 11, 40], [4, 3]]

Exported = Callable[[str], Path]
Float64 = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def fp32(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The folder of a kind's fp32 graphs."""

    @cache
    def export(kind: str) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        export_graphs(build_foreign_model(kind), folder)
        return folder

    return export


@pytest.fixture(scope="module")
def int8(fp32: Exported, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The folder of a kind's int8 graphs."""

    @cache
    def export(kind: str) -> Path:
        folder = tmp_path_factory.mktemp(kind) / "int8"
        shutil.copytree(fp32(kind), folder)
        quantize_graphs(build_foreign_model(kind), folder)
        return folder

    return export


def export_graphs(model: EncoderDecoder, folder: Path) -> None:
    export_encoder(model, folder / ENCODER)
    export_step(model, folder / STEP)


def quantize_graphs(model: EncoderDecoder, folder: Path) -> None:
    graphs = (folder / ENCODER, folder / STEP)
    calibration = calibrate(*graphs, model.state, SOURCES, min_growing_width=1, ids=model.output_ids)
    for path, ranges in zip(graphs, (calibration.encoder, calibration.step), strict=True):
        quantize(path, ranges, calibration.cache_scales)


def session_of(model: EncoderDecoder, folder: Path) -> GraphSession:
    return GraphSession(folder / ENCODER, folder / STEP, model.state, model.output_ids)


def step_log_probs(session: GraphSession, token: int, position: int, state: dict[str, Array]) -> Float64:
    outputs = session.step(np.full(len(SOURCES), token), np.full(len(SOURCES), position), state)
    return outputs["log_probs"].astype(np.float64)


@EVERY_KIND
def test_graphs_compute_what_pytorch_computes(kind: str, fp32: Exported) -> None:
    model = build_foreign_model(kind)
    session = session_of(model, fp32(kind))
    assert largest_difference(model, session, SOURCES) < TOLERANCE
    assert session.decode(SOURCES) == greedy_decode(model, SOURCES)


def test_the_export_s_own_check_knows_other_special_ids_and_bounds_of_positions(fp32: Exported) -> None:
    model = build_foreign_model("marian")
    check_parity(model, fp32("marian"), model.config.source_vocabulary)


@EVERY_KIND
def test_int8_has_no_float_product_left_and_stays_near(kind: str, fp32: Exported, int8: Exported) -> None:
    model = build_foreign_model(kind)
    for name in (ENCODER, STEP):
        graph = onnx.load(int8(kind) / name).graph
        constants = {tensor.name for tensor in graph.initializer}
        assert not [
            node.name for node in graph.node if node.op_type in ("MatMul", "Gemm") and node.input[1] in constants
        ]
    full, coarse = (session_of(model, folder) for folder in (fp32(kind), int8(kind)))
    states = [session.encode(SOURCES, 8) for session in (full, coarse)]
    writable = np.setdiff1d(np.arange(model.config.target_vocabulary), model.output_ids.never_written)
    differences, spreads = [], []
    first_position = model.output_ids.first_position
    tokens = [*model.output_ids.start, 7, 23, 12, 30][first_position:]
    for position, token in enumerate(tokens, first_position):
        exact, rounded = (
            step_log_probs(session, token, position, state)[:, writable]
            for session, state in zip((full, coarse), states, strict=True)
        )
        differences.append(np.abs(exact - rounded).mean())
        spreads.append(np.abs(exact - exact.mean()).mean())
    assert np.mean(differences) < 0.2 * np.mean(spreads)


@EVERY_KIND
def test_the_output_layer_of_all_columns_is_the_step_s_own(kind: str, int8: Exported, tmp_path: Path) -> None:
    """With its bias, also where that is minus infinity."""
    model = build_foreign_model(kind)
    folder = tmp_path / "split"
    shutil.copytree(int8(kind), folder)
    layer = split_output(folder / STEP, folder / FEATURES_STEP, folder / OUTPUT_STEP)
    assert layer
    assert (layer.biases is not None) == model.config.output_bias
    if layer.biases is not None:
        np.testing.assert_array_equal(layer.biases, model.state_dict()["output_bias"].numpy())
    session = session_of(model, folder)
    state = session.encode(SOURCES, 2)
    start = np.full(len(SOURCES), model.output_ids.start[-1])
    outputs = session.step(start, np.full(len(SOURCES), model.output_ids.first_position), state)
    expected = outputs["log_probs"].astype(np.float64)
    columns = np.random.default_rng(1).permutation(model.config.target_vocabulary)
    biases = np.zeros(len(columns), np.float32) if layer.biases is None else layer.biases
    [listed] = ort.InferenceSession(folder / OUTPUT_STEP, providers=["CPUExecutionProvider"]).run(
        None,
        {
            FEATURES: outputs[FEATURES],
            "weights": np.ascontiguousarray(layer.weights[columns].T),
            "scales": layer.scales[columns],
            "indices": np.tile(np.arange(len(columns)), (len(SOURCES), 1)),
            "bias": np.tile(biases[columns], (len(SOURCES), 1)),
        },
    )
    np.testing.assert_allclose(listed, expected[:, columns], atol=1e-5)
    assert FEATURES in {output.name for output in onnx.load(folder / FEATURES_STEP).graph.output}


@pytest.mark.parametrize("kind", ["marian", "opennmt"])
def test_a_shortlist_has_a_row_for_each_source_id_and_source_ids_only_of_a_shared_vocabulary(
    kind: str, int8: Exported, tmp_path: Path
) -> None:
    model = build_foreign_model(kind)
    layer = split_output(int8(kind) / STEP, tmp_path / FEATURES_STEP, tmp_path / OUTPUT_STEP)
    assert layer
    sizes = model.config.source_vocabulary, model.config.target_vocabulary
    separate = sizes[0] if sizes[0] != sizes[1] else None
    sources, targets = [[10, 12], [10], [sizes[0] - 1]], [[20, 30], [20], [40]]
    shortlist = build_shortlist(sources, targets, layer, model.output_ids.eos, separate)
    assert len(shortlist.candidates) == sizes[0]
    assert len(shortlist.weights) == sizes[1]
    candidates = [set(row[row >= 0].tolist()) for row in shortlist.candidates]
    assert candidates[12] == ({12} if separate is None else set()) | {20, 30}
    assert candidates[13] == ({13} if separate is None else set())
    assert 40 in candidates[sizes[0] - 1]
    assert model.output_ids.eos in shortlist.frequent


def test_constants_that_one_file_cannot_hold_lie_beside_the_graph_until_int8_has_room(
    fp32: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_foreign_model("marian")
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    monkeypatch.setattr(quantize_module, "MIN_TABLE_ROWS", 50)
    shutil.copytree(fp32("marian"), whole)
    quantize_graphs(model, whole)
    parted.mkdir()
    monkeypatch.setattr(graph_files, "MAX_CONSTANT_BYTES", 100_000)
    save_anew(fp32("marian"), parted)
    for name in (ENCODER, STEP):
        assert (parted / name).stat().st_size < 50_000 < (parted / f"{name}.data").stat().st_size
    assert session_of(model, parted).decode(SOURCES) == session_of(model, fp32("marian")).decode(SOURCES)
    quantize_graphs(model, parted)
    assert sorted(path.name for path in parted.iterdir()) == [ENCODER, STEP]
    for name in (ENCODER, STEP):
        expected, actual = (constants_of(folder / name) for folder in (whole, parted))
        assert actual.keys() == expected.keys()
        for constant, value in expected.items():
            np.testing.assert_array_equal(actual[constant], value, err_msg=constant)


def save_anew(folder: Path, to: Path) -> None:
    for name in (ENCODER, STEP):
        graph_files.save_graph(onnx.load(folder / name), to / name)


def constants_of(path: Path) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


def test_int8_that_is_still_too_large_for_one_file_lies_beside_its_graph_too(
    fp32: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_foreign_model("firefox")
    save_anew(fp32("firefox"), tmp_path)
    monkeypatch.setattr(graph_files, "MAX_CONSTANT_BYTES", 1000)
    quantize_graphs(model, tmp_path)
    assert (tmp_path / f"{STEP}.data").exists()
    assert session_of(model, tmp_path).decode(SOURCES[:1])


def test_a_graph_that_one_file_can_hold_leaves_nothing_of_a_larger_one(
    fp32: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(graph_files, "MAX_CONSTANT_BYTES", 0)
        save_anew(fp32("marian"), tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    save_anew(fp32("marian"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [ENCODER, STEP]

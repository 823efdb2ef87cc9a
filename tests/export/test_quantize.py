"""What int8 makes of a graph's constants."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from export import quantize
from server.bundle.manifest import STEP
from tests.conftest import SmallModels

ROWS, WIDTH = 40, 8
IDS = np.array([[0, 7, 39], [7, 7, 1]])


@pytest.fixture
def table() -> np.ndarray:
    """Rows of very different magnitudes, as the rows of frequent and of rare tokens are."""
    generator = np.random.default_rng(5)
    rows = generator.normal(size=(ROWS, WIDTH)) * np.logspace(-3, 2, ROWS)[:, None]
    return rows.astype(np.float32)


@pytest.fixture
def graph(table: np.ndarray, tmp_path: Path) -> Path:
    """Looks ids up in the table."""
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])
    embedded = helper.make_tensor_value_info("embedded", TensorProto.FLOAT, ["batch", "length", WIDTH])
    gather = helper.make_node("Gather", ["table", "ids"], ["embedded"], axis=0)
    content = helper.make_graph([gather], "lookup", [ids], [embedded], [numpy_helper.from_array(table, "table")])
    path = tmp_path / "lookup.onnx"
    onnx.save(helper.make_model(content, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def look_up(graph: Path) -> np.ndarray:
    [embedded] = ort.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, {"ids": IDS})
    return np.asarray(embedded)


def constants(graph: Path) -> dict[str, tuple[int, list[int]]]:
    return {tensor.name: (tensor.data_type, list(tensor.dims)) for tensor in onnx.load(graph).graph.initializer}


def test_a_large_table_is_gathered_in_8_bits_to_half_a_level_of_each_row(
    graph: Path, table: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "MIN_TABLE_ROWS", ROWS)
    quantize.quantize(graph, {}, {})
    assert sorted(constants(graph).values()) == [(TensorProto.FLOAT, [ROWS, 1]), (TensorProto.UINT8, [ROWS, WIDTH])]
    half_a_level = np.abs(table).max(axis=1) / quantize.WEIGHT_LEVELS / 2
    error = np.abs(look_up(graph) - table[IDS]).max(axis=-1)
    assert (error <= half_a_level[IDS] * 1.001).all()
    assert error.max() > 0, "something was rounded"


def test_a_small_table_stays_as_it_is(graph: Path, table: np.ndarray) -> None:
    quantize.quantize(graph, {}, {})
    assert constants(graph) == {"table": (TensorProto.FLOAT, [ROWS, WIDTH])}
    assert (look_up(graph) == table[IDS]).all()


def test_keys_and_values_that_grow_are_quantised_from_a_width_of_all_heads_on(small_model: SmallModels) -> None:
    step = onnx.load(small_model("transformer").fp32 / STEP).graph
    memory, growing = (
        {f"{kind}_{part}_{layer}" for layer in (0, 1) for part in ("keys", "values")} for kind in ("cross", "self")
    )
    assert set(quantize.find_caches(step, 32)) == memory | growing
    assert set(quantize.find_caches(step, 33)) == memory


def test_keys_and_values_leave_the_encoder_as_integers_to_half_a_level(tmp_path: Path) -> None:
    memory = helper.make_tensor_value_info("memory", TensorProto.FLOAT, ["batch", "source", 3])
    keys = helper.make_tensor_value_info("keys", TensorProto.FLOAT, ["batch", "source", 3])
    graph = helper.make_graph([helper.make_node("Neg", ["memory"], ["keys"])], "encoder", [memory], [keys])
    path = tmp_path / "encoder.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    quantize.quantize(path, {}, {"keys": 0.5})
    values = np.random.default_rng(5).normal(0.0, 9.0, (2, 7, 3)).astype(np.float32)
    values[0, 0, 0] = 1000.0
    [integers] = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"memory": values})
    assert integers.dtype == np.int8
    assert np.abs(integers * 0.5 + values).reshape(-1)[1:].max() <= 0.25
    assert integers[0, 0, 0] == -128, "what lies beyond the range is cut off"

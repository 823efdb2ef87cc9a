"""The compiled attention operator computes what ONNX Runtime's own does."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from server.decoding.graphs import attention_operator
from server.decoding.graphs.attention_operator import LIBRARY, use_attention_operator
from server.decoding.graphs.backend import Backend, BackendOptions
from tests.conftest import SmallModels

compiled = pytest.mark.skipif(not LIBRARY.exists(), reason="without a C++ compiler there is no operator of our own")

Array = npt.NDArray[np.generic]

ROWS, HEADS, POSITIONS, SCALE = 5, 3, 40, 0.25
KEY_SCALE, VALUE_SCALE = 0.02, 0.03


def attention_graph(path: Path, size: int, is_packed: bool, is_int8: bool, **others: Any) -> Path:
    """A graph of one operator, as step graphs have it; `others`: attributes that they do not have."""
    width, stored = HEADS * size, TensorProto.INT8 if is_int8 else TensorProto.FLOAT
    buffer: list[str | int | None] = ["rows", HEADS, POSITIONS, size]
    new = "" if is_packed else "nothing"
    inputs = ["query", new, new, "keys", "values", "last", "total"]
    attributes: dict[str, Any] = {"num_heads": HEADS, "kv_num_heads": HEADS, "scale": SCALE}
    constants = [helper.make_tensor("total", TensorProto.INT32, [], [2])]
    constants.append(helper.make_tensor("nothing", TensorProto.FLOAT, [ROWS, 0, width], []))
    if is_int8:
        inputs += [""] * 5 + ["key_scale", "value_scale"]
        attributes |= {"kv_cache_bit_width": 8, "k_quant_type": "PER_TENSOR", "v_quant_type": "PER_TENSOR"}
        constants.append(helper.make_tensor("key_scale", TensorProto.FLOAT, [1], [KEY_SCALE]))
        constants.append(helper.make_tensor("value_scale", TensorProto.FLOAT, [1], [VALUE_SCALE]))
    node = helper.make_node(
        "GroupQueryAttention",
        inputs,
        ["context", "next_keys", "next_values"],
        domain="com.microsoft",
        **attributes,
        **others,
    )
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "attention",
        [
            tensor("query", TensorProto.FLOAT, ["rows", 1, width * (3 if is_packed else 1)]),
            tensor("keys", stored, buffer),
            tensor("values", stored, buffer),
            tensor("last", TensorProto.INT32, ["rows"]),
        ],
        [
            tensor("context", TensorProto.FLOAT, ["rows", 1, width]),
            tensor("next_keys", stored, buffer),
            tensor("next_values", stored, buffer),
        ],
        constants,
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def open_session(path: Path, is_ours: bool) -> ort.InferenceSession:
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    if is_ours:
        assert use_attention_operator(settings, path)
    return ort.InferenceSession(path, settings, providers=["CPUExecutionProvider"])


def random_inputs(size: int, is_packed: bool, is_int8: bool, rows: int = ROWS) -> dict[str, Array]:
    generator = np.random.default_rng(size)
    buffers = generator.normal(size=(2, rows, HEADS, POSITIONS, size))
    stored = [
        np.clip(np.rint(buffer / scale), -128, 127).astype(np.int8) if is_int8 else buffer.astype(np.float32)
        for buffer, scale in zip(buffers, (KEY_SCALE, VALUE_SCALE), strict=True)
    ]
    width = HEADS * size * (3 if is_packed else 1)
    return {
        "query": generator.normal(size=(rows, 1, width)).astype(np.float32),
        "keys": stored[0],
        "values": stored[1],
        "last": np.array([0, 1, 17, 38, 39][:rows], np.int32),
    }


@compiled
@pytest.mark.parametrize("size", [8, 24, 32, 48, 64, 256])
@pytest.mark.parametrize("is_packed", [True, False], ids=["a cache that grows", "a memory"])
@pytest.mark.parametrize("is_int8", [False, True], ids=["float", "int8"])
def test_our_operator_computes_what_onnx_runtime_s_computes(
    tmp_path: Path, size: int, is_packed: bool, is_int8: bool
) -> None:
    path = attention_graph(tmp_path / "attention.onnx", size, is_packed, is_int8)
    inputs = random_inputs(size, is_packed, is_int8)
    theirs, ours = (open_session(path, is_ours).run(None, inputs) for is_ours in (False, True))
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5, atol=1e-5)
    for own, other in zip(ours[1:], theirs[1:], strict=True):
        for row, last in enumerate(inputs["last"]):  # ONNX Runtime's clears what is behind, where it copies
            np.testing.assert_array_equal(own[row, :, : last + 1], other[row, :, : last + 1])


@compiled
@pytest.mark.parametrize("is_int8", [False, True], ids=["float", "int8"])
def test_a_row_s_context_is_the_same_whatever_its_neighbours_are(tmp_path: Path, is_int8: bool) -> None:
    path = attention_graph(tmp_path / "attention.onnx", 64, is_packed=True, is_int8=is_int8)
    session, inputs = open_session(path, is_ours=True), random_inputs(64, True, is_int8)
    together = session.run(["context"], inputs)[0]
    for row in range(ROWS):
        [alone] = session.run(["context"], {name: array[row : row + 1] for name, array in inputs.items()})
        np.testing.assert_array_equal(alone[0], together[row])


@compiled
@pytest.mark.parametrize("size", [32, 24])
def test_a_number_that_is_none_is_not_hidden(tmp_path: Path, size: int) -> None:
    path = attention_graph(tmp_path / "attention.onnx", size, is_packed=False, is_int8=False)
    inputs = random_inputs(size, False, False)
    inputs["keys"][2, 1, 3, 4] = np.nan
    context = open_session(path, is_ours=True).run(["context"], inputs)[0].reshape(ROWS, HEADS, size)
    assert not np.isfinite(context[2, 1]).any()
    assert np.isfinite(context[[0, 1, 3, 4]]).all()


@compiled
@pytest.mark.parametrize("last", [-1, POSITIONS])
def test_a_position_outside_the_buffers_is_an_error(tmp_path: Path, last: int) -> None:
    path = attention_graph(tmp_path / "attention.onnx", 32, is_packed=True, is_int8=False)
    inputs = random_inputs(32, True, False)
    inputs["last"][3] = last
    with pytest.raises(Exception, match="a position is outside the buffers"):
        open_session(path, is_ours=True).run(None, inputs)


@compiled
@pytest.mark.parametrize(
    "attribute", [{"do_rotary": 1}, {"softcap": 30.0}, {"local_window_size": 4}, {"smooth_softmax": 1}]
)
def test_what_the_operator_does_not_compute_is_refused(tmp_path: Path, attribute: dict[str, Any]) -> None:
    path = attention_graph(tmp_path / "attention.onnx", 32, True, False, **attribute)
    with pytest.raises(Exception, match=r"attention: n.*expected"):
        open_session(path, is_ours=True)


@compiled
def test_new_keys_that_are_not_packed_are_refused(tmp_path: Path) -> None:
    path = attention_graph(tmp_path / "attention.onnx", 32, False, False)
    graph = onnx.load(path)
    [nothing] = [constant for constant in graph.graph.initializer if constant.name == "nothing"]
    nothing.CopyFrom(helper.make_tensor("nothing", TensorProto.FLOAT, [ROWS, 1, HEADS * 32], [0.0] * ROWS * HEADS * 32))
    onnx.save(graph, path)
    with pytest.raises(Exception, match="new keys packed with the query, or none, expected"):
        open_session(path, is_ours=True).run(None, random_inputs(32, False, False))


def test_where_there_is_a_compiler_there_is_the_operator() -> None:
    """Else nothing here would be tested."""
    if shutil.which(os.environ.get("CXX", "c++")):
        assert LIBRARY.exists(), "make test compiles it, and so does: sh server/decoding/native/build.sh"


@compiled
def test_several_threads_compute_what_one_computes(tmp_path: Path) -> None:
    path = attention_graph(tmp_path / "attention.onnx", 32, is_packed=True, is_int8=False)
    inputs, contexts = random_inputs(32, True, False), []
    for num_threads in (1, 3):
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = num_threads
        assert use_attention_operator(settings, path)
        session = ort.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        contexts.append(session.run(["context"], inputs)[0])
    np.testing.assert_array_equal(*contexts)


@pytest.mark.parametrize("library", [pytest.param("missing.so", marks=pytest.mark.nightly), "damaged.so"])
def test_models_are_served_without_the_operator(
    small_model: SmallModels, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: str
) -> None:
    """Where there was no compiler, or where what it made cannot be loaded."""
    bundle = small_model("transformer").bundle

    def log_probs() -> npt.NDArray[np.float32]:
        backend = Backend(bundle, BackendOptions(max_rows=2, num_threads=1))
        source = [5, 9, 20, bundle.manifest.special_ids.eos]
        backend.state.write(0, backend.encode([source]), 0, len(source))
        backend.previous_ids[0] = bundle.manifest.special_ids.start
        return backend.step(1).log_probs.copy()

    expected = log_probs()
    (tmp_path / "damaged.so").write_bytes(b"no library")
    monkeypatch.setattr(attention_operator, "LIBRARY", tmp_path / library)
    attention_operator._is_usable.cache_clear()
    try:
        np.testing.assert_allclose(log_probs(), expected, atol=1e-2)
    finally:
        attention_operator._is_usable.cache_clear()

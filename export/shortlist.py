"""The vocabulary shortlist: from a corpus what is likely, and from the int8 step graph what scores it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from export.lexicon import train_lexicon
from export.quantize import copy_node, drop_unused, rename
from models.seq2seq import OUR_IDS
from server.bundle.manifest import FEATURES
from server.bundle.shortlist import Shortlist

NUM_FREQUENT = 200
"""The most frequent tokens of the corpus' target side, which are on every list."""

NUM_CANDIDATES = 30
"""Likely translations that each source token puts on the list."""

_WEIGHTS, _SCALES, _BIAS = 1, 3, 6
"""Inputs of MatMulIntegerToFloat."""


class OutputLayer(NamedTuple):
    """The last product of an int8 step graph, by target token."""

    weights: npt.NDArray[np.int8]
    """[vocabulary, features]"""
    scales: npt.NDArray[np.float32]
    """[vocabulary]: what 1 stands for in each token's weights."""
    biases: npt.NDArray[np.float32] | None
    """[vocabulary]; None for a layer that has none."""


def split_output(step: Path, features_step: Path, output_step: Path) -> OutputLayer | None:
    """Cut an int8 step graph before its last product, so that the product can be made for a part of the vocabulary.

    step: gets one output more, `features`, uint8 [rows, features]. features_step is written: as step, without
    `log_probs`. output_step is written: features, weights int8 [features, columns], scales float32 [columns], indices
    int64 [rows, width], bias float32 [rows, width] -> log_probs [rows, width] of the columns that `indices` names,
    normalised over them. `bias` is the layer's own, of those columns; minus infinity takes one out.

    Returns None, with nothing written, for a graph that does not end in a product and its normalisation.
    """
    model = onnx.load(step)
    found = _last_product(model.graph)
    if found is None:
        return None
    product, normalisation = found
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    size = constants[product.input[_WEIGHTS]].dims[0]
    rename(model.graph, product.input[0], FEATURES)
    model.graph.output.append(helper.make_tensor_value_info(FEATURES, onnx.TensorProto.UINT8, ["rows", size]))
    onnx.save(model, step)

    body = ModelProto()
    body.CopyFrom(model)
    _remove(body.graph, [product, normalisation])
    onnx.save(body, features_step)
    onnx.save(_output_graph(model, product, constants, size), output_step)
    weights, scales = (numpy_helper.to_array(constants[product.input[index]]) for index in (_WEIGHTS, _SCALES))
    biases = _bias(product)
    return OutputLayer(
        np.ascontiguousarray(weights.T), scales, numpy_helper.to_array(constants[biases]) if biases else None
    )


def _last_product(graph: GraphProto) -> tuple[NodeProto, NodeProto] | None:
    by_output = {output: node for node in graph.node for output in node.output}
    normalisation = by_output["log_probs"]
    product = by_output.get(normalisation.input[0]) if normalisation.op_type == "LogSoftmax" else None
    return (product, normalisation) if product is not None and product.op_type == "MatMulIntegerToFloat" else None


def _bias(product: NodeProto) -> str:
    """Name of the constant that a product adds; empty where there is none."""
    return product.input[_BIAS] if len(product.input) > _BIAS else ""


def _remove(graph: GraphProto, nodes: Sequence[NodeProto]) -> None:
    gone = {output for node in nodes for output in node.output}
    nodes_left = [copy_node(node) for node in graph.node if not gone & set(node.output)]
    outputs = [output.name for output in graph.output]
    for name in gone & set(outputs):
        del graph.output[outputs.index(name)]
    del graph.node[:]
    graph.node.extend(nodes_left)
    drop_unused(graph)


def _output_graph(
    model: ModelProto, product: NodeProto, constants: dict[str, onnx.TensorProto], size: int
) -> ModelProto:
    scale, zero = product.input[2], product.input[4]
    nodes = [
        helper.make_node(
            "MatMulIntegerToFloat",
            [FEATURES, "weights", scale, "scales", zero],
            ["every_column"],
            domain="com.microsoft",
        ),
        helper.make_node("GatherElements", ["every_column", "indices"], ["listed"], axis=1),
        helper.make_node("Add", ["listed", "bias"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], ["log_probs"], axis=-1),
    ]
    types = onnx.TensorProto
    inputs = [
        helper.make_tensor_value_info(FEATURES, types.UINT8, ["rows", size]),
        helper.make_tensor_value_info("weights", types.INT8, [size, "columns"]),
        helper.make_tensor_value_info("scales", types.FLOAT, ["columns"]),
        helper.make_tensor_value_info("indices", types.INT64, ["rows", "width"]),
        helper.make_tensor_value_info("bias", types.FLOAT, ["rows", "width"]),
    ]
    outputs = [helper.make_tensor_value_info("log_probs", types.FLOAT, ["rows", "width"])]
    graph = helper.make_graph(nodes, "output", inputs, outputs, [constants[scale], constants[zero]])
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def build_shortlist(
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    layer: OutputLayer,
    eos: int = OUR_IDS.eos,
    source_vocabulary: int | None = None,
) -> Shortlist:
    """Make the shortlist of token ids of a corpus, without special ids. `source_vocabulary`: its size, where it is
    another one than the target's."""
    vocabulary_size = len(layer.scales)
    counts = np.bincount(np.concatenate([np.array(target, np.int64) for target in targets]), minlength=vocabulary_size)
    frequent = np.argsort(-counts, kind="stable")[:NUM_FREQUENT]
    lexicon = train_lexicon(sources, targets, vocabulary_size)
    candidates = np.full((source_vocabulary or vocabulary_size, NUM_CANDIDATES + 1), -1)
    for source_id in range(len(candidates)):
        # A name, say, is often written as it is.
        same = [source_id] if source_vocabulary is None else []
        likely = np.array([*same, *lexicon.best(source_id, NUM_CANDIDATES)], np.int64)
        candidates[source_id, : len(likely)] = likely
    return Shortlist(np.unique(np.append(frequent, eos)), candidates, *layer)

"""The vocabulary shortlist: from a corpus what is likely, and from the int8 step graph what scores it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from export.lexicon import train_lexicon
from export.quantize import copy_node, drop_unused, rename
from models.seq2seq import EOS
from server.bundle.manifest import FEATURES
from server.bundle.shortlist import Shortlist

NUM_FREQUENT = 200
"""The most frequent tokens of the corpus' target side, which are on every list."""

NUM_CANDIDATES = 30
"""Likely translations that each source token puts on the list."""


def split_output(step: Path, features_step: Path, output_step: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Cut an int8 step graph before its last product, so that the product can be made for a part of the vocabulary.

    step: gets one output more, `features`, uint8 [rows, features]. features_step is written: as step, without
    `log_probs`. output_step is written: features, weights int8 [features, columns], scales float32 [columns], indices
    int64 [rows, width], bias float32 [rows, width] -> log_probs [rows, width] of the columns that `indices` names,
    normalised over them; a bias of minus infinity takes one out.

    Returns weights int8 [vocabulary, features] and scales float32 [vocabulary]; None, with nothing written, for a graph
    that does not end in a product without bias and its normalisation.
    """
    model = onnx.load(step)
    found = _last_product(model.graph)
    if found is None:
        return None
    product, normalisation = found
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    size = constants[product.input[1]].dims[0]
    rename(model.graph, product.input[0], FEATURES)
    model.graph.output.append(helper.make_tensor_value_info(FEATURES, onnx.TensorProto.UINT8, ["rows", size]))
    onnx.save(model, step)

    body = ModelProto()
    body.CopyFrom(model)
    _remove(body.graph, [product, normalisation])
    onnx.save(body, features_step)
    onnx.save(_output_graph(model, product, constants, size), output_step)
    weights = numpy_helper.to_array(constants[product.input[1]])
    return np.ascontiguousarray(weights.T), numpy_helper.to_array(constants[product.input[3]])


def _last_product(graph: GraphProto) -> tuple[NodeProto, NodeProto] | None:
    by_output = {output: node for node in graph.node for output in node.output}
    normalisation = by_output["log_probs"]
    product = by_output.get(normalisation.input[0]) if normalisation.op_type == "LogSoftmax" else None
    if product is None or product.op_type != "MatMulIntegerToFloat" or (len(product.input) > 6 and product.input[6]):
        return None
    return product, normalisation


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
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], weights: np.ndarray, scales: np.ndarray
) -> Shortlist:
    """Make the shortlist of token ids of a corpus, without special ids, and of the weights that `split_output`
    returned."""
    vocabulary_size = len(scales)
    counts = np.bincount(np.concatenate([np.array(target, np.int64) for target in targets]), minlength=vocabulary_size)
    frequent = np.argsort(-counts, kind="stable")[:NUM_FREQUENT]
    lexicon = train_lexicon(sources, targets, vocabulary_size)
    candidates = np.full((vocabulary_size, NUM_CANDIDATES + 1), -1)
    for source_id in range(vocabulary_size):
        # A name, say, is often written as it is.
        likely = np.array([source_id, *lexicon.best(source_id, NUM_CANDIDATES)])
        candidates[source_id, : len(likely)] = likely
    return Shortlist(np.unique(np.append(frequent, EOS)), candidates, weights, scales)

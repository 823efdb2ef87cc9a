"""int8: weights by column, activations by one fixed scale a tensor, found by calibration.

A fixed scale, unlike a dynamic one over the whole batch, makes a row's result independent of its neighbours, and the
integer sums are exact in any order: batch invariance costs nothing here. Weights take 7 of the 8 bits, because the
8-bit products of processors without VNNI add pairs in 16 bits and would saturate; so all processors agree.

Products with constant weights become QuantizeLinear + com.microsoft.MatMulIntegerToFloat, embedding tables are
gathered in int8, and so are the keys and values that attention reads, with one fixed scale for each of their tensors.
LSTM operators, and what attention computes from keys and values, stay in fp32.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from export.graph_files import constant, read_structure, save_graph

WEIGHT_LEVELS = 63
"""Largest magnitude of a quantised weight: 255 * 63 * 2 still fits into 16 bits."""

MIN_TABLE_ROWS = 1000
"""Gathered tables of fewer rows (positions, say) are not worth quantising."""

MIN_GROWING_WIDTH = 256
"""Least width, of all heads at one position, of a growing cache that is quantised (docs/adr/0003)."""

CACHE_LEVELS = 127
"""Largest magnitude of a quantised key or value."""

Range = tuple[float, float]
_NEW_KEY, _PAST, _SCALES = 1, slice(3, 5), 12
"""Inputs of GroupQueryAttention: the new keys, none where a cache grows by what is packed with the query; keys and
values so far; and from where on the scales of both."""

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Product:
    """A product of an activation with a constant weight matrix, and the bias that is added to it."""

    nodes: tuple[NodeProto, ...]
    """The product, and the addition where it is a node of its own."""
    activation: str
    weight: str
    """Name of the constant, [inputs, outputs]."""
    is_transposed: bool
    """Whether the constant is [outputs, inputs] instead."""
    bias: str | None
    output: str


def find_products(graph: GraphProto) -> list[Product]:
    """Every MatMul and Gemm by a constant matrix."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    consumers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    products = []
    for node in graph.node:
        if node.op_type not in ("MatMul", "Gemm") or node.input[1] not in constants:
            continue
        dimensions = constants[node.input[1]].dims
        if len(dimensions) != 2:
            continue
        nodes: tuple[NodeProto, ...] = (node,)
        is_transposed, bias, output = False, None, node.output[0]
        if node.op_type == "Gemm":
            attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
            if attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0 or attributes.get("transA"):
                continue
            is_transposed = bool(attributes.get("transB"))
            bias = node.input[2] if len(node.input) > 2 else None
        elif len(consumers.get(output, [])) == 1 and consumers[output][0].op_type == "Add":
            add = consumers[output][0]
            other = next((name for name in add.input if name != output), output)
            if other in constants and list(constants[other].dims) == [dimensions[1]]:
                nodes, bias, output = (node, add), other, add.output[0]
        products.append(Product(nodes, node.input[0], node.input[1], is_transposed, bias, output))
    return products


def observable(model: ModelProto) -> ModelProto:
    """A copy of the graph that also outputs the activations to calibrate, named as in `find_products`."""
    copy = ModelProto()
    copy.CopyFrom(model)
    outputs = {output.name for output in copy.graph.output}
    for name in sorted({product.activation for product in find_products(copy.graph)} - outputs):
        copy.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return copy


def find_caches(graph: GraphProto, min_growing_width: int) -> list[str]:
    """Keys and values of a step's attention, [rows, heads, positions, head_size], that are to be int8: those of the
    encoder memory, and growing ones if all heads together are at least MIN_GROWING_WIDTH wide."""
    shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.input}
    attentions = [node for node in graph.node if node.op_type == "GroupQueryAttention"]
    return [
        name
        for node in attentions
        for name in node.input[_PAST]
        if node.input[_NEW_KEY] or shapes[name][1].dim_value * shapes[name][3].dim_value >= min_growing_width
    ]


def quantize(path: Path, ranges: dict[str, Range], cache_scales: dict[str, float]) -> None:
    """Rewrite an fp32 graph in int8. `ranges`: least and greatest value of each activation; `cache_scales`: of each
    state tensor that is to be int8, what 1 stands for there."""
    model = read_structure(path)
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    products = find_products(graph)
    replaced: dict[str, list[NodeProto]] = {}  # by the first output of the node that is replaced
    quantized: set[str] = set()
    for product in products:
        replacement = []
        if product.activation not in quantized:
            quantized.add(product.activation)
            replacement.append(_quantize_activation(graph, product.activation, ranges[product.activation]))
        weight = constant(constants[product.weight], path.parent)
        replacement.append(_integer_product(graph, product, weight.T if product.is_transposed else weight))
        for node in product.nodes:
            replaced[node.output[0]] = []
        replaced[product.nodes[0].output[0]] = replacement
    for node in graph.node:
        if node.op_type == "Gather":
            rewritten = _quantize_table(graph, node, path.parent)
            if rewritten:
                replaced[node.output[0]] = rewritten
    nodes = [copy_node(new) for node in graph.node for new in replaced.get(node.output[0], [node])]
    del graph.node[:]
    graph.node.extend(nodes)
    _quantize_caches(graph, cache_scales)
    drop_unused(graph)
    if not any(opset.domain == "com.microsoft" for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    del graph.value_info[:]
    save_graph(model, path)


def _quantize_activation(graph: GraphProto, name: str, bounds: Range) -> NodeProto:
    low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
    scale = max(high - low, 1e-8) / 255
    _constant(graph, f"{name}.scale", np.array(scale, np.float32))
    _constant(graph, f"{name}.zero", np.array(round(-low / scale), np.uint8))
    return helper.make_node(
        "QuantizeLinear", [name, f"{name}.scale", f"{name}.zero"], [f"{name}.quantized"], name=f"{name}.quantize"
    )


def _integer_product(graph: GraphProto, product: Product, weight: Float32) -> NodeProto:
    """weight: [inputs, outputs]."""
    name = product.weight
    integers, scales = quantize_columns(weight)
    _constant(graph, f"{name}.int8", integers)
    _constant(graph, f"{name}.scales", scales)
    activation = product.activation
    return helper.make_node(
        "MatMulIntegerToFloat",
        [
            f"{activation}.quantized",
            f"{name}.int8",
            f"{activation}.scale",
            f"{name}.scales",
            f"{activation}.zero",
            "",  # weights are symmetric: no zero point
            product.bias or "",
        ],
        [product.output],
        name=f"{product.output}.product",
        domain="com.microsoft",
    )


def _quantize_table(graph: GraphProto, node: NodeProto, folder: Path) -> list[NodeProto]:
    """Gather(table, ids), table [rows, ..., width] -> GatherBlockQuantized, with one scale for each vector of that
    width; nothing where it is not worth it."""
    table = next((tensor for tensor in graph.initializer if tensor.name == node.input[0]), None)
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    if table is None or len(table.dims) < 2 or table.dims[0] < MIN_TABLE_ROWS or axis != 0:
        return []
    name, width = table.name, table.dims[-1]
    integers, scales = quantize_columns(constant(table, folder).reshape(-1, width).T)
    _constant(graph, f"{name}.uint8", (integers.T + np.int16(128)).astype(np.uint8).reshape(table.dims))
    _constant(graph, f"{name}.row_scales", scales.reshape(*table.dims[:-1], 1))
    block_size = max(16, 1 << (width - 1).bit_length())  # a power of two that the width fits into
    return [
        helper.make_node(
            "GatherBlockQuantized",
            [f"{name}.uint8", node.input[1], f"{name}.row_scales"],
            [node.output[0]],
            domain="com.microsoft",
            bits=8,
            block_size=block_size,
            gather_axis=0,
            quantize_axis=len(table.dims) - 1,
        )
    ]


def _quantize_caches(graph: GraphProto, scales: dict[str, float]) -> None:
    """Quantise caches where they come from, the encoder's outputs, and where they are read, in the step's attention."""
    for name, scale in scales.items():
        _constant(graph, f"{name}.scale", np.array([scale], np.float32))
    for node in graph.node:
        if node.op_type == "GroupQueryAttention" and node.input[_PAST][0] in scales:
            past = node.input[_PAST]
            node.input.extend([""] * (_SCALES - len(node.input)) + [f"{name}.scale" for name in past])
            attributes = {"kv_cache_bit_width": 8, "k_quant_type": "PER_TENSOR", "v_quant_type": "PER_TENSOR"}
            node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    for value in (*graph.input, *graph.output):
        if value.name.removeprefix("next_") in scales:
            value.type.tensor_type.elem_type = onnx.TensorProto.INT8
    for name in [output.name for output in graph.output if output.name in scales]:
        rename(graph, name, f"{name}.float")
        _constant(graph, f"{name}.zero", np.array([0], np.int8))
        inputs = [f"{name}.float", f"{name}.scale", f"{name}.zero"]
        graph.node.append(helper.make_node("QuantizeLinear", inputs, [name]))


def rename(graph: GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new


def quantize_columns(weight: Float32) -> tuple[npt.NDArray[np.int8], Float32]:
    """Quantise symmetrically, with one scale a column: float32 [inputs, outputs] -> int8 of that shape, float32
    [outputs]."""
    scales = np.maximum(np.abs(weight).max(axis=0), 1e-8) / WEIGHT_LEVELS
    return np.ascontiguousarray(np.rint(weight / scales), np.int8), scales.astype(np.float32)


def copy_node(node: NodeProto) -> NodeProto:
    """A copy, which outlives the list that holds the node."""
    copy = NodeProto()
    copy.CopyFrom(node)
    return copy


def _constant(graph: GraphProto, name: str, value: npt.NDArray[np.generic]) -> None:
    if all(tensor.name != name for tensor in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(value, name))


def drop_unused(graph: GraphProto) -> None:
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)

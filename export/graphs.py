"""Two ONNX graphs from any model: the encoder, and one decoder step.

The graphs are traced from the model's own `encode` and `step`, along its declared state, which is checked before;
nothing here knows an architecture.
"""

import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import onnxscript.optimizer
import torch
from torch import Tensor, nn
from torch.export import Dim

from export.declaration import EXAMPLE_TARGET, NEXT, check_declaration, example_source, example_step
from export.errors import ExportError
from export.graph_files import save_graph
from models.seq2seq import ALIGNMENT_QUERY, Seq2SeqModel

OPSET = 24
"""The first ONNX operator set whose `Attention` knows the real length of each source."""

MIN_POSITIONS = 2
"""Least positions of the buffers that a step is given, along source and target; what is in them may be shorter."""

TRACING_RULES = "docs/adding-a-model.md says what can be traced: tensors only, no branches on values"

_ANY_SIZE = 2**31

_OUTSIDE = (str(Path(torch.__file__).parent), str(Path(onnxscript.__file__).parent), __file__)
"""Where the lines of a traceback lie that are not the model's."""


class EncoderGraph(nn.Module):
    """`encode`, with the state as a tuple in the order of its declaration."""

    def __init__(self, model: Seq2SeqModel) -> None:
        super().__init__()
        self.model = model
        encodes_start = model.output_ids.encodes_start
        self.outputs = [tensor.name for tensor in model.state if encodes_start or tensor.kind != "append"]

    def forward(self, source_ids: Tensor, source_lengths: Tensor) -> tuple[Tensor, ...]:
        state = self.model.encode(source_ids, source_lengths)
        return tuple(state[name] for name in self.outputs)


class StepGraph(nn.Module):
    """`step`, with the state as a tuple in the order of its declaration, and log-probabilities in place of logits."""

    def __init__(self, model: Seq2SeqModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, previous_ids: Tensor, positions: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        named = {tensor.name: value for tensor, value in zip(self.model.state, state, strict=True)}
        logits, next_state = self.model.step(previous_ids, positions, named)
        written = [next_state[tensor.name] for tensor in self.model.state if tensor.name in next_state]
        query = [next_state[ALIGNMENT_QUERY]] if self.model.alignment else []
        return (logits.log_softmax(dim=-1), *query, *written)


@torch.no_grad()
def export_encoder(model: Seq2SeqModel, path: Path) -> None:
    """Write `encoder.onnx` in fp32. Raises ExportError for a model that does not keep its declaration, or cannot be
    traced."""
    check_declaration(model)
    graph = EncoderGraph(model)
    batch, source = Dim("batch"), Dim("source")
    _export(
        graph,
        example_source(),
        ["source_ids", "source_lengths"],
        graph.outputs,
        ({0: batch, 1: source}, {0: batch}),
        path,
    )


@torch.no_grad()
def export_step(model: Seq2SeqModel, path: Path) -> None:
    """Write `step.onnx` in fp32. Raises ExportError as `export_encoder` does."""
    check_declaration(model)
    state = model.start_state(*example_source(), EXAMPLE_TARGET)
    _, next_state = model.step(*example_step(), state)
    dimensions = {"source": Dim("source", min=MIN_POSITIONS), "target": Dim("target", min=MIN_POSITIONS)}
    rows = Dim("rows")
    dynamic_state = tuple(
        {0: rows} | {axis + 1: dimensions[dim] for axis, dim in enumerate(tensor.shape) if isinstance(dim, str)}
        for tensor in model.state
    )
    names = [tensor.name for tensor in model.state]
    _export(
        StepGraph(model),
        (*example_step(), tuple(state[name] for name in names)),
        ["previous_ids", "positions", *names],
        [
            "log_probs",
            *([ALIGNMENT_QUERY] if model.alignment else []),
            *(f"{NEXT}{name}" for name in names if name in next_state),
        ],
        ({0: rows}, {0: rows}, dynamic_state),
        path,
    )


def _export(
    graph: nn.Module,
    inputs: tuple[Tensor | tuple[Tensor, ...], ...],
    input_names: list[str],
    output_names: list[str],
    dynamic_shapes: tuple[Mapping[int, Dim] | tuple[Mapping[int, Dim], ...], ...],
    path: Path,
) -> None:
    with warnings.catch_warnings():
        # Of the exporter's own making: a dimension that several inputs share is named once; a deprecated pytree check.
        warnings.filterwarnings("ignore", "# The axis name: .* will not be used", UserWarning)
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        try:
            program = torch.onnx.export(
                graph.eval(),
                inputs,
                dynamo=True,
                input_names=input_names,
                output_names=output_names,
                dynamic_shapes=dynamic_shapes,
                opset_version=OPSET,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise ExportError(f"{path.name} cannot be traced: {_cause(error)}; {TRACING_RULES}") from error
    assert program is not None  # None only where a path is given
    # Weights that the model joins or reorders become constants here, once, however large.
    onnxscript.optimizer.optimize_ir(program.model, input_size_limit=_ANY_SIZE, output_size_limit=_ANY_SIZE)
    model = program.model_proto
    for opset in model.opset_import:
        if opset.domain == "" and opset.version != OPSET:
            raise RuntimeError(f"{path.name}: exported with opset {opset.version}, {OPSET} was asked for")
    del model.metadata_props[:]
    for node in model.graph.node:  # the exporter's notes name this machine's files
        del node.metadata_props[:]
        node.doc_string = ""
    _check_dimensions(model, input_names, dynamic_shapes, path.name)
    save_graph(model, path)


def _cause(error: BaseException) -> str:
    """What an exporter's error comes from, in one line, with the last line of code on the way that is not the
    exporter's own."""
    frames: list[traceback.FrameSummary] = []
    while True:
        frames += [
            frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_OUTSIDE)
        ]
        if error.__cause__ is None:
            break
        error = error.__cause__
    message = (str(error).splitlines() or [""])[0]
    where = f" (in {frames[-1].filename}, line {frames[-1].lineno}: `{frames[-1].line}`)" if frames else ""
    return f"{type(error).__name__}: {message}{where}"


def _check_dimensions(
    model: onnx.ModelProto,
    input_names: list[str],
    dynamic_shapes: tuple[Mapping[int, Dim] | tuple[Mapping[int, Dim], ...], ...],
    graph_name: str,
) -> None:
    """Raises ExportError where the trace has fixed a dimension to the example's size that has to be dynamic."""
    inputs = {value.name: value.type.tensor_type.shape.dim for value in model.graph.input}
    shapes = [shape for part in dynamic_shapes for shape in (part if isinstance(part, tuple) else (part,))]
    fixed = {
        f"{name}: {dimension.__name__} = {inputs[name][axis].dim_value}"
        for name, shape in zip(input_names, shapes, strict=True)
        for axis, dimension in shape.items()
        if name in inputs and not inputs[name][axis].dim_param
    }
    if fixed:
        raise ExportError(
            f"{graph_name} computes the size of the traced example alone ({', '.join(sorted(fixed))}): a Python loop "
            f"over positions, say, or a size that was made a number; {TRACING_RULES}"
        )

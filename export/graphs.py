"""Two ONNX graphs from any model: the encoder, and one decoder step.

The graphs are traced from the model's own `encode` and `step`, along its declared state; nothing here knows an
architecture.
"""

import warnings
from pathlib import Path

import onnx
import onnxscript.optimizer
import torch
from torch import Tensor, nn
from torch.export import Dim

from models.seq2seq import ALIGNMENT_QUERY, BOS, EOS, Seq2SeqModel

OPSET = 24
"""The first ONNX operator set whose `Attention` knows the real length of each source."""

MIN_POSITIONS = 2
"""Least positions of the buffers that a step is given, along source and target; what is in them may be shorter."""

TRACED_ROWS, TRACED_SOURCE, TRACED_TARGET = 2, 5, 7
"""Sizes of the example that is traced; all three are dynamic in the graphs."""

_ANY_SIZE = 2**31


class EncoderGraph(nn.Module):
    """`encode`, with the state as a tuple in the order of its declaration."""

    def __init__(self, model: Seq2SeqModel) -> None:
        super().__init__()
        self.model = model
        self.outputs = [tensor.name for tensor in model.state if tensor.kind != "append"]

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
    """Write `encoder.onnx` in fp32."""
    graph = EncoderGraph(model)
    source_ids = torch.full((TRACED_ROWS, TRACED_SOURCE), EOS)
    source_lengths = torch.tensor([TRACED_SOURCE, TRACED_SOURCE - 2])
    batch, source = Dim("batch"), Dim("source")
    _export(
        graph,
        (source_ids, source_lengths),
        ["source_ids", "source_lengths"],
        graph.outputs,
        ({0: batch, 1: source}, {0: batch}),
        path,
    )


@torch.no_grad()
def export_step(model: Seq2SeqModel, path: Path) -> None:
    """Write `step.onnx` in fp32."""
    source_ids = torch.full((TRACED_ROWS, TRACED_SOURCE), EOS)
    state = model.start_state(source_ids, torch.tensor([TRACED_SOURCE, TRACED_SOURCE - 2]), TRACED_TARGET)
    previous_ids, positions = torch.full((TRACED_ROWS,), BOS), torch.tensor([0, 1], dtype=torch.int32)
    _, next_state = model.step(previous_ids, positions, state)
    dimensions = {"source": Dim("source", min=MIN_POSITIONS), "target": Dim("target", min=MIN_POSITIONS)}
    rows = Dim("rows")
    dynamic_state = tuple(
        {0: rows} | {axis + 1: dimensions[dim] for axis, dim in enumerate(tensor.shape) if isinstance(dim, str)}
        for tensor in model.state
    )
    names = [tensor.name for tensor in model.state]
    _export(
        StepGraph(model),
        (previous_ids, positions, tuple(state[name] for name in names)),
        ["previous_ids", "positions", *names],
        [
            "log_probs",
            *([ALIGNMENT_QUERY] if model.alignment else []),
            *(f"next_{name}" for name in names if name in next_state),
        ],
        ({0: rows}, {0: rows}, dynamic_state),
        path,
    )


def _export(
    graph: nn.Module,
    inputs: tuple[Tensor | tuple[Tensor, ...], ...],
    input_names: list[str],
    output_names: list[str],
    dynamic_shapes: tuple[object, ...],
    path: Path,
) -> None:
    with warnings.catch_warnings():
        # Of the exporter's own making: a dimension that several inputs share is named once; a deprecated pytree check.
        warnings.filterwarnings("ignore", "# The axis name: .* will not be used", UserWarning)
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
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
    onnx.save(model, path)

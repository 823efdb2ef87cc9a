"""A model's declaration against what it does: its state, what `encode` and `step` give of it, and its alignment.

It is checked before anything is traced. What PyTorch's exporter, ONNX Runtime or the server would say later names
neither the tensor nor its declaration.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from export.errors import ExportError
from models.seq2seq import ALIGNMENT_QUERY, BOS, EOS, Seq2SeqModel, StateKind, StateTensor
from server.bundle.manifest import FEATURES

DTYPES: dict[torch.dtype, Literal["float32", "int32", "int64"]] = {
    torch.float32: "float32",
    torch.int32: "int32",
    torch.int64: "int64",
}
"""Types of state tensors: PyTorch's, and the manifest's name for each."""

EXAMPLE_ROWS, EXAMPLE_SOURCE, EXAMPLE_TARGET = 2, 5, 7
"""Sizes of the example that a model is checked with, and traced with; all three are dynamic in the graphs."""

NEXT = "next_"
"""What the step graph's outputs of the next state begin with."""

_RESERVED = {"source_ids", "source_lengths", "previous_ids", "positions", "log_probs", ALIGNMENT_QUERY, FEATURES}
"""Names of the graphs' other inputs and outputs."""

_SIZES = {"rows": EXAMPLE_ROWS, "source": EXAMPLE_SOURCE, "target": EXAMPLE_TARGET}


def example_source() -> tuple[Tensor, Tensor]:
    """Source ids, int64 [rows, source], and their lengths, int64 [rows], which differ."""
    return torch.full((EXAMPLE_ROWS, EXAMPLE_SOURCE), EOS), torch.tensor([EXAMPLE_SOURCE, EXAMPLE_SOURCE - 2])


def example_step() -> tuple[Tensor, Tensor]:
    """Previous ids, int64 [rows], and positions, int32 [rows], which differ."""
    return torch.full((EXAMPLE_ROWS,), BOS), torch.arange(EXAMPLE_ROWS, dtype=torch.int32)


@torch.no_grad()
def check_declaration(model: Seq2SeqModel) -> None:
    """Raises ExportError with everything that is wrong with the state's declaration; else, with what `encode` does not
    keep of it; else, with what `step` does not keep of it."""
    for find_problems in (_state_problems, _encode_problems, _step_problems):
        problems = find_problems(model)
        if problems:
            raise ExportError(f"{type(model).__name__} does not keep its declaration: " + "; ".join(problems))


def _state_problems(model: Seq2SeqModel) -> list[str]:
    state: Any = getattr(model, "state", None)
    if not isinstance(state, tuple) or not all(isinstance(tensor, StateTensor) for tensor in state):
        return [f"state: a tuple of StateTensor expected, got {state!r}"]
    problems = []
    for index, tensor in enumerate(state):
        if any(tensor.name == earlier.name for earlier in state[:index]):
            problems.append(f"state {tensor.name!r} is declared twice")
        if tensor.name in _RESERVED or tensor.name.startswith(NEXT) or not tensor.name:
            problems.append(
                f"state {tensor.name!r}: another name expected than {', '.join(sorted(_RESERVED))} or {NEXT}..."
            )
        problems += [f"state {tensor.name!r}: {problem}" for problem in _tensor_problems(tensor)]
    return problems + _alignment_problems(model, state)


def _tensor_problems(tensor: StateTensor) -> list[str]:
    """What is wrong with the declaration of one state tensor, its name apart."""
    problems = []
    if tensor.kind not in get_args(StateKind):
        problems.append(f"kind: one of {', '.join(get_args(StateKind))} expected, got {tensor.kind!r}")
    if tensor.dtype not in DTYPES:
        problems.append(f"dtype: one of {', '.join(DTYPES.values())} expected, got {_dtype(tensor.dtype)}")
    named = [dimension for dimension in tensor.shape if isinstance(dimension, str)]
    if any(isinstance(size, int) and size < 1 for size in tensor.shape) or not {"source", "target"}.issuperset(named):
        problems.append(f"shape: sizes of at least 1, `source` or `target` expected, got {tensor.shape}")
    elif tensor.kind == "append" and named != ["target"]:
        problems.append(f"shape: append grows along one dimension `target`, got {tensor.shape}")
    elif tensor.kind != "append" and named not in ([], ["source"]):
        problems.append(f"shape: {tensor.kind} has at most one named dimension, `source`, got {tensor.shape}")
    return problems


def _alignment_problems(model: Seq2SeqModel, state: tuple[StateTensor, ...]) -> list[str]:
    if model.alignment is None:
        return []
    problems = []
    keys = next((tensor for tensor in state if tensor.name == model.alignment.keys), None)
    expected = "a constant float32 state tensor of shape (heads, 'source', head_size) expected"
    if keys is None:
        problems.append(f"alignment: keys: {expected}, got {model.alignment.keys!r}, which is no declared state")
    elif (keys.kind, keys.dtype, len(keys.shape), *keys.shape[1:2]) != ("constant", torch.float32, 3, "source"):
        declared = f"{keys.kind} {_dtype(keys.dtype)} {keys.shape}"
        problems.append(f"alignment: keys: {expected}, got {keys.name!r}, which is declared as {declared}")
    if not math.isfinite(model.alignment.scale):
        problems.append(f"alignment: scale: a finite number expected, got {model.alignment.scale}")
    return problems


def _encode_problems(model: Seq2SeqModel) -> list[str]:
    encoded: Any = model.encode(*example_source())
    if not isinstance(encoded, Mapping):
        return [f"encode: a dict of tensors expected, got {type(encoded).__name__}"]
    problems = [f"encode returned {name!r}, which is not declared" for name in encoded.keys() - _names(model)]
    for tensor in model.state:
        if tensor.kind == "append" and not model.output_ids.encodes_start:
            if tensor.name in encoded:
                problems.append(
                    f"encode returned {tensor.name!r}, which is declared as append: it begins empty, and is left out"
                )
        elif tensor.name not in encoded:
            problems.append(f"encode returned no {tensor.name!r}, which is declared as {tensor.kind}")
        else:
            given = tensor._replace(shape=tuple(1 if size == "target" else size for size in tensor.shape))
            problems += _value_problems("encode", given, encoded[tensor.name])
    names = list(encoded)
    for index, name in enumerate(names):
        for other in names[:index]:
            if encoded[name] is encoded[other]:
                problems.append(f"encode returned one tensor as {other!r} and {name!r}: clone it for one of them")
    return problems


def _step_problems(model: Seq2SeqModel) -> list[str]:
    state = model.start_state(*example_source(), max_target=EXAMPLE_TARGET)
    try:
        stepped: Any = model.step(*example_step(), state)
    except KeyError as error:
        if not error.args or error.args[0] in _names(model):
            raise
        return [f"step reads {error.args[0]!r}, which is not declared"]
    if not isinstance(stepped, tuple) or len(stepped) != 2 or not isinstance(stepped[1], Mapping):
        return [f"step: logits and a dict of the next state expected, got {_describe(stepped)}"]
    logits, next_state = stepped
    problems = []
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != EXAMPLE_ROWS or not _is_float32(logits):
        problems.append(f"step: logits float32 [rows = {EXAMPLE_ROWS}, vocabulary] expected, got {_describe(logits)}")
    unknown = next_state.keys() - _names(model) - {ALIGNMENT_QUERY}
    problems += [f"step returned {name!r}, which is not declared" for name in sorted(unknown)]
    for tensor in model.state:
        if tensor.name in next_state:
            problems += _value_problems("step", tensor, next_state[tensor.name])
        elif tensor.kind == "append":
            problems.append(
                f"step returned no {tensor.name!r}, which is declared as append: a buffer that is written in place is "
                "returned under its own name"
            )
        elif tensor.kind == "replace":
            problems.append(f"step returned no {tensor.name!r}, which is declared as replace")
    return problems + _query_problems(model, next_state.get(ALIGNMENT_QUERY))


def _query_problems(model: Seq2SeqModel, query: Any) -> list[str]:
    if model.alignment is None:
        return [] if query is None else [f"step returned {ALIGNMENT_QUERY!r}, and no alignment is declared"]
    if query is None:
        return [f"step returned no {ALIGNMENT_QUERY!r}, and an alignment is declared"]
    heads, _, size = next(tensor.shape for tensor in model.state if tensor.name == model.alignment.keys)
    width = int(heads) * int(size)
    if not isinstance(query, Tensor) or query.shape != (EXAMPLE_ROWS, 1, width) or not _is_float32(query):
        expected = f"float32 [rows = {EXAMPLE_ROWS}, 1, heads * head_size = {width}] expected"
        return [f"step: {ALIGNMENT_QUERY}: {expected}, got {_describe(query)}"]
    return []


def _value_problems(method: str, tensor: StateTensor, value: Any) -> list[str]:
    """What of a value is not as its tensor is declared: nothing, or one problem."""
    dimensions = ("rows", *tensor.shape)
    shape = tuple(_SIZES[dimension] if isinstance(dimension, str) else dimension for dimension in dimensions)
    if isinstance(value, Tensor) and tuple(value.shape) == shape and value.dtype == tensor.dtype:
        return []
    declared = ", ".join(f"{dim} = {_SIZES[dim]}" if isinstance(dim, str) else str(dim) for dim in dimensions)
    return [
        f"{method} returned {tensor.name!r} as {_describe(value)}, declared is {_dtype(tensor.dtype)} [{declared}]",
    ]


def _names(model: Seq2SeqModel) -> set[str]:
    return {tensor.name for tensor in model.state}


def _is_float32(value: Tensor) -> bool:
    return value.dtype == torch.float32


def _describe(value: object) -> str:
    return f"{_dtype(value.dtype)} {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")

"""Texts and numbers as tensors of the Open Inference Protocol, typed and raw."""

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from server.errors import InvalidRequest, shown
from server.serving.protocols.pb import inference_pb2 as pb
from server.text.steps import Steps

BYTES, FP32, INT32 = "BYTES", "FP32", "INT32"

_MAX_DIMENSIONS = 8

_LENGTH = struct.Struct("<I")
"""Before the bytes of each element of a raw tensor."""

_BYTES_PER_CHARACTER = 4
"""The most that UTF-8 has."""


class TextLimits(NamedTuple):
    """What a tensor of texts may hold."""

    max_elements: int
    max_characters: int
    """Of one text."""


class Texts(NamedTuple):
    shape: list[int]
    texts: list[str]
    """In row-major order."""


def input_name(name: str, index: int | None = None) -> str:
    """An input, or one of its elements, as errors name it."""
    return f'inputs["{name[:_MOST_NAMED]}"]' + ("" if index is None else f"[{index}]")


_MOST_NAMED = 50
"""Characters of a client's name for a tensor, in an error."""


def read_inputs(request: pb.ModelInferRequest, known: dict[str, TextLimits]) -> Steps[dict[str, Texts]]:
    """The tensors of a request, by name. `known`: those that there may be. Raises InvalidRequest, naming the tensor,
    the limit and the value."""
    if len(request.inputs) > len(known):
        raise InvalidRequest("inputs", f"at most {len(known)} expected ({', '.join(known)}), got {len(request.inputs)}")
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InvalidRequest("raw_input_contents", f"{len(request.inputs)} expected, one an input, got {len(raw)}")
    read: dict[str, Texts] = {}
    for index, tensor in enumerate(request.inputs):
        name = tensor.name
        if name not in known:
            raise InvalidRequest(f"inputs[{index}].name", f"one of {', '.join(known)} expected, got {shown(name)}")
        if name in read:
            raise InvalidRequest(f"inputs[{index}].name", f"every input once expected, got {shown(name)} again")
        field = input_name(name)
        if tensor.datatype != BYTES:
            raise InvalidRequest(f"{field}.datatype", f"{BYTES} expected, got {shown(tensor.datatype)}")
        for parameter in tensor.parameters:
            raise InvalidRequest(f"{field}.parameters", f"no parameter expected, got {shown(parameter)}")
        number = _num_elements(tensor.shape, field, known[name])
        elements = _raw_elements(raw[index], number, field) if raw else _typed_elements(tensor, number, field)
        if raw and tensor.HasField("contents"):
            raise InvalidRequest(f"{field}.contents", "none beside raw_input_contents expected, got some")
        read[name] = Texts(list(tensor.shape), (yield from _decoded(elements, name, known[name])))
    return read


def _num_elements(shape: Sequence[int], field: str, limits: TextLimits) -> int:
    if len(shape) > _MAX_DIMENSIONS:
        raise InvalidRequest(f"{field}.shape", f"at most {_MAX_DIMENSIONS} dimensions expected, got {len(shape)}")
    if any(size < 0 for size in shape):
        raise InvalidRequest(f"{field}.shape", f"sizes of at least 0 expected, got {list(shape)}")
    number = math.prod(shape)
    if number > limits.max_elements:
        raise InvalidRequest(f"{field}.shape", f"at most {limits.max_elements} elements expected, got {list(shape)}")
    return number


def _typed_elements(tensor: pb.ModelInferRequest.InferInputTensor, number: int, field: str) -> Sequence[bytes]:
    elements = tensor.contents.bytes_contents
    if len(elements) != number:
        expected = f"{number} expected, as the shape has it"
        raise InvalidRequest(f"{field}.contents.bytes_contents", f"{expected}, got {len(elements)}")
    return elements


def _raw_elements(raw: bytes, number: int, field: str) -> Sequence[bytes]:
    elements = []
    position = 0
    for index in range(number):
        start = position + _LENGTH.size
        position = start + _LENGTH.unpack_from(raw, position)[0] if start <= len(raw) else len(raw) + 1
        if position > len(raw):
            problem = f"{number} elements expected, as the shape has it, got {len(raw)} bytes, which end in that"
            raise InvalidRequest(f"{field}[{index}]", problem)
        elements.append(raw[start:position])
    if position != len(raw):
        expected = f"{number} elements expected, as the shape has it, which are {position} bytes"
        raise InvalidRequest(field, f"{expected}, got {len(raw)} bytes")
    return elements


def _decoded(elements: Sequence[bytes], name: str, limits: TextLimits) -> Steps[list[str]]:
    texts = []
    for index, element in enumerate(elements):
        field = input_name(name, index)
        if len(element) > _BYTES_PER_CHARACTER * limits.max_characters:
            expected = f"at most {limits.max_characters} characters expected"
            raise InvalidRequest(field, f"{expected}, got {len(element)} bytes")
        try:
            texts.append(element.decode())
        except UnicodeDecodeError as error:
            raise InvalidRequest(field, f"UTF-8 expected, got other bytes at {error.start}") from None
        yield
    return texts


class Output(NamedTuple):
    """A tensor of an answer."""

    name: str
    datatype: str
    values: Sequence[Any]
    """Texts or numbers, in row-major order."""


_RAW: dict[str, Callable[[Sequence[Any]], bytes]] = {
    BYTES: lambda texts: b"".join(_LENGTH.pack(len(text)) + text for text in (text.encode() for text in texts)),
    FP32: lambda numbers: np.asarray(numbers, "<f4").tobytes(),
    INT32: lambda numbers: np.asarray(numbers, "<i4").tobytes(),
}


def write_output(output: Output, shape: Sequence[int], is_raw: bool, answer: pb.ModelInferResponse) -> None:
    """Add a tensor to an answer, which has either only raw ones or none."""
    tensor = answer.outputs.add(name=output.name, datatype=output.datatype, shape=shape)
    if is_raw:
        answer.raw_output_contents.append(_RAW[output.datatype](output.values))
    elif output.datatype == BYTES:
        tensor.contents.bytes_contents.extend(text.encode() for text in output.values)
    elif output.datatype == FP32:
        tensor.contents.fp32_contents.extend(output.values)
    else:
        tensor.contents.int_contents.extend(output.values)

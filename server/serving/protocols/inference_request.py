"""A request of the Open Inference Protocol as one of translation.v1."""

import re
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from seq2serve.glossary_file import MAX_TERM_CHARACTERS
from seq2serve.pb import translation_pb2
from server.errors import InvalidRequest, shown
from server.serving.protocols.pb import inference_pb2 as pb
from server.serving.protocols.tensors import BYTES, FP32, INT32, TextLimits, input_name, read_inputs
from server.serving.requests.parse import RequestLimits
from server.text.steps import Steps

TEXT_INPUT, TEXT_OUTPUT = "text_input", "text_output"
DO_NOT_TRANSLATE, FORBIDDEN_PHRASES, GLOSSARY_TERMS = "do_not_translate", "forbidden_phrases", "glossary_terms"
OPTIONAL_INPUTS = {DO_NOT_TRANSLATE: [-1, 1], FORBIDDEN_PHRASES: [-1, 1], GLOSSARY_TERMS: [-1, 2]}
"""Shapes by name."""

OUTPUTS = {
    TEXT_OUTPUT: BYTES,
    "score": FP32,
    "finish_reason": BYTES,
    "source_token_count": INT32,
    "output_token_count": INT32,
}
"""Datatypes by name; all have the shape of the input."""

_STREAM, _TIMEOUT, _GLOSSARY, _SPLITTING = "stream", "timeout", "glossary", "split_sentences"
_PRIORITY = "priority"
_EMPTY_FINAL_RESPONSE = "triton_enable_empty_final_response"
"""Whether a last answer without outputs is wanted where the one before could not be marked; it always can."""

_SPLITTINGS = ("sentences", "lines", "none")

_PRIORITIES = (
    translation_pb2.PRIORITY_UNSPECIFIED,
    translation_pb2.PRIORITY_INTERACTIVE,
    translation_pb2.PRIORITY_BULK,
)

_MAX_MICROSECONDS = 2**53

_MANY_ANSWERS = ("num_hypotheses", "return_token_scores", "return_alignment", "return_alignment_heads")
"""Options whose results have no place in the outputs."""


def _fields(message: Any, leave_out: tuple[str, ...] = ()) -> dict[str, FieldDescriptor]:
    """Those of numbers, flags and texts."""
    structured = (FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_ENUM)
    return {
        field.name: field
        for field in message.DESCRIPTOR.fields
        if not field.is_repeated and field.type not in structured and field.name not in leave_out
    }


_REQUEST_FIELDS = _fields(translation_pb2.TranslateRequest, ("model",))
_OPTION_FIELDS = _fields(translation_pb2.DecodingOptions, _MANY_ANSWERS)

PARAMETERS = sorted([*_REQUEST_FIELDS, *_OPTION_FIELDS, _STREAM, _TIMEOUT, _GLOSSARY, _SPLITTING, _PRIORITY])
"""Names of all parameters that mean something here."""


class InferenceRequest(NamedTuple):
    """What is asked for, and in which form it is to be answered."""

    translate: translation_pb2.TranslateRequest
    shape: list[int]
    """Of the input, and of every output."""
    outputs: list[str]
    """Names of the outputs that are wanted, in order."""
    is_raw: bool
    """Whether the tensors came as bytes, and go so."""
    streams: bool
    """Whether text is to be sent as it is decoded."""
    seconds: float | None
    """The time that the request may take, where it says so."""


def read_request(request: pb.ModelInferRequest, limits: RequestLimits) -> Steps[InferenceRequest]:
    """All but the model. Raises InvalidRequest, naming the tensor or the parameter, the limit and the value. What is
    left to check, the texts and values themselves, is left to the one who answers; `named_here` names its errors."""
    options = limits.options
    inputs = yield from read_inputs(
        request,
        {
            TEXT_INPUT: TextLimits(limits.max_contents, limits.max_content_characters),
            DO_NOT_TRANSLATE: TextLimits(limits.max_do_not_translate, MAX_TERM_CHARACTERS),
            FORBIDDEN_PHRASES: TextLimits(options.max_forbidden_phrases, MAX_TERM_CHARACTERS),
            GLOSSARY_TERMS: TextLimits(2 * options.max_glossary_entries, MAX_TERM_CHARACTERS),
        },
    )
    if TEXT_INPUT not in inputs:
        raise InvalidRequest("inputs", f"{TEXT_INPUT} expected, got {', '.join(inputs) or 'none'}")
    translate = translation_pb2.TranslateRequest()
    streams, seconds = _read_parameters(request, translate)
    translate.contents.extend(inputs[TEXT_INPUT].texts)
    if DO_NOT_TRANSLATE in inputs:
        translate.do_not_translate.extend(inputs[DO_NOT_TRANSLATE].texts)
    if FORBIDDEN_PHRASES in inputs:
        translate.decoding.forbidden_phrases.extend(inputs[FORBIDDEN_PHRASES].texts)
    if GLOSSARY_TERMS in inputs:
        shape, terms = inputs[GLOSSARY_TERMS]
        if len(shape) != 2 or shape[1] != 2:
            raise InvalidRequest(f"{input_name(GLOSSARY_TERMS)}.shape", f"[n, 2] expected, got {shape}")
        for source, target in zip(terms[::2], terms[1::2], strict=True):
            translate.decoding.glossary.entries.add(source_term=source, target_term=target)
            yield
    is_raw = bool(request.raw_input_contents)
    return InferenceRequest(translate, inputs[TEXT_INPUT].shape, _wanted(request), is_raw, streams, seconds)


def _wanted(request: pb.ModelInferRequest) -> list[str]:
    if len(request.outputs) > len(OUTPUTS):
        raise InvalidRequest("outputs", f"at most {len(OUTPUTS)} expected, got {len(request.outputs)}")
    wanted: list[str] = []
    for index, output in enumerate(request.outputs):
        if output.name not in OUTPUTS or output.name in wanted:
            expected = f"each of {', '.join(OUTPUTS)} once at most expected"
            raise InvalidRequest(f"outputs[{index}].name", f"{expected}, got {shown(output.name)}")
        for parameter in output.parameters:
            raise InvalidRequest(f"outputs[{index}].parameters", f"no parameter expected, got {shown(parameter)}")
        wanted.append(output.name)
    return wanted or list(OUTPUTS)


def parameter_name(name: str) -> str:
    """A parameter as errors name it."""
    return f'parameters["{name}"]'


def _read_parameters(
    request: pb.ModelInferRequest, translate: translation_pb2.TranslateRequest
) -> tuple[bool, float | None]:
    """Write the parameters to our request. Returns whether the answer is to be streamed, and the time that it has."""
    streams, seconds = False, None
    for name, parameter in request.parameters.items():
        kind = parameter.WhichOneof("parameter_choice")
        value = getattr(parameter, kind) if kind else None
        if name in _REQUEST_FIELDS:
            _set(translate, _REQUEST_FIELDS[name], value)
        elif name in _OPTION_FIELDS:
            _set(translate.decoding, _OPTION_FIELDS[name], value)
        elif name == _GLOSSARY:
            translate.decoding.glossary.name = _checked(name, value, str, "a text")
        elif name == _SPLITTING:
            translate.split_sentences = _splitting(_checked(name, value, str, "a text"))
        elif name == _STREAM:
            streams = _checked(name, value, bool, "a flag")
        elif name == _TIMEOUT:
            seconds = _seconds(_checked(name, value, int, "a whole number"))
        elif name == _PRIORITY:
            translate.priority = _priority(_checked(name, value, int, "a whole number"))
        elif name != _EMPTY_FINAL_RESPONSE:
            raise InvalidRequest("parameters", f"only {', '.join(PARAMETERS)} expected, got {shown(name)}")
    return streams, seconds


def _set(message: Any, field: FieldDescriptor, value: Any) -> None:
    name = field.name
    if field.type == FieldDescriptor.TYPE_STRING:
        setattr(message, name, _checked(name, value, str, "a text"))
    elif field.type == FieldDescriptor.TYPE_BOOL:
        setattr(message, name, _checked(name, value, bool, "a flag"))
    elif field.type == FieldDescriptor.TYPE_FLOAT:
        setattr(message, name, _checked(name, value, (int, float), "a number"))
    else:
        least, most = (0, 2**64 - 1) if field.type == FieldDescriptor.TYPE_UINT64 else (-(2**31), 2**31 - 1)
        number = _checked(name, value, int, "a whole number")
        if not least <= number <= most:
            raise InvalidRequest(parameter_name(name), f"{least} to {most} expected, got {number}")
        setattr(message, name, number)


def _checked(name: str, value: Any, kind: type | tuple[type, ...], expected: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        got = shown(value) if isinstance(value, str) else "nothing" if value is None else f"{value}"
        raise InvalidRequest(parameter_name(name), f"{expected} expected, got {got}")
    return value


def _splitting(text: str) -> translation_pb2.SentenceSplitting:
    if text.lower() not in _SPLITTINGS:
        expected = f"one of {', '.join(_SPLITTINGS)} expected"
        raise InvalidRequest(parameter_name(_SPLITTING), f"{expected}, got {shown(text)}")
    return getattr(translation_pb2, f"SENTENCE_SPLITTING_{text.upper()}")


def _priority(number: int) -> translation_pb2.Priority:
    """Of Triton's priorities, 1 is the first, and 0 the model's default."""
    if number not in _PRIORITIES:
        raise InvalidRequest(parameter_name(_PRIORITY), f"0 or 1, or 2 for bulk, expected, got {number}")
    return _PRIORITIES[number]


def _seconds(microseconds: int) -> float | None:
    if not 0 <= microseconds <= _MAX_MICROSECONDS:
        expected = f"0 to {_MAX_MICROSECONDS} microseconds expected"
        raise InvalidRequest(parameter_name(_TIMEOUT), f"{expected}, got {microseconds}")
    return microseconds / 1e6 if microseconds else None


_GLOSSARY_ENTRY = re.compile(r"decoding\.glossary\.entries\[(\d+)\](?:\.(source|target)_term)?")
_ELEMENT = re.compile(r"(?:decoding\.)?([a-z_]+)\[(\d+)\]")
_INPUTS = {"contents": TEXT_INPUT, "decoding.glossary.entries": GLOSSARY_TERMS, "decoding.glossary": GLOSSARY_TERMS} | {
    f"{before}{name}": name for before in ("", "decoding.") for name in (DO_NOT_TRANSLATE, FORBIDDEN_PHRASES)
}


def named_here(error: InvalidRequest) -> InvalidRequest:
    """An error about a field of translation.v1, with the protocol's own name for the field."""
    field = error.field
    if field in _INPUTS:
        name = input_name(_INPUTS[field])
    elif entry := _GLOSSARY_ENTRY.fullmatch(field):
        column = {"source": "[0]", "target": "[1]"}.get(entry[2], "")
        name = input_name(GLOSSARY_TERMS, int(entry[1])) + column
    elif element := _ELEMENT.fullmatch(field):
        name = input_name(_INPUTS.get(element[1], element[1]), int(element[2]))
    elif field == "decoding.glossary.name":
        name = parameter_name(_GLOSSARY)
    else:
        name = parameter_name(field.removeprefix("decoding."))
    return InvalidRequest(name, error.problem)

"""Texts as tensors: what is written is read again, and what is none is refused by name, whatever the bytes."""

import re
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2serve.pb import translation_pb2
from server.errors import InvalidRequest
from server.serving.protocols.inference_request import PARAMETERS, named_here, read_request
from server.serving.protocols.pb import inference_pb2 as pb
from server.serving.protocols.tensors import Output, TextLimits, Texts, read_inputs, write_output
from server.serving.requests.options import OptionLimits
from server.serving.requests.parse import RequestLimits
from tests.examples import examples
from tests.fakes import all_at_once

KNOWN = {"text_input": TextLimits(max_elements=8, max_characters=20), "more": TextLimits(2, 5)}
LIMITS = RequestLimits(8, 20, 100, 3, OptionLimits(8, 3, 4))


def raw(*texts: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def request(
    tensors: Sequence[tuple[str, list[int], Sequence[bytes]]], is_raw: bool, **fields: Any
) -> pb.ModelInferRequest:
    """Tensors as name, shape and elements."""
    message = pb.ModelInferRequest(**fields)
    for name, shape, elements in tensors:
        tensor = message.inputs.add(name=name, datatype="BYTES", shape=shape)
        if is_raw:
            message.raw_input_contents.append(raw(*elements))
        else:
            tensor.contents.bytes_contents.extend(elements)
    return message


def refused(message: pb.ModelInferRequest) -> str:
    with pytest.raises(InvalidRequest) as refusal:
        all_at_once(read_inputs(message, KNOWN))
    return str(refusal.value)


@pytest.mark.parametrize("is_raw", [True, False])
@given(st.lists(st.text(max_size=20), max_size=8), st.lists(st.text(max_size=5), min_size=1, max_size=2))
@settings(max_examples=40)
def test_texts_are_read_in_both_forms(is_raw: bool, texts: list[str], more: list[str]) -> None:
    tensors = [("text_input", [len(texts)], texts), ("more", [len(more), 1], more)]
    message = request([(name, shape, [one.encode() for one in values]) for name, shape, values in tensors], is_raw)
    assert all_at_once(read_inputs(message, KNOWN)) == {name: Texts(shape, values) for name, shape, values in tensors}


@pytest.mark.parametrize("is_raw", [True, False])
def test_outputs_are_in_the_form_of_the_inputs(is_raw: bool) -> None:
    answer = pb.ModelInferResponse()
    outputs = [Output("t", "BYTES", ["é", ""]), Output("f", "FP32", [0.5, -1]), Output("i", "INT32", [7, 2**31 - 1])]
    for output in outputs:
        write_output(output, [2, 1], is_raw, answer)
    assert [(one.name, one.datatype, list(one.shape)) for one in answer.outputs] == [
        (output.name, output.datatype, [2, 1]) for output in outputs
    ]
    if is_raw:
        expected = [raw("é".encode(), b""), struct.pack("<2f", 0.5, -1), struct.pack("<2i", 7, 2**31 - 1)]
        assert list(answer.raw_output_contents) == expected
        assert not any(one.HasField("contents") for one in answer.outputs)
    else:
        assert list(answer.outputs[0].contents.bytes_contents) == ["é".encode(), b""]
        assert list(answer.outputs[1].contents.fp32_contents) == [0.5, -1]
        assert list(answer.outputs[2].contents.int_contents) == [7, 2**31 - 1]
        assert not answer.raw_output_contents


@given(st.binary(max_size=40), st.lists(st.integers(-2, 9), max_size=4))
@examples(2)
def test_any_bytes_are_texts_or_refused_by_name(content: bytes, shape: list[int]) -> None:
    message = pb.ModelInferRequest(raw_input_contents=[content])
    message.inputs.add(name="text_input", datatype="BYTES", shape=shape)
    field = ""
    try:
        texts = all_at_once(read_inputs(message, KNOWN))["text_input"].texts
        assert raw(*(text.encode() for text in texts)) == content
    except InvalidRequest as error:
        field = error.field
    assert field.startswith('inputs["text_input"]') or not field


@pytest.mark.parametrize(
    ("content", "shape", "problem"),
    [
        (b"", [1], "[0]: 1 elements expected, as the shape has it, got 0 bytes, which end in that"),
        (b"\1\0\0", [1], "[0]: "),
        (b"\2\0\0\0a", [1], "[0]: "),
        (b"\xff\xff\xff\xffa", [1], "[0]: "),
        (raw(b"a"), [2], "[1]: "),
        (raw(b"a", b"b"), [1], ": 1 elements expected, as the shape has it, which are 5 bytes, got 10 bytes"),
        (raw(b"a") + b"x", [1], ": 1 elements expected"),
        (raw(b"a"), [], ""),
        (raw(b"\xff"), [1], "[0]: UTF-8 expected, got other bytes at 0"),
        (raw(b"ok", b"\xc3"), [2], "[1]: UTF-8 expected"),
        (raw("\ud800".encode(errors="surrogatepass")), [1], "[0]: UTF-8 expected"),
        (raw(b"x" * 81), [1], "[0]: at most 20 characters expected, got 81 bytes"),
        (raw(*[b""] * 9), [9], ".shape: at most 8 elements expected, got [9]"),
        (raw(b"a"), [-1, -1], ".shape: sizes of at least 0 expected, got [-1, -1]"),
        (raw(b"a"), [1] * 9, ".shape: at most 8 dimensions expected, got 9"),
        (b"", [2**62, 2**62], ".shape: at most 8 elements expected"),
    ],
)
def test_a_raw_tensor_that_is_none_is_refused_by_name(content: bytes, shape: list[int], problem: str) -> None:
    message = pb.ModelInferRequest(raw_input_contents=[content])
    message.inputs.add(name="text_input", datatype="BYTES", shape=shape)
    if problem:
        assert f'inputs["text_input"]{problem}' in refused(message)
    else:  # a single text has no dimension
        assert all_at_once(read_inputs(message, KNOWN)) == {"text_input": Texts([], ["a"])}


def test_inputs_that_are_not_as_described_are_refused() -> None:
    one = ("text_input", [1], [b"a"])
    assert "inputs[1].name: every input once expected, got 'text_input' again" in refused(request([one, one], True))
    assert "inputs[0].name: one of text_input, more expected" in refused(request([("prompt", [1], [b"a"])], True))
    assert "inputs: at most 2 expected (text_input, more), got 3" in refused(request([one] * 3, False))
    message = request([one], True)
    message.inputs[0].datatype = "FP32"
    assert "inputs[\"text_input\"].datatype: BYTES expected, got 'FP32'" in refused(message)
    message = request([one], True)
    message.inputs[0].parameters["shared_memory_region"].string_param = "region"
    assert "parameters: no parameter expected, got 'shared_memory_region'" in refused(message)
    message = request([one], True)
    message.raw_input_contents.append(b"")
    assert "raw_input_contents: 1 expected, one an input, got 2" in refused(message)
    message = request([one], True)
    message.inputs[0].contents.bytes_contents.append(b"a")
    assert "contents: none beside raw_input_contents expected" in refused(message)
    message = request([("text_input", [2], [b"a"])], False)
    assert "contents.bytes_contents: 2 expected, as the shape has it, got 1" in refused(message)


def test_outputs_that_there_are_not_are_refused() -> None:
    for names, problem in (
        (["logits"], "outputs[0].name"),
        (["score", "score"], "outputs[1].name"),
        (["score"] * 6, "outputs: at most 5"),
    ):
        message = request([("text_input", [1], [b"a"])], True)
        for name in names:
            message.outputs.add(name=name)
        with pytest.raises(InvalidRequest, match=re.escape(problem)):
            all_at_once(read_request(message, LIMITS))


def test_a_request_without_texts_is_refused() -> None:
    for message in (pb.ModelInferRequest(), request([("do_not_translate", [1], [b"a"])], True)):
        with pytest.raises(InvalidRequest, match="inputs: text_input expected, got "):
            all_at_once(read_request(message, LIMITS))


def test_glossary_terms_have_two_columns() -> None:
    for shape in ([2], [1, 2, 1], [2, 1]):
        message = request([("text_input", [1], [b"a"]), ("glossary_terms", shape, [b"a", b"b"])], True)
        with pytest.raises(InvalidRequest, match=r'inputs\["glossary_terms"\].shape: \[n, 2\] expected'):
            all_at_once(read_request(message, LIMITS))


def test_a_parameter_without_a_value_is_refused() -> None:
    message = request([("text_input", [1], [b"a"])], True)
    message.parameters["beam_size"].SetInParent()
    with pytest.raises(InvalidRequest, match="a whole number expected, got nothing"):
        all_at_once(read_request(message, LIMITS))


def parameters() -> st.SearchStrategy[dict[str, pb.InferParameter]]:
    values = st.one_of(
        st.booleans().map(lambda value: pb.InferParameter(bool_param=value)),
        st.integers(-(2**63), 2**63 - 1).map(lambda value: pb.InferParameter(int64_param=value)),
        st.integers(-3, 12).map(lambda value: pb.InferParameter(int64_param=value)),
        st.integers(0, 2**64 - 1).map(lambda value: pb.InferParameter(uint64_param=value)),
        st.floats().map(lambda value: pb.InferParameter(double_param=value)),
        st.text(max_size=9).map(lambda value: pb.InferParameter(string_param=value)),
        st.just(pb.InferParameter()),
    )
    names = st.sampled_from(PARAMETERS) | st.text(max_size=5)
    return st.dictionaries(names, values, max_size=4)


@given(parameters(), st.lists(st.text(max_size=9), max_size=3))
@examples(3)
def test_any_parameters_are_read_or_refused_by_name(given_: dict[str, pb.InferParameter], texts: list[str]) -> None:
    message = request([("text_input", [len(texts)], [text.encode() for text in texts])], False)
    for name, value in given_.items():
        message.parameters[name].CopyFrom(value)
    field = ""
    try:
        read = all_at_once(read_request(message, LIMITS))
        assert list(read.translate.contents) == texts
    except InvalidRequest as error:
        field = error.field
    assert not field or field.startswith("parameters")


@given(st.binary(max_size=200))
@examples(3)
def test_any_message_is_read_or_refused(content: bytes) -> None:
    message = pb.ModelInferRequest()
    with suppress(DecodeError, InvalidRequest):
        message.ParseFromString(content)
        all_at_once(read_request(message, LIMITS))


def test_tritons_priorities_are_ours() -> None:
    for number, priority in ((0, "UNSPECIFIED"), (1, "INTERACTIVE"), (2, "BULK")):
        message = request([("text_input", [1], [b"a"])], True)
        message.parameters["priority"].uint64_param = number
        read = all_at_once(read_request(message, LIMITS))
        assert translation_pb2.Priority.Name(read.translate.priority) == f"PRIORITY_{priority}"


def test_nothing_that_is_refused_takes_long() -> None:
    """Not even what the largest message can hold of it."""
    many_inputs = pb.ModelInferRequest(inputs=[pb.ModelInferRequest.InferInputTensor(name="text_input")] * 100_000)
    many_sizes = pb.ModelInferRequest(raw_input_contents=[b""])
    many_sizes.inputs.add(name="text_input", datatype="BYTES", shape=[1] * 1_000_000)
    many_elements = pb.ModelInferRequest(raw_input_contents=[b"\0" * 20_000_000])
    many_elements.inputs.add(name="text_input", datatype="BYTES", shape=[5_000_000])
    for message in (many_inputs, many_sizes, many_elements):
        started = time.process_time()
        refused(message)
        assert time.process_time() - started < 0.02


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("contents", 'inputs["text_input"]'),
        ("contents[3]", 'inputs["text_input"][3]'),
        ("do_not_translate", 'inputs["do_not_translate"]'),
        ("do_not_translate[0]", 'inputs["do_not_translate"][0]'),
        ("decoding.forbidden_phrases", 'inputs["forbidden_phrases"]'),
        ("decoding.forbidden_phrases[12]", 'inputs["forbidden_phrases"][12]'),
        ("decoding.glossary", 'inputs["glossary_terms"]'),
        ("decoding.glossary.entries", 'inputs["glossary_terms"]'),
        ("decoding.glossary.entries[4]", 'inputs["glossary_terms"][4]'),
        ("decoding.glossary.entries[4].source_term", 'inputs["glossary_terms"][4][0]'),
        ("decoding.glossary.entries[4].target_term", 'inputs["glossary_terms"][4][1]'),
        ("decoding.glossary.name", 'parameters["glossary"]'),
        ("decoding.beam_size", 'parameters["beam_size"]'),
        ("mime_type", 'parameters["mime_type"]'),
        ("target_language_code", 'parameters["target_language_code"]'),
    ],
)
def test_errors_have_the_protocols_names(ours: str, theirs: str) -> None:
    error = named_here(InvalidRequest(ours, "what is wrong"))
    assert (error.field, error.problem) == (theirs, "what is wrong")

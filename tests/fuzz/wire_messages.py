"""Requests of every method as nobody would write them: arbitrary bytes, messages with arbitrary values in arbitrary
fields, and right requests with some bytes changed. Each is made from a number alone, so that it can be made again."""

import random
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from seq2serve.pb import model_admin_pb2, operations_pb2, translation_pb2
from server.serving.protocols.pb import inference_pb2, translation_service_pb2

MODEL = "rnn-en-fr"
"""That is served where these requests go."""

_SERVICES = [
    service
    for file in (translation_pb2, inference_pb2, translation_service_pb2, model_admin_pb2, operations_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
]
METHODS: Mapping[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method for service in _SERVICES for method in service.methods
}
"""By the name by which they are called."""

_MAX_DEPTH = 4
_MAX_MESSAGES = 4
_MANY = 150
"""Contents: more than a request may have."""
_LONG = 20_000
"""Characters of a text that is longer than a content may be."""

_INTEGERS = (0, 1, 2, 3, 7, 100, -1, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1)
_NUMBERS = (0.0, 0.5, 1.0, -1.0, 1e-40, 3e38, float("inf"), float("-inf"), float("nan"))
_TEXTS = (
    *(
        "",
        " ",
        "\n",
        "\0",
        "A dog sleeps.",
        "Two men, one of whom smiles.",
        "<b>A dog</b> <i>sleeps",
        "&#x110000;",
        "😊🐶",
    ),
    *(
        "\u202e\u200b",
        "\ufeff",
        "\ue000\ue001",
        "{name} %s https://a.b/c?d",
        "e\u0301" * 40,
        "\U0010ffff",
        "a\r\n\r\nb",
    ),
    *(
        MODEL,
        f"{MODEL}@1",
        f"{MODEL}@",
        "@",
        "../..",
        "/etc/passwd",
        ".",
        "1",
        "-1",
        "01",
        "models/" + MODEL,
        "general/nmt",
    ),
    *("en", "fr", "en-US", "fr-Latn-FR-x-y", "und", "-", "e" * 300, "text/html", "text/plain", "BYTES", "FP32"),
    *("text_input", "do_not_translate", "forbidden_phrases", "glossary_terms", "text_output", "score"),
    *("stream", "timeout", "priority", "beam_size", "seed", "temperature", "split_sentences", "unload_dependents"),
)


_WEIGHTS = [1 + len(method.input_type.fields) for method in METHODS.values()]
"""Methods that take more are called more often."""


class Made(NamedTuple):
    method: str
    messages: list[bytes]
    """One, or those of a stream."""


def make(number: int) -> Made:
    """The request of that number."""
    chance = random.Random(number)
    [name] = chance.choices(list(METHODS), _WEIGHTS)
    method = METHODS[name]
    num_messages = chance.randint(0, _MAX_MESSAGES) if method.client_streaming else 1
    return Made(name, [_one(method.input_type, chance) for _ in range(num_messages)])


def _one(kind: Descriptor, chance: random.Random) -> bytes:
    way = chance.random()
    if way < 0.05:
        return chance.randbytes(chance.choice((0, 1, 2, 5, 40, 400)))
    if way < 0.25:
        return _filled(kind, chance, chance.choice((0.15, 0.4, 0.8))).SerializeToString()
    right = _RIGHT.get(kind.full_name)
    message = right(chance) if right else _filled(kind, chance, 0.4)
    if way < 0.65:
        message.MergeFrom(_filled(kind, chance, chance.choice((0.03, 0.1))))
    serialized: bytes = message.SerializeToString()
    return serialized if way < 0.75 else _changed(serialized, chance)


def _filled(kind: Descriptor, chance: random.Random, share: float, depth: int = 0) -> Message:
    """A message with any values in a share of its fields."""
    message: Any = GetMessageClass(kind)()
    for field in kind.fields:
        is_deep = field.type == FieldDescriptor.TYPE_MESSAGE and depth >= _MAX_DEPTH
        if is_deep or chance.random() >= share:
            continue
        if field.message_type and field.message_type.GetOptions().map_entry:
            _fill_map(getattr(message, field.name), field.message_type, chance, share, depth)
        elif field.is_repeated:
            values = [_value(field, chance, share, depth) for _ in range(_number(chance))]
            getattr(message, field.name).extend(values)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            getattr(message, field.name).CopyFrom(_value(field, chance, share, depth))
        else:
            setattr(message, field.name, _value(field, chance, share, depth))
    return message


def _fill_map(values: Any, entry: Descriptor, chance: random.Random, share: float, depth: int) -> None:
    key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
    for _ in range(chance.randint(0, 3)):
        made = _value(value, chance, share, depth)
        name = _value(key, chance, share, depth)
        if value.type == FieldDescriptor.TYPE_MESSAGE:
            values[name].CopyFrom(made)
        else:
            values[name] = made


def _value(field: FieldDescriptor, chance: random.Random, share: float, depth: int) -> Any:
    if field.message_type:
        return _filled(field.message_type, chance, max(share, 0.3), depth + 1)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text(chance)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return chance.choice((_tensor, lambda one: _text(one).encode(), lambda one: one.randbytes(9)))(chance)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return chance.random() < 0.5
    if field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
        return chance.choice(_NUMBERS)
    least, most = _RANGES.get(field.type, (-(2**31), 2**31 - 1))
    return min(max(chance.choice(_INTEGERS), least), most)


_RANGES = {
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
}


def _number(chance: random.Random) -> int:
    """Of values in a list: seldom more than may be."""
    return chance.choice((0, 1, 1, 2, 3)) if chance.random() < 0.98 else _MANY


def _text(chance: random.Random) -> str:
    way = chance.random()
    if way < 0.9:
        return chance.choice(_TEXTS)
    if way < 0.997:
        return "".join(chance.choice(_TEXTS) for _ in range(chance.randint(2, 5)))
    return chance.choice(("a", "a. ", "<b>", "&", "😊", "\n")) * (_LONG // chance.randint(1, 9))


def _tensor(chance: random.Random) -> bytes:
    """Texts behind their lengths, one of which may be wrong."""
    written = b""
    for _ in range(chance.randint(0, 4)):
        text = _text(chance).encode()
        length = len(text) if chance.random() < 0.8 else chance.choice((0, 1, len(text) + 1, 2**31, 2**32 - 1))
        written += struct.pack("<I", length) + text
    return written


def _translate(chance: random.Random) -> translation_pb2.TranslateRequest:
    request = translation_pb2.TranslateRequest(contents=["A dog sleeps.", "Two men."], model=MODEL)
    request.decoding.beam_size = chance.randint(0, 3)
    request.decoding.forbidden_phrases.append("chien")
    request.decoding.glossary.entries.add(source_term="dog", target_term="chat")
    request.do_not_translate.append("men")
    return request


def _infer(chance: random.Random) -> inference_pb2.ModelInferRequest:
    request = inference_pb2.ModelInferRequest(model_name=MODEL, id="1")
    texts = [b"A dog sleeps.", b"Two men."]
    tensor = request.inputs.add(name="text_input", datatype="BYTES", shape=[2, 1])
    request.parameters["beam_size"].int64_param = chance.randint(0, 3)
    request.parameters["stream"].bool_param = chance.random() < 0.3
    form = chance.choice(("raw", "wrong", "typed"))
    if form == "raw":
        request.raw_input_contents.append(b"".join(struct.pack("<I", len(text)) + text for text in texts))
    elif form == "wrong":
        written = _tensor(chance)
        request.raw_input_contents.append(written[: chance.choice((len(written), chance.randint(0, 20)))])
    else:
        tensor.contents.bytes_contents.extend(texts)
    return request


_RIGHT: Mapping[str, Callable[[random.Random], Message]] = {
    "translation.v1.TranslateRequest": _translate,
    "translation.v1.TranslateStreamRequest": lambda chance: translation_pb2.TranslateStreamRequest(
        id="1", request=_translate(chance), streams_text=chance.random() < 0.5
    ),
    "translation.v1.ScoreRequest": lambda _: translation_pb2.ScoreRequest(
        model=MODEL, pairs=[translation_pb2.ScoredPair(content="A dog sleeps.", translated_text="Un chien dort.")]
    ),
    "inference.ModelInferRequest": _infer,
    "google.cloud.translation.v3.TranslateTextRequest": lambda _: translation_service_pb2.TranslateTextRequest(
        parent="projects/a/locations/b", contents=["A <b>dog</b> sleeps."], target_language_code="fr"
    ),
    "model_admin.v1.LoadModelRequest": lambda _: model_admin_pb2.LoadModelRequest(model=MODEL, version="2"),
}
"""Requests that are answered, by the name of their message."""


def _changed(right: bytes, chance: random.Random) -> bytes:
    """With some bytes changed, taken out, put in, or written twice."""
    changed = bytearray(right)
    for _ in range(chance.choice((1, 1, 1, 3))):
        start = chance.randint(0, len(changed))
        end = min(len(changed), start + chance.choice((1, 1, 2, 8, 64)))
        way = chance.randrange(5)
        if way == 0 and start < end:
            changed[start] ^= 1 << chance.randrange(8)
        elif way == 1 and start < end:
            changed[start] = chance.choice((0, 1, 127, 128, 255))
        elif way == 2:
            del changed[start:end]
        elif way == 3:
            changed[start:start] = chance.randbytes(end - start)
        else:
            changed[end:end] = changed[start:end] * chance.choice((1, 3, 50))
    return bytes(changed)

"""The contract's paths, and those that ask how the gateway is, as the OpenAPI document has them."""

from functools import partial

from gateway.errors import CONTRACT_PATH
from gateway.spec.describing import JSON, TEXT, Json, array_of, body_of, object_of, operation

_KIND = "text/event-stream"


def contract_paths() -> Json:
    asked = object_of(
        ("contents",),
        contents=array_of(TEXT) | {"minItems": 1},
        model=TEXT,
        sourceLanguageCode=TEXT,
        targetLanguageCode=TEXT,
        mimeType=TEXT,
        decoding={"type": "object"},
    )
    methods: dict[str, tuple[str, Json, Json]] = {
        "Translate": ("Translate texts.", asked, object_of(translations={"type": "array"}, model=TEXT)),
        "Score": ("What a model thinks of translations.", object_of(pairs={"type": "array"}), {"type": "object"}),
        "ListModels": ("The models that are served.", {"type": "object"}, object_of(models={"type": "array"})),
        "GetModel": ("One of them.", object_of(name=TEXT), {"type": "object"}),
    }
    problems = (400, 401, 403, 404, 503, 504)
    connect = partial(operation, error="ConnectError", problems=(*problems, 501))
    found: Json = {
        CONTRACT_PATH + name: {"post": connect(f"connect{name}", summary, answer, body=body_of(body, JSON))}
        for name, (summary, body, answer) in methods.items()
    }
    event = object_of(("event", "data"), event={"type": "string", "enum": ["message", "end", "error"]}, data=TEXT)
    stream = operation(
        "stream",
        "Text, tokens and attention as they are decoded.",
        event,
        body=body_of(asked, JSON),
        kind=_KIND,
        error="Error",
        problems=problems,
    )
    return found | {"/v1/stream": {"post": stream}}


def operations_paths() -> Json:
    status = object_of(("status",), status=TEXT)
    return {
        "/health": {"get": operation("health", "Is the gateway alive?", status, error="Error", problems=())},
        "/ready": {"get": operation("ready", "Does the server answer?", status, error="Error", problems=(503,))},
    }

"""The OpenAPI 3.1 document of every API that the gateway has. Requests of the tests are made from it, and answers
compared with it, so that it is true."""

from gateway.spec.contract import contract_paths, operations_paths
from gateway.spec.deepl import deepl_paths
from gateway.spec.describing import COUNT, FLAG, LANGUAGE, TEXT, Json, object_of
from gateway.spec.libretranslate import libretranslate_paths


def document() -> Json:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "seq2serve gateway",
            "version": "1",
            "description": "Translation by sequence-to-sequence models, through the APIs that programs already speak.",
        },
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "Where the server has keys."}
            },
            "schemas": _SCHEMAS,
        },
        "security": [{}, {"key": []}],
        "paths": libretranslate_paths() | deepl_paths() | contract_paths() | operations_paths(),
    }


_SCHEMAS: Json = {
    "Error": object_of(("error",), error=TEXT),
    "DeepLError": object_of(("message",), message=TEXT),
    "ConnectError": object_of(("code",), code=TEXT, message=TEXT, details={"type": "array"}),
    "Detected": object_of(
        ("confidence", "language"), confidence={"type": "number", "minimum": 0, "maximum": 100}, language=LANGUAGE
    ),
    "Glossary": object_of(
        ("glossary_id", "name", "ready", "source_lang", "target_lang", "creation_time", "entry_count"),
        glossary_id=TEXT,
        name=TEXT,
        ready=FLAG,
        source_lang=LANGUAGE,
        target_lang=LANGUAGE,
        creation_time={"type": "string", "format": "date-time"},
        entry_count=COUNT,
    ),
}

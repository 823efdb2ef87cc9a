"""The OpenAPI 3.1 document of every API that the gateway has. Requests of the tests are made from it, and answers
compared with it, so that it is true."""

from typing import Any

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_TEXTS: Json = {"oneOf": [_TEXT, {"type": "array", "items": _TEXT}]}
_LANGUAGE: Json = {"type": "string", "examples": ["en"]}
_FLAG: Json = {"type": "boolean"}
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"

_PROBLEMS = {
    400: "A field is wrong: its name, the limit, and the value.",
    401: "A key is needed, or another one.",
    403: "The key does not allow it, or is not known.",
    404: "There is no such thing here.",
    408: "The body has not come within the time for a request.",
    413: "The body is larger than the gateway takes.",
    415: "The body is compressed.",
    429: "More is asked than the server or the key may have now: `Retry-After` says when to come back.",
    500: "The gateway or the server failed.",
    503: "No server answers: `Retry-After` says when to come back.",
    504: "The time for a request passed.",
}


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
        "paths": _libretranslate() | _deepl() | _contract() | _operations(),
    }


_SCHEMAS: Json = {
    "Error": {"type": "object", "required": ["error"], "properties": {"error": _TEXT}},
    "DeepLError": {"type": "object", "required": ["message"], "properties": {"message": _TEXT}},
    "ConnectError": {
        "type": "object",
        "required": ["code"],
        "properties": {"code": _TEXT, "message": _TEXT, "details": {"type": "array"}},
    },
    "Detected": {
        "type": "object",
        "required": ["confidence", "language"],
        "properties": {"confidence": {"type": "number", "minimum": 0, "maximum": 100}, "language": _LANGUAGE},
    },
    "Glossary": {
        "type": "object",
        "required": ["glossary_id", "name", "ready", "source_lang", "target_lang", "creation_time", "entry_count"],
        "properties": {
            "glossary_id": _TEXT,
            "name": _TEXT,
            "ready": _FLAG,
            "source_lang": _LANGUAGE,
            "target_lang": _LANGUAGE,
            "creation_time": {"type": "string", "format": "date-time"},
            "entry_count": {"type": "integer", "minimum": 0},
        },
    },
}


def _object(required: tuple[str, ...] = (), **properties: Json) -> Json:
    found: Json = {"type": "object", "properties": properties}
    return found | {"required": list(required)} if required else found


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _array(items: Json) -> Json:
    return {"type": "array", "items": items}


def _body(schema: Json, *kinds: str) -> Json:
    return {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}


def _operation(
    name: str,
    summary: str,
    answer: Json | None,
    *,
    body: Json | None = None,
    error: str = "Error",
    problems: tuple[int, ...] = (400, 401, 403, 408, 413, 415, 429, 500, 503, 504),
    status: int = 200,
    kind: str = _JSON,
    parameters: tuple[Json, ...] = (),
) -> Json:
    """`answer`: its schema; None where it has no body. `kind`: its content type. `problems`: statuses of errors."""
    content = {} if answer is None else {"content": {kind: {"schema": answer}}}
    responses: Json = {str(status): {"description": "It is done.", **content}}
    for problem in problems:
        responses[str(problem)] = {
            "description": _PROBLEMS[problem],
            "content": {_JSON: {"schema": _ref(error)}},
        }
    found: Json = {"operationId": name, "summary": summary, "responses": responses}
    if body:
        found["requestBody"] = body
    if parameters:
        found["parameters"] = list(parameters)
    return found


def _libretranslate() -> Json:
    detected = {"oneOf": [_ref("Detected"), _array(_ref("Detected"))]}
    asked = _object(
        ("q", "source", "target"),
        q=_TEXTS,
        source=_LANGUAGE,
        target=_LANGUAGE,
        format={"type": "string", "enum": ["text", "html"]},
        alternatives={"type": "integer", "minimum": 0},
        api_key=_TEXT,
    )
    answered = _object(
        ("translatedText",), translatedText=_TEXTS, detectedLanguage=detected, alternatives={"type": "array"}
    )
    languages = _array(_object(("code", "name", "targets"), code=_TEXT, name=_TEXT, targets=_array(_TEXT)))
    file = _object(
        ("file", "source", "target"),
        file={"type": "string", "contentMediaType": "application/octet-stream"},
        source=_LANGUAGE,
        target=_LANGUAGE,
    )
    settings = _object(
        ("charLimit", "suggestions", "filesTranslation"), charLimit={"type": "integer"}, suggestions=_FLAG
    )
    name = {"name": "name", "in": "path", "required": True, "schema": _TEXT}
    return {
        "/translate": {
            "post": _operation(
                "translate", "Translate a text, or an array of texts.", answered, body=_body(asked, _JSON, _FORM)
            )
        },
        "/detect": {
            "post": _operation(
                "detect",
                "What a text may be written in, of the languages that are served.",
                _array(_ref("Detected")),
                body=_body(_object(("q",), q=_TEXT, api_key=_TEXT), _JSON, _FORM),
            )
        },
        "/languages": {"get": _operation("languages", "What is translated into what.", languages)},
        "/frontend/settings": {"get": _operation("frontendSettings", "What a page has to know.", settings)},
        "/translate_file": {
            "post": _operation(
                "translateFile",
                "Translate a file: .txt, .srt or .html.",
                _object(("translatedFileUrl",), translatedFileUrl=_TEXT),
                body=_body(file, _MULTIPART),
            )
        },
        "/download_file/{name}": {
            "get": _operation("downloadFile", "A translated file.", {}, problems=(404,), kind="*/*", parameters=(name,))
        },
    }


def _deepl() -> Json:
    def operation(name: str, summary: str, answer: Json | None, **more: Any) -> Json:
        return _operation(name, summary, answer, error="DeepLError", **more)

    asked = _object(
        ("text", "target_lang"),
        text=_array(_TEXT) | {"minItems": 1},
        source_lang=_LANGUAGE,
        target_lang=_LANGUAGE,
        tag_handling={"type": "string", "enum": ["html", "xml"]},
        split_sentences={"type": "string", "enum": ["0", "1", "nonewlines"]},
        ignore_tags=_array(_TEXT),
        glossary_id=_TEXT,
        show_billed_characters=_FLAG,
    )
    translation = _object(
        ("detected_source_language", "text"),
        detected_source_language=_TEXT,
        text=_TEXT,
        billed_characters={"type": "integer"},
    )
    language = _object(("language", "name"), language=_TEXT, name=_TEXT, supports_formality=_FLAG)
    kind = {"name": "type", "in": "query", "schema": {"type": "string", "enum": ["source", "target"]}}
    made = _object(
        ("name", "source_lang", "target_lang", "entries", "entries_format"),
        name=_TEXT,
        source_lang=_LANGUAGE,
        target_lang=_LANGUAGE,
        entries=_TEXT,
        entries_format={"type": "string", "enum": ["tsv", "csv"]},
    )
    used = _object(
        ("character_count", "character_limit"),
        character_count={"type": "integer"},
        character_limit={"type": "integer"},
    )
    pair = _object(("source_lang", "target_lang"), source_lang=_TEXT, target_lang=_TEXT)
    one = {"name": "glossary_id", "in": "path", "required": True, "schema": _TEXT}
    found: tuple[int, ...] = (400, 403, 404, 429, 500, 503, 504)
    return {
        "/v2/translate": {
            "post": operation(
                "deeplTranslate",
                "Translate texts.",
                _object(("translations",), translations=_array(translation)),
                body=_body(asked, _JSON, _FORM),
            )
        },
        "/v2/languages": {
            "get": operation("deeplLanguages", "What can be translated.", _array(language), parameters=(kind,))
        },
        "/v2/usage": {"get": operation("deeplUsage", "Characters translated since the gateway began.", used)},
        "/v2/glossary-language-pairs": {
            "get": operation("deeplPairs", "Directions of glossaries.", _object(supported_languages=_array(pair)))
        },
        "/v2/glossaries": {
            "get": operation(
                "deeplGlossaries", "The caller's glossaries.", _object(glossaries=_array(_ref("Glossary")))
            ),
            "post": operation(
                "deeplMakeGlossary", "Make a glossary.", _ref("Glossary"), body=_body(made, _JSON, _FORM), status=201
            ),
        },
        "/v2/glossaries/{glossary_id}": {
            "get": operation("deeplGlossary", "One of them.", _ref("Glossary"), parameters=(one,), problems=found),
            "delete": operation(
                "deeplDeleteGlossary", "Remove it.", None, parameters=(one,), problems=found, status=204
            ),
        },
        "/v2/glossaries/{glossary_id}/entries": {
            "get": operation(
                "deeplEntries",
                "Its terms.",
                _TEXT,
                parameters=(one,),
                problems=found,
                kind="text/tab-separated-values",
            )
        },
    }


def _contract() -> Json:
    asked = _object(("contents",), contents=_array(_TEXT), model=_TEXT, mimeType=_TEXT, decoding={"type": "object"})
    methods: dict[str, tuple[str, Json, Json]] = {
        "Translate": ("Translate texts.", asked, _object(translations={"type": "array"}, model=_TEXT)),
        "Score": ("What a model thinks of translations.", _object(pairs={"type": "array"}), {"type": "object"}),
        "ListModels": ("The models that are served.", {"type": "object"}, _object(models={"type": "array"})),
        "GetModel": ("One of them.", _object(name=_TEXT), {"type": "object"}),
    }
    problems = (400, 401, 403, 404, 429, 500, 503, 504)
    found = {
        f"/translation.v1.TranslationService/{name}": {
            "post": _operation(
                f"connect{name}", summary, answer, body=_body(body, _JSON), error="ConnectError", problems=problems
            )
        }
        for name, (summary, body, answer) in methods.items()
    }
    stream = _operation(
        "stream",
        "Text, tokens and attention as they are decoded.",
        _TEXT,
        body=_body(asked, _JSON),
        kind="text/event-stream",
    )
    stream["responses"]["404"] = {"description": _PROBLEMS[404], "content": {_JSON: {"schema": _ref("Error")}}}
    return found | {"/v1/stream": {"post": stream}}


def _operations() -> Json:
    status = _object(("status",), status=_TEXT)
    ready = _operation("ready", "Does the server answer?", status, problems=(503,))
    return {
        "/health": {"get": _operation("health", "Is the gateway alive?", status, problems=())},
        "/ready": {"get": ready},
    }

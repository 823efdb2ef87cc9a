"""The words of which the OpenAPI document is made."""

from typing import Any

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
TEXTS: Json = {"oneOf": [TEXT, {"type": "array", "items": TEXT}]}
SOME_TEXTS: Json = {"oneOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1}]}
LANGUAGE: Json = {"type": "string", "examples": ["en"]}
FLAG: Json = {"type": "boolean"}
COUNT: Json = {"type": "integer", "minimum": 0}

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

_PROBLEMS = {
    400: "A field is wrong: its name, the limit, and the value.",
    401: "A key is needed, or another one.",
    403: "The key does not allow it, or is not known.",
    404: "There is no such thing here.",
    408: "The body did not come in time.",
    413: "The body is larger than the gateway takes.",
    415: "The body is compressed, or its content type is none that is understood here.",
    429: "More is asked than the server or the key may have now: `Retry-After` says when to come back.",
    456: "There are as many glossaries as may be.",
    500: "The gateway or the server failed.",
    501: "This way of sending it is not offered: a compressed body.",
    503: "No server answers: `Retry-After` says when to come back.",
    504: "The time for a request passed.",
}

_SECONDS: Json = {"description": "Seconds.", "schema": TEXT}
_NUMBER: Json = {"schema": TEXT}
_HEADERS: dict[int, Json] = {
    429: {
        "Retry-After": _SECONDS,
        "X-RateLimit-Limit": _NUMBER,
        "X-RateLimit-Remaining": _NUMBER,
        "X-RateLimit-Reset": _SECONDS,
    },
    503: {"Retry-After": _SECONDS},
}

_ANYWHERE = (408, 413, 429, 500)
"""Whatever is asked, before it is read or after it was."""


def object_of(required: tuple[str, ...] = (), **properties: Json) -> Json:
    found: Json = {"type": "object", "properties": properties}
    return found | {"required": list(required)} if required else found


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def array_of(items: Json) -> Json:
    return {"type": "array", "items": items}


def body_of(schema: Json, *kinds: str) -> Json:
    return {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}


def path_parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": TEXT | {"minLength": 1}}


def operation(
    name: str,
    summary: str,
    answer: Json | None,
    *,
    error: str,
    problems: tuple[int, ...],
    body: Json | None = None,
    status: int = 200,
    kind: str = JSON,
    parameters: tuple[Json, ...] = (),
) -> Json:
    """`answer`: its schema; None where it has no body. `kind`: its content type. `error`: the schema of errors;
    `problems`: their statuses, beside those that every request may have."""
    content = {} if answer is None else {"content": {kind: {"schema": answer}}}
    responses: Json = {str(status): {"description": _PROBLEMS.get(status, "It is done."), **content}}
    for problem in sorted({*problems, *_ANYWHERE, *((415,) if body else ())}):
        responses[str(problem)] = {
            "description": _PROBLEMS[problem],
            **({"headers": _HEADERS[problem]} if problem in _HEADERS else {}),
            "content": {JSON: {"schema": ref(error)}},
        }
    found: Json = {"operationId": name, "summary": summary, "responses": responses}
    if body:
        found["requestBody"] = body
    if parameters:
        found["parameters"] = list(parameters)
    return found

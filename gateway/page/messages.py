"""What the page's endpoints take and give, as JSON: the messages of translation.v1 in protobuf's own JSON form, and
what is wrong, where a call has no answer."""

import json
from typing import Any, TypeVar, cast

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import JSONResponse

from gateway.errors import printable, status_of, words_of
from seq2serve import FieldViolation, InvalidRequest, TranslationError
from seq2serve.pb import translation_pb2 as pb
from seq2serve.requests import Priority, SentenceSplitting, TranslateOptions

Asked = TypeVar("Asked", bound=Message)


async def read_json(request: Request) -> dict[str, Any]:
    """The object that the body is. Raises InvalidRequest where it is none."""
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:  # also of what is not UTF-8
        raise invalid("body", "JSON expected") from error
    if not isinstance(body, dict):
        raise invalid("body", f"a JSON object expected, got {type(body).__name__}")
    return body


def parse(body: dict[str, Any], message: Asked) -> Asked:
    """Fill a message with its JSON form. Raises InvalidRequest, which names the field that is wrong."""
    try:
        return json_format.ParseDict(body, message)
    except (UnicodeError, SystemError) as error:  # the latter is what protobuf makes of it in an enumeration's name
        raise invalid("body", "Unicode text expected, got half of a surrogate pair") from error
    except (json_format.ParseError, RecursionError) as error:
        raise invalid("body", printable(str(error))) from error


def options_of(request: pb.TranslateRequest) -> TranslateOptions:
    """All that a request says beside its contents, as the client takes it. Raises InvalidRequest for a number that
    stands for no priority, or for no way of splitting."""
    options = TranslateOptions(
        model=request.model,
        source_language_code=request.source_language_code,
        target_language_code=request.target_language_code,
        decoding=request.decoding,
        mime_type=request.mime_type,
        do_not_translate=list(request.do_not_translate),
    )
    if request.split_sentences:
        options["split_sentences"] = cast(
            SentenceSplitting, _name("splitSentences", pb.SentenceSplitting, request.split_sentences)
        )
    if request.priority:
        options["priority"] = cast(Priority, _name("priority", pb.Priority, request.priority))
    return options


def _name(field: str, kind: Any, number: int) -> str:
    """What the client calls a value of an enumeration: "lines" for SENTENCE_SPLITTING_LINES."""
    try:
        return kind.Name(number).rpartition("_")[2].lower()
    except ValueError as error:
        raise invalid(field, f"one of {', '.join(kind.keys())} expected, got {number}") from error


def as_json(message: Message) -> dict[str, Any]:
    """A message in protobuf's JSON form, zeros and empty texts included."""
    return json_format.MessageToDict(message, always_print_fields_with_no_presence=True)


def error_as_json(error: TranslationError) -> dict[str, Any]:
    """Why a call has no answer. `field` is empty where none is wrong, `retryAfter` is in seconds, or null."""
    return {
        "code": error.code.name,
        "message": words_of(error),
        "field": error.field,
        "retryAfter": error.retry_after,
        "requestId": error.request_id,
    }


def refuse(error: TranslationError) -> JSONResponse:
    headers = {"cache-control": "no-store"}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after)))
    return JSONResponse({"error": error_as_json(error)}, status_of(error), headers)


def invalid(field: str, problem: str) -> InvalidRequest:
    """The error of a request that never reached the server."""
    violation = FieldViolation(field, problem)
    return InvalidRequest(grpc.StatusCode.INVALID_ARGUMENT, f"{field}: {problem}", field_violations=(violation,))

"""From what went wrong to what an HTTP client is told, for every API in its own form.

InvalidRequest 400, Unauthenticated 401, PermissionDenied 403, UnknownModel 404, Overloaded 429, Unavailable 503,
DeadlineExceeded 504, and 500 for what is left. What may succeed later has Retry-After.
"""

import math
import re
from collections.abc import Mapping

import grpc
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from seq2serve import (
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    PermissionDenied,
    TranslationError,
    Unauthenticated,
    Unavailable,
    UnknownModel,
)
from seq2serve.pb import translation_pb2 as pb

CONTRACT_PATH = f"/{pb.DESCRIPTOR.services_by_name['TranslationService'].full_name}/"
"""Behind which the contract's methods are, by their names."""

_STATUSES: Mapping[type[TranslationError], int] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    PermissionDenied: 403,
    UnknownModel: 404,
    Overloaded: 429,
    Unavailable: 503,
    DeadlineExceeded: 504,
}

_CONNECT_CODES = {
    400: "invalid_argument",
    404: "unimplemented",
    405: "unimplemented",
    408: "deadline_exceeded",
    413: "resource_exhausted",
    429: "resource_exhausted",
    500: "internal",
}
"""Of what is refused before Connect's own code sees it."""

_RETRY_SECONDS = 1
"""After which who was refused may ask again, where the server does not say so."""

_PATH = re.compile(r"([a-z_.]+)(.*)", re.DOTALL)


def status_of(error: TranslationError) -> int:
    return _STATUSES.get(type(error), 500)


def refusal(error: TranslationError, names: Mapping[str, str] | None = None) -> HTTPException:
    """What a server's error becomes. `names`: what fields of translation.v1 are called here, such as q for contents."""
    headers = {}
    if isinstance(error, Overloaded | Unavailable):
        seconds = max(1, math.ceil(error.retry_after or _RETRY_SECONDS))
        headers["Retry-After"] = str(seconds)
        if error.limit is not None:
            headers |= {
                "X-RateLimit-Limit": str(error.limit),
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(seconds),
            }
    return HTTPException(status_of(error), problem_of(error, names or {}), headers)


def problem_of(error: TranslationError, names: Mapping[str, str]) -> str:
    """Every field that is wrong, by the name that it has here, the limit and the value; else the server's words."""
    found = [f"{renamed(field, names)}: {description}" for field, description in error.field_violations]
    return "; ".join(found) or words_of(error)


class Ended(Unavailable):
    """What the gateway itself has ended, or has seen to end, for the reason that it says."""

    def __init__(self, reason: str) -> None:
        super().__init__(grpc.StatusCode.UNAVAILABLE, reason)


def words_of(error: TranslationError) -> str:
    """The server's, or the gateway's own. Where no server has answered, gRPC's would tell everybody where they are."""
    is_grpc_own = isinstance(error, Unavailable) and not isinstance(error, Ended) and not error.request_id
    return "no server answers" if is_grpc_own else error.message


def renamed(field: str, names: Mapping[str, str]) -> str:
    """A path such as contents[3], by the name that its field has here."""
    match = _PATH.fullmatch(field)
    return f"{names.get(match[1], match[1])}{match[2]}" if match else field


def printable(text: str) -> str:
    """A text that UTF-8 can have: of half of a surrogate pair, which JSON can write, its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def error_response(path: str, status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """In the form of the API that the path is of."""
    text = printable(text)
    if path.startswith(CONTRACT_PATH):
        return JSONResponse({"code": _CONNECT_CODES.get(status, "unknown"), "message": text}, status, headers)
    return JSONResponse({"message" if path.startswith("/v2/") else "error": text}, status, headers)


async def answer_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_response(request.scope["path"], error.status_code, error.detail, error.headers)


async def answer_error(request: Request, error: Exception) -> Response:
    """Of a call whose route had no words of its own for it."""
    assert isinstance(error, TranslationError)
    return await answer_refusal(request, refusal(error))

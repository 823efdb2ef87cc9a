"""What a call ends with where it has no answer, one tree.

TranslationError      any other status: a proxy's, or CANCELLED where the client is closed, also during a call
|- InvalidRequest     INVALID_ARGUMENT: the request is wrong, whatever the server's state; `field` says where
|- UnknownModel       NOT_FOUND: no model of that name is served
|- Unauthenticated    UNAUTHENTICATED: the server asks for a key, and knows none that was sent
|- PermissionDenied   PERMISSION_DENIED: the key does not allow this call
|- Overloaded         RESOURCE_EXHAUSTED: more than the server takes now; `retry_after` says when to try again
|- Unavailable        UNAVAILABLE: no server answers, also after the channel's own retries
|- DeadlineExceeded   DEADLINE_EXCEEDED: the call's timeout passed
'- Internal           INTERNAL: the server failed; its log has the request id
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from grpc_status import rpc_status


class FieldViolation(NamedTuple):
    field: str
    """Path of the field in the request, such as `contents[3]`."""

    description: str
    """The limit, and the value received."""


class TranslationError(Exception):
    """Base of all errors of a call."""

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        request_id: str = "",
        retry_after: float | None = None,
        field_violations: tuple[FieldViolation, ...] = (),
        limit: int | None = None,
    ) -> None:
        super().__init__(code, message, request_id, retry_after, field_violations, limit)
        self.code = code
        self.message = message

        self.request_id = request_id
        """What the server's log calls this call; empty if no server answered."""

        self.retry_after = retry_after
        """Seconds after which the server would be asked again; None where it does not say so."""

        self.field_violations = field_violations
        """The fields that are wrong."""

        self.limit = limit
        """Of what a key may have, which the call would exceed: source tokens a second, or calls at a time; None where
        it is another limit, or none."""

    @property
    def field(self) -> str:
        """Path of the first field that is wrong, such as `contents[3]`; empty where the server names none."""
        return self.field_violations[0].field if self.field_violations else ""

    def __str__(self) -> str:
        is_named = self.request_id in self.message  # an empty one is in every message
        return f"{self.code.name}: {self.message}" + ("" if is_named else f" (request id {self.request_id})")


class InvalidRequest(TranslationError):
    pass


class UnknownModel(TranslationError):
    pass


class Unauthenticated(TranslationError):
    pass


class PermissionDenied(TranslationError):
    pass


class Overloaded(TranslationError):
    pass


class Unavailable(TranslationError):
    pass


class DeadlineExceeded(TranslationError):
    pass


class Internal(TranslationError):
    pass


_ITEM = re.compile(r"(contents|pairs)\[([0-9]{1,9})\]")
"""Beginning of a path that names one of the texts of a request."""

_KINDS: dict[grpc.StatusCode, type[TranslationError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: UnknownModel,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.INTERNAL: Internal,
}


def translation_error(error: grpc.RpcError, places: Sequence[int] = ()) -> TranslationError:
    """The error that a caller sees, from the gRPC status of either kind of client and its google.rpc details.

    `places`: where a request had a part of what the caller gave, the places of its contents or pairs in the whole;
    paths of fields are the whole's.
    """
    request_id = ""
    retry_after = limit = None
    violations: list[FieldViolation] = []
    for detail in status_details(error):
        if detail.Is(RequestInfo.DESCRIPTOR):
            request_id = _unpacked(detail, RequestInfo()).request_id
        elif detail.Is(RetryInfo.DESCRIPTOR):
            retry_after = _unpacked(detail, RetryInfo()).retry_delay.ToTimedelta().total_seconds()
        elif detail.Is(ErrorInfo.DESCRIPTOR):
            told = _unpacked(detail, ErrorInfo()).metadata.get("limit", "")
            limit = int(told) if told.isdecimal() else None
        elif detail.Is(BadRequest.DESCRIPTOR):
            found = _unpacked(detail, BadRequest()).field_violations
            violations += [FieldViolation(violation.field, violation.description) for violation in found]
    message = error.details() or ""
    for number, (field, description) in enumerate(violations):
        path = _whole_path(field, places)
        violations[number] = FieldViolation(path, description)
        message = path + message.removeprefix(field) if message.startswith(f"{field}:") else message
    raised = _KINDS.get(error.code(), TranslationError)(
        error.code(), message, request_id, retry_after, tuple(violations), limit
    )
    raised.__cause__ = error
    return raised


def closed_error() -> TranslationError:
    """The error of a call whose client was closed before it, or meanwhile."""
    return TranslationError(grpc.StatusCode.CANCELLED, "the client is closed")


def _whole_path(field: str, places: Sequence[int]) -> str:
    match = _ITEM.match(field)
    if not match or not int(match[2]) < len(places):
        return field
    return f"{match[1]}[{places[int(match[2])]}]{field[match.end() :]}"


def status_details(error: grpc.RpcError) -> Iterable[Any]:
    """The google.rpc details of a status, packed; none where there are none."""
    try:
        status = rpc_status.from_call(cast(grpc.Call, error))
    except (ValueError, DecodeError):  # something between here and the server has changed the status, not its details
        return ()
    return status.details if status else ()


def _unpacked(detail: Any, message: Any) -> Any:
    detail.Unpack(message)
    return message

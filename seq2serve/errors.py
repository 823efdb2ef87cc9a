"""What a call ends with where it has no answer, one tree.

TranslationError      any other status: a proxy's, or CANCELLED when the client is closed during a call
|- InvalidRequest     INVALID_ARGUMENT: the request is wrong, whatever the server's state
|- UnknownModel       NOT_FOUND: no model of that name is served
|- Overloaded         RESOURCE_EXHAUSTED: more than the server takes now; `retry_after_seconds` says when to try again
|- Unavailable        UNAVAILABLE: no server answers, also after the channel's own retries
|- DeadlineExceeded   DEADLINE_EXCEEDED: the call's timeout passed
'- Internal           INTERNAL: the server failed; its log has the request id
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, RequestInfo, RetryInfo
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
        retry_after_seconds: float | None = None,
        field_violations: tuple[FieldViolation, ...] = (),
    ) -> None:
        super().__init__(code, message, request_id, retry_after_seconds, field_violations)
        self.code = code
        self.message = message

        self.request_id = request_id
        """What the server's log calls this call; empty if no server answered."""

        self.retry_after_seconds = retry_after_seconds
        """When the server would be asked again; None where it does not say so."""

        self.field_violations = field_violations
        """The fields that are wrong."""

    def __str__(self) -> str:
        is_named = self.request_id in self.message  # an empty one is in every message
        return f"{self.code.name}: {self.message}" + ("" if is_named else f" (request id {self.request_id})")


class InvalidRequest(TranslationError):
    pass


class UnknownModel(TranslationError):
    pass


class Overloaded(TranslationError):
    pass


class Unavailable(TranslationError):
    pass


class DeadlineExceeded(TranslationError):
    pass


class Internal(TranslationError):
    pass


_KINDS: dict[grpc.StatusCode, type[TranslationError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: UnknownModel,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.INTERNAL: Internal,
}


def translation_error(error: grpc.RpcError) -> TranslationError:
    """The error that a caller sees, from the gRPC status of either kind of client and its google.rpc details."""
    request_id = ""
    retry_after_seconds = None
    violations: list[FieldViolation] = []
    for detail in _details(error):
        if detail.Is(RequestInfo.DESCRIPTOR):
            request_id = _unpacked(detail, RequestInfo()).request_id
        elif detail.Is(RetryInfo.DESCRIPTOR):
            retry_after_seconds = _unpacked(detail, RetryInfo()).retry_delay.ToTimedelta().total_seconds()
        elif detail.Is(BadRequest.DESCRIPTOR):
            found = _unpacked(detail, BadRequest()).field_violations
            violations += [FieldViolation(violation.field, violation.description) for violation in found]
    kind = _KINDS.get(error.code(), TranslationError)
    return kind(error.code(), error.details() or "", request_id, retry_after_seconds, tuple(violations))


def _details(error: grpc.RpcError) -> Iterable[Any]:
    try:
        status = rpc_status.from_call(cast(grpc.Call, error))
    except (ValueError, DecodeError):  # something between here and the server has changed the status, not its details
        return ()
    return status.details if status else ()


def _unpacked(detail: Any, message: Any) -> Any:
    detail.Unpack(message)
    return message

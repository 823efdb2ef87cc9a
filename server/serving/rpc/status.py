"""From an error to what a client is told: a gRPC status, with details that the client's program can act on
(google.rpc.Status)."""

import functools

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from server.errors import InvalidRequest, Overloaded, TranslationError

DOMAIN = "seq2serve"

DETAILS = "grpc-status-details-bin"
"""Key of the metadata that holds a serialised google.rpc.Status."""


def code_of(error: Exception) -> grpc.StatusCode:
    """The status code of an error; INTERNAL for one that is not of the project's own."""
    return grpc.StatusCode[error.status] if isinstance(error, TranslationError) else grpc.StatusCode.INTERNAL


def status_of(error: Exception, request_id: str) -> tuple[grpc.StatusCode, str, tuple[str, bytes]]:
    """An error's status code, message, and trailing metadata with the details. An error that is not of the project's
    own is described by nothing but the request id, under which the log has it."""
    request = _pack(RequestInfo(request_id=request_id))
    if not isinstance(error, TranslationError):
        message = f"internal error; request id {request_id}"
        whole = Status(code=grpc.StatusCode.INTERNAL.value[0], message=message, details=[request])
        return grpc.StatusCode.INTERNAL, message, (DETAILS, whole.SerializeToString())
    # Serialised messages that follow each other are one message, with the fields of both.
    details = _describe(error) + Status(details=[request]).SerializeToString()
    return code_of(error), str(error), (DETAILS, details)


def _describe(error: TranslationError) -> bytes:
    """The status of an error, serialised, with all details but the request id, which each call has for itself."""
    problem = (error.field, error.problem) if isinstance(error, InvalidRequest) else None
    limit = error.limit if isinstance(error, Overloaded) else None
    return _serialize(code_of(error).value[0], str(error), error.reason, error.retry_seconds, problem, limit)


@functools.lru_cache(256)  # an overloaded server says the same again and again, and has no time to spare
def _serialize(
    code: int,
    message: str,
    reason: str,
    retry_seconds: float | None,
    problem: tuple[str, str] | None,
    limit: int | None,
) -> bytes:
    told = {} if limit is None else {"limit": str(limit)}
    details: list[Message] = [ErrorInfo(reason=reason, domain=DOMAIN, metadata=told)]
    if retry_seconds is not None:
        duration = Duration()
        duration.FromMilliseconds(round(1e3 * retry_seconds))
        details.append(RetryInfo(retry_delay=duration))
    if problem is not None:
        field, description = problem
        details.append(BadRequest(field_violations=[BadRequest.FieldViolation(field=field, description=description)]))
    serialized: bytes = Status(code=code, message=message, details=map(_pack, details)).SerializeToString()
    return serialized


def _pack(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed

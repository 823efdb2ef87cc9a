"""From an error to what a client is told: a gRPC status, with details that its program can act on (google.rpc)."""

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from server.errors import InvalidRequest, TranslationError

DOMAIN = "seq2serve"


def code_of(error: Exception) -> grpc.StatusCode:
    """The status code of an error; INTERNAL for one that is not of the project's own."""
    return grpc.StatusCode[error.status] if isinstance(error, TranslationError) else grpc.StatusCode.INTERNAL


def status_of(error: Exception, request_id: str) -> grpc.Status:
    """The whole status. Of an error that is not of the project's own, it says no more than where to look for it."""
    details: list[Message] = [RequestInfo(request_id=request_id)]
    message = f"internal error; request id {request_id}"
    if isinstance(error, TranslationError):
        message = str(error)
        details.append(ErrorInfo(reason=error.reason, domain=DOMAIN))
        if error.retry_seconds is not None:
            details.append(RetryInfo(retry_delay=_duration(error.retry_seconds)))
    if isinstance(error, InvalidRequest):
        violation = BadRequest.FieldViolation(field=error.field, description=error.problem)
        details.append(BadRequest(field_violations=[violation]))
    code: int = code_of(error).value[0]
    return rpc_status.to_status(Status(code=code, message=message, details=map(_packed, details)))


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(round(1e3 * seconds))
    return duration


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed

"""From an error to what a client is told: the gRPC status code, and details that its program can act on."""

from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo

from server.errors import (
    DeadlineExceeded,
    EngineFailed,
    EngineLost,
    InvalidRequest,
    NotServing,
    QueueFull,
    TranslationError,
    UnknownModel,
)

STATUS_CODES: dict[type[TranslationError], grpc.StatusCode] = {
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownModel: grpc.StatusCode.NOT_FOUND,
    QueueFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    NotServing: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    EngineLost: grpc.StatusCode.UNAVAILABLE,
    EngineFailed: grpc.StatusCode.INTERNAL,
}

_RETRY_SECONDS = 1
"""When a refused client may try again."""


def error_details(error: Exception, request_id: str) -> list[AnyMessage]:
    """What a client's program can act on (google.rpc.errorerror_details)."""
    details: list[Any] = [RequestInfo(request_id=request_id)]
    if isinstance(error, InvalidRequest):
        violation = BadRequest.FieldViolation(field=error.field, description=error.problem)
        details.append(BadRequest(field_violations=[violation]))
    if isinstance(error, UnknownModel):
        details.append(ErrorInfo(reason="UNKNOWN_MODEL", domain="seq2serve"))
    if isinstance(error, QueueFull | NotServing | EngineLost):
        details.append(RetryInfo(retry_delay=Duration(seconds=_RETRY_SECONDS)))
    packed = []
    for detail in details:
        message = AnyMessage()
        message.Pack(detail)
        packed.append(message)
    return packed

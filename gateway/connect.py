"""translation.v1 as Connect and gRPC-Web: what a browser, or curl with JSON, calls by the contract's own names.

`TranslateStream` is refused here: a stream in both directions needs HTTP/2, which this process does not speak, nor do
browsers send one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from connectrpc.code import Code
from connectrpc.codec import Codec
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.errors import ConnectError, ErrorDetail
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from protobuf.wkt import Any as PackedDetail
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gateway.callers import on_behalf
from gateway.calls import call, stream
from gateway.errors import CONTRACT_PATH, printable, refusal, words_of
from gateway.json_text import is_large, write_json
from gateway.settings import Settings
from seq2serve import AsyncClient, TranslationError
from seq2serve.errors import status_details
from seq2serve.pb import translation_pb2 as pb

_logger = logging.getLogger(__name__)

_SERVICE = pb.DESCRIPTOR.services_by_name["TranslationService"]

_WEB_KINDS = ("application/grpc-web", "application/grpc-web+proto", "application/grpc-web+json")
_UNARY_KINDS = ("application/json", "application/proto", *_WEB_KINDS)
_STREAM_KINDS = ("application/connect+json", "application/connect+proto", *_WEB_KINDS)
"""Content types of requests."""

_MOST_SECONDS = 86_400.0
"""Of a deadline that a caller brings; gRPC's arithmetic has an end."""


def connect_routes(client: AsyncClient, settings: Settings) -> list[BaseRoute]:
    return [
        Route(CONTRACT_PATH + method.name, _Method(client, method, settings), methods=["POST"])
        for method in _SERVICE.methods
    ]


class _Method(ConnectASGIApplication[AsyncClient]):
    """The application that answers one method, in whichever of the protocols it is called."""

    def __init__(self, client: AsyncClient, method: MethodDescriptor, settings: Settings) -> None:
        self._path = CONTRACT_PATH + method.name
        self._kinds = _STREAM_KINDS if method.server_streaming else _UNARY_KINDS
        self._timeout_seconds = settings.timeout_seconds
        super().__init__(
            service=client,
            endpoints=lambda service: {self._path: self._endpoint(service, method)},
            read_max_bytes=settings.max_body_bytes,
            compressions=(),  # a small body may become a large message before anybody looks at its size
            codecs=[_Strict(google_protobuf_binary_codec()), _Strict(google_protobuf_json_codec())],
        )

    @property
    def path(self) -> str:
        return self._path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
        if kind not in self._kinds:
            expected = ", ".join(self._kinds)
            text = f"content-type: one of {expected} expected, got {kind!r}"
            raise HTTPException(415, text, {"Accept-Post": expected})
        # The library reads headers as UTF-8, and HTTP has them in Latin-1.
        sent = [(name, value.decode("latin-1").encode()) for name, value in scope["headers"] if name != b"content-type"]
        scope = {**scope, "headers": [*sent, (b"content-type", kind.encode())]}
        await super().__call__(scope, receive, send)

    def _endpoint(self, client: AsyncClient, described: MethodDescriptor) -> Any:
        name = described.name
        is_both, is_stream = described.client_streaming, described.server_streaming
        method = MethodInfo(
            name=name,
            service_name=_SERVICE.full_name,
            input=getattr(pb, described.input_type.name),
            output=getattr(pb, described.output_type.name),
            idempotency_level=IdempotencyLevel.UNKNOWN,
            stream_type=(
                StreamType.BIDI_STREAM if is_both else StreamType.SERVER_STREAM if is_stream else StreamType.UNARY
            ),
        )

        async def answer(request: Message, context: RequestContext[Any, Any]) -> Any:
            with _told(context):
                seconds = self._seconds(context)
                deadline = asyncio.get_running_loop().time() + seconds
                told = await call(_caller(client, context), name, request, seconds)
                return await _written(told, context, deadline)

        async def answer_in_parts(request: Message, context: RequestContext[Any, Any]) -> AsyncIterator[Any]:
            with _told(context):
                seconds = self._seconds(context)
                deadline = asyncio.get_running_loop().time() + seconds
                async for message in stream(_caller(client, context), name, request, seconds):
                    yield await _written(message, context, deadline)

        async def refuse(_: AsyncIterator[Message], __: RequestContext[Any, Any]) -> AsyncIterator[Any]:
            text = f"{name}: a stream in both directions needs HTTP/2, so it is gRPC's alone, at the server's address"
            raise ConnectError(Code.UNIMPLEMENTED, text)
            yield  # which makes it a stream

        if is_both:
            return Endpoint.bidi_stream(method=method, function=refuse)
        if is_stream:
            return Endpoint.server_stream(method=method, function=answer_in_parts)
        return Endpoint.unary(method=method, function=answer)

    def _seconds(self, context: RequestContext[Any, Any]) -> float:
        milliseconds = context.timeout_ms
        return self._timeout_seconds if milliseconds is None else min(max(0.0, milliseconds / 1e3), _MOST_SECONDS)


class _Strict(Codec[Message | bytes, Message]):
    """A codec to which a body that is no message is the caller's mistake, and bytes are a message that is written."""

    def __init__(self, codec: Codec[Message, Message]) -> None:
        self._codec = codec

    def name(self) -> str:
        return self._codec.name()

    def encode(self, message: Message | bytes) -> bytes:
        return message if isinstance(message, bytes) else self._codec.encode(message)

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> Message:
        try:
            return self._codec.decode(data, message_class)
        except Exception as error:  # of several libraries
            expected = f"a message {message_class.DESCRIPTOR.full_name} expected"
            problem = printable(f"request: {expected}, got what is none: {error}")
            raise ConnectError(Code.INVALID_ARGUMENT, problem) from error


async def _written(message: Message, context: RequestContext[Any, Any], deadline: float) -> Message | bytes:
    """A message for the codec, which holds the event loop; written already where that would be for long. Raises
    TimeoutError at the deadline, which is on the event loop's clock, and InvalidRequest."""
    if not (context.request_headers.get("content-type", "").endswith("json") and is_large(message)):
        return message
    async with asyncio.timeout_at(deadline):
        return (await write_json(message)).encode()


def _caller(client: AsyncClient, context: RequestContext[Any, Any]) -> AsyncClient:
    try:
        return on_behalf(client, Headers(dict(context.request_headers.items())))
    except HTTPException as error:
        raise ConnectError(Code.INVALID_ARGUMENT, error.detail) from error


@contextmanager
def _told(context: RequestContext[Any, Any]) -> Iterator[None]:
    """Inside, errors become those of Connect; of one that nobody has thought of, the log alone has the words."""
    try:
        yield
    except TimeoutError as error:
        raise ConnectError(Code.DEADLINE_EXCEEDED, "the time has passed while the answer was written") from error
    except TranslationError as error:
        raise _connect_error(error, context) from error
    except ConnectError:
        raise
    except Exception as error:
        _logger.exception("a call of Connect failed")
        raise ConnectError(Code.INTERNAL, "internal error") from error


def _connect_error(error: TranslationError, context: RequestContext[Any, Any]) -> ConnectError:
    for name, value in (refusal(error).headers or {}).items():
        context.response_headers[name.lower()] = value
    packed = status_details(error.__cause__) if isinstance(error.__cause__, grpc.RpcError) else ()
    details = [ErrorDetail(PackedDetail(type_url=detail.type_url, value=detail.value)) for detail in packed]
    return ConnectError(Code[error.code.name.replace("CANCELLED", "CANCELED")], words_of(error), details)

"""Around every RPC: a request id, the metrics, and the one table from domain errors to gRPC status codes."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from server.errors import NotServing, TranslationError
from server.serving.metrics import Metrics
from server.serving.rpc.status import STATUS_CODES, error_details

_logger = logging.getLogger(__name__)

_GO_NAMES = {"Ok": "OK", "Cancelled": "Canceled"}
"""Status codes in metrics are named as go-grpc-prometheus names them; these two not by the rule."""

REQUEST_ID = "x-request-id"
"""Metadata: taken from the client if it sends one, and sent back with the status. Sent before that, it would commit the
call, and a client's retry policy could no longer repeat one that is refused."""

_LONGEST_REQUEST_ID = 100

_QUIET_TURNS = 10
_TURN_SECONDS = 0.02

if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[Any, Any]
    _Handler = grpc.RpcMethodHandler[Any, Any]


class RpcInterceptor(grpc.aio.ServerInterceptor):
    def __init__(self, metrics: Metrics, service: str) -> None:
        """`service`: the one whose calls `wait_until_idle` is about."""
        self._metrics = metrics
        self._service = service
        self._wrapped: dict[str, _Handler] = {}
        """By method, as gRPC asks for a handler at every call."""
        self._num_started = 0
        self._num_running = 0
        self._is_draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    def begin_draining(self) -> None:
        """Refuse every call of the service that begins from now on."""
        self._is_draining = True

    async def wait_until_none_begins(self, seconds: float) -> None:
        """Until no call of the service has begun for a moment, so that gRPC has none that is accepted and has not begun;
        for `seconds` at the most, and the later, the shorter a moment is enough. It is counted in turns of the event
        loop, of which a call takes a few to begin, and which are slow where much is to do."""
        ends = time.monotonic() + seconds
        num_quiet = 0
        while num_quiet < _QUIET_TURNS * (ends - time.monotonic()) / seconds:
            num_started = self._num_started
            await asyncio.sleep(_TURN_SECONDS)
            num_quiet = num_quiet + 1 if num_started == self._num_started else 0

    async def wait_until_idle(self, seconds: float) -> None:
        """Until no call of the service has run for that long, so that the last answers have reached the wire."""
        while True:
            await self._idle.wait()
            num_started = self._num_started
            await asyncio.sleep(seconds)
            if self._idle.is_set() and num_started == self._num_started:
                return

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["_Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler | None":
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler  # no such method: gRPC answers UNIMPLEMENTED
        wrapped = self._wrapped.get(handler_call_details.method)
        if wrapped is None:
            wrapped = self._wrapped[handler_call_details.method] = self._wrap(handler, handler_call_details.method)
        return wrapped

    def _wrap(self, handler: "_Handler", name: str) -> "_Handler":
        _, service, method = name.split("/")
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(handler.unary_unary, ("unary", service, method)),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(handler.unary_stream, ("server_stream", service, method)),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return handler

    def _unary(self, inner: Callable[..., Awaitable[Any]], labels: tuple[str, ...]) -> Any:
        async def call(request: Any, context: "_Context") -> Any:
            request_id = _request_id(context)
            with self._observed(labels, context) as outcome:
                context.set_trailing_metadata(((REQUEST_ID, request_id),))
                try:
                    self._check_draining(labels)
                    return await inner(request, context)
                except Exception as error:
                    await outcome.abort(error, request_id)

        return call

    def _stream(self, inner: Callable[..., Any], labels: tuple[str, ...]) -> Any:
        async def call(request: Any, context: "_Context") -> AsyncIterator[Any]:
            request_id = _request_id(context)
            with self._observed(labels, context) as outcome:
                context.set_trailing_metadata(((REQUEST_ID, request_id),))
                try:
                    self._check_draining(labels)
                    responses = inner(request, context)
                    if isinstance(responses, AsyncIterator):
                        async for response in responses:
                            yield response
                    else:
                        await responses  # it writes to the context by itself, as health's Watch does
                except Exception as error:
                    await outcome.abort(error, request_id)

        return call

    @contextmanager
    def _observed(self, labels: tuple[str, ...], context: "_Context") -> Iterator["_Outcome"]:
        """Count the call, and record how it ended, whichever way that is."""
        outcome = _Outcome(context)
        started = time.monotonic()
        self._metrics.rpc_started.labels(*labels).inc()
        self._count_running(labels, +1)
        try:
            yield outcome
        except (asyncio.CancelledError, GeneratorExit):
            remaining = context.time_remaining()
            is_late = remaining is not None and remaining <= 0
            outcome.code = grpc.StatusCode.DEADLINE_EXCEEDED if is_late else grpc.StatusCode.CANCELLED
            raise
        finally:
            code = "".join(word.capitalize() for word in outcome.code.name.split("_"))
            self._metrics.rpc_handled.labels(*labels, _GO_NAMES.get(code, code)).inc()
            self._metrics.rpc_seconds.labels(*labels).observe(time.monotonic() - started)
            self._count_running(labels, -1)

    def _check_draining(self, labels: tuple[str, ...]) -> None:
        """Raises NotServing."""
        _, service, _ = labels
        if self._is_draining and service == self._service:
            raise NotServing

    def _count_running(self, labels: tuple[str, ...], change: int) -> None:
        _, service, _ = labels
        if service == self._service:
            self._num_started += change > 0
            self._num_running += change
            (self._idle.clear if self._num_running else self._idle.set)()


def _request_id(context: "_Context") -> str:
    """The client's, or a new one."""
    for name, value in context.invocation_metadata() or ():
        if name == REQUEST_ID and 1 <= len(value) <= _LONGEST_REQUEST_ID:
            return str(value)
    return str(uuid.uuid4())


class _Outcome:
    def __init__(self, context: "_Context") -> None:
        self._context = context
        self.code = grpc.StatusCode.OK

    async def abort(self, error: Exception, request_id: str) -> None:
        """End the call with the status of an error. Always raises."""
        if isinstance(error, grpc.aio.AbortError):
            self.code = grpc.StatusCode(self._context.code())
            raise error
        if isinstance(error, TranslationError):
            self.code, message = STATUS_CODES[type(error)], str(error)
        else:
            _logger.error("request %s failed", request_id, exc_info=error)
            self.code, message = grpc.StatusCode.INTERNAL, f"internal error; request id {request_id}"
        status = rpc_status.to_status(
            Status(code=self.code.value[0], message=message, details=error_details(error, request_id))
        )
        trailing = ((REQUEST_ID, request_id), *status.trailing_metadata)
        await self._context.abort(status.code, status.details, trailing)

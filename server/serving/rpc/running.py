"""One call while it runs: who calls and until when, and how it ends."""

import asyncio
import contextlib
import math
import secrets
import time
import traceback
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import grpc

from server.serving.access.access import Access
from server.serving.rpc.call import Call, TraceContext, current_call
from server.serving.rpc.failures import Failures
from server.serving.rpc.status import code_of, status_of

REQUEST_ID = "x-request-id"
"""Metadata: taken from the client if it sends one, and sent back with the status. Sent before that, it would commit the
call, and a client's retry policy could no longer repeat one that is refused."""

_TRACE_CONTEXT = ("traceparent", "tracestate")
"""Metadata by which a client makes the call a part of its trace, as W3C Trace Context has it."""

_LONGEST_REQUEST_ID = 100
"""Characters; a client's longer request id is replaced."""

_STATUS_SECONDS = 5.0
"""Time that the status of a call that fails may take to be sent: it goes behind what a client has not read."""

if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[Any, Any]


class Method(Protocol):
    """The method that a call is for; it counts its calls."""

    name: str
    """Its full name."""
    is_bounded: bool
    """Whether calls without a deadline get the server's."""
    role: str
    """The role that calls need, or `roles.OPEN`."""

    @property
    def access(self) -> Access:
        """Who may call."""

    @property
    def failures(self) -> Failures:
        """Where errors are recorded."""

    @property
    def max_seconds(self) -> float:
        """Time that a call without a deadline of the client's has, from its start."""

    def begin(self) -> None:
        """Count a call."""

    def end(self, running: "RunningCall") -> None:
        """Record how a call ended."""


class RunningCall:
    """One call from its start to its end: a context, so that the call is counted whichever way it ends."""

    def __init__(self, method: Method, context: "_Context") -> None:
        self._method = method
        self.started = time.monotonic()
        remaining = context.time_remaining()
        # None for a call that gRPC ends at its deadline, and for one that nobody ends.
        self._max_seconds = method.max_seconds if remaining is None and method.is_bounded else None
        if remaining is None:
            remaining = math.inf if self._max_seconds is None else self._max_seconds
        metadata = context.invocation_metadata() or ()
        self.num_metadata_bytes = sum(len(name) + len(value) for name, value in metadata)
        caller = method.access.caller_of(metadata, context.peer())
        deadline = self.started + remaining
        trace = TraceContext([(name, value) for name, value in metadata if name in _TRACE_CONTEXT])
        self.call = Call(
            _request_id(metadata), caller, deadline, method.role, method.name, started=self.started, trace=trace
        )
        self._timeout: asyncio.Timeout | None = None
        self.code = grpc.StatusCode.OK
        self.num_bytes: int | None = None
        """Size of the call's message; None before the message is admitted."""
        self._context = context
        context.set_trailing_metadata(((REQUEST_ID, self.call.request_id),))

    def limited(self) -> AbstractAsyncContextManager[object]:
        """A context that ends the call at the server's own deadline, if the client has brought none. Raises
        TimeoutError."""
        if self._max_seconds is None:
            return contextlib.nullcontext()
        self._timeout = asyncio.timeout(self._max_seconds)
        return self._timeout

    def extend(self) -> None:
        """Give a message that has come on the call's stream, and whoever answers it, the time that a call has, where
        the client has brought no deadline."""
        if self._timeout is not None and self._max_seconds is not None:
            self._timeout.reschedule(asyncio.get_running_loop().time() + self._max_seconds)
            self.call = replace(self.call, deadline=time.monotonic() + self._max_seconds)
            current_call.set(self.call)

    def __enter__(self) -> Self:
        current_call.set(self.call)
        self._method.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self.code is grpc.StatusCode.OK and kind and issubclass(kind, asyncio.CancelledError):
            is_late = time.monotonic() >= self.call.deadline
            self.code = grpc.StatusCode.DEADLINE_EXCEEDED if is_late else grpc.StatusCode.CANCELLED
        self._method.end(self)

    async def abort(self, error: Exception) -> None:
        """End the call with the status of an error. Returns only where the call is over already; raises AbortError
        otherwise, as gRPC wants it, and CancelledError where the client takes no status."""
        if isinstance(error, grpc.aio.AbortError):  # the method has ended it by itself
            self.code = grpc.StatusCode(self._context.code())
            raise error
        self.code = code_of(error := self._method.failures.tell(error, self.call))
        _forget_frames(error)
        if self._context.done():
            return
        request_id = self.call.request_id
        code, message, details = status_of(error, request_id)
        try:
            async with asyncio.timeout(_STATUS_SECONDS):
                await self._context.abort(code, message, ((REQUEST_ID, request_id), details))
        except TimeoutError:
            raise asyncio.CancelledError from None  # on which gRPC gives up the call


def _forget_frames(error: BaseException | None) -> None:
    """Let go of the local variables that an error keeps, the message of the call among them: aborting makes a cycle of
    references of it, which would keep megabytes until the garbage collector comes by."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _request_id(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The request id that a client sent with its call; a new one where it sent none, or too long a one."""
    for name, value in metadata:
        if name == REQUEST_ID and 1 <= len(value) <= _LONGEST_REQUEST_ID:
            return str(value)
    return secrets.token_hex(16)

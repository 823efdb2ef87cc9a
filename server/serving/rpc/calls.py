"""What surrounds every call, whatever its method: it is counted and timed, gets a request id and a deadline, is refused
where there is too much to do, and ends with the status of what went wrong.

The methods of all services are registered here, and gRPC asks here for the method of each call. To gRPC every method
takes a stream of bytes: so it is here that a message is received, once there is room for it, and parsed; one that
cannot be parsed is an error like any other.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc

from server.errors import InvalidRequest, NotServing, UnknownMethod, Unreadable
from server.serving.access.access import Access
from server.serving.access.roles import OPEN, role_of
from server.serving.metrics import Metrics
from server.serving.requests.admission import Admission
from server.serving.rpc.ended import EndedCall, Observe
from server.serving.rpc.failures import Failures
from server.serving.rpc.intake import Intake
from server.serving.rpc.listen import METADATA_BYTES
from server.serving.rpc.running import RunningCall
from server.serving.rpc.writing import Writing

_QUIET_TURNS = 10
"""Turns without a new call after which no call is on its way any more."""

_TURN_SECONDS = 0.02

_LARGE_BYTES = 100_000
"""Size of a message whose parsing takes more than a fraction of a millisecond."""

_PAUSE_SECONDS = 0.002
"""Time that other calls have before the next large message is parsed."""

_KINDS = {
    (False, False): "unary",
    (False, True): "server_stream",
    (True, False): "client_stream",
    (True, True): "bidi_stream",
}
"""The names that go-grpc-prometheus has for kinds of methods, by whether a method takes and whether it gives a
stream."""


def _go_name(code: grpc.StatusCode) -> str:
    """A status code as go-grpc-prometheus names it, and with it every dashboard of gRPC."""
    name = "".join(word.capitalize() for word in code.name.split("_"))
    return {"Ok": "OK", "Cancelled": "Canceled"}.get(name, name)


if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[Any, Any]
    _Handler = grpc.RpcMethodHandler[Any, Any]


class Calls(grpc.GenericRpcHandler):
    """The methods of all services, for `add_<service>_to_server`, and the calls that run. Used on the event loop's
    thread alone."""

    def __init__(
        self,
        metrics: Metrics,
        admission: Admission,
        bounded: Collection[str],
        max_seconds: float,
        access: Access | None = None,
        observe: Observe | None = None,
    ) -> None:
        """`bounded`: the services whose calls are admitted, have `max_seconds` where they bring no deadline, and are
        waited for at the end. Those of others, and of methods that are open to everybody as health checks are, are
        answered whatever else there is to do. `access`: who may call; None: everybody. `observe`: told of every call of
        the bounded services that has ended."""
        self.observe = observe
        self.metrics = metrics
        self.admission = admission
        self.access = access or Access()
        self.max_seconds = max_seconds
        self.failures = Failures(metrics, self.access.refusals)
        self.intake = Intake()
        self.open_intake = Intake()
        """Of methods that are open to everybody: strangers keep nobody waiting who has a key."""
        self.parsing = asyncio.Lock()
        """Held while a large message is parsed."""
        self.is_draining = False
        """Whether calls of the bounded services that begin now are refused."""
        self.connections_are_told = asyncio.Event()
        """Set once clients have been told that the server ends. Calls are refused no earlier, so that a client that
        tries again does so at another server."""
        self._bounded = bounded
        self._methods: dict[str, _Handler] = {}
        self._unknown = _Method(self, ("unary", "unknown", "unknown"), None, is_bounded=False).handler
        self._num_begun = 0
        self._num_running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, "_Handler"]) -> None:
        """Called by a generated `add_<service>_to_server`."""
        for name, handler in handlers.items():
            labels = _KINDS[handler.request_streaming, handler.response_streaming], service, name
            method = _Method(self, labels, handler, is_bounded=service in self._bounded)
            self._methods[f"/{service}/{name}"] = method.handler

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Called by a generated `add_<service>_to_server` as well, with the same methods, for older servers."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "_Handler":
        """The handler of a call's method, for which gRPC asks at every call."""
        return self._methods.get(handler_call_details.method, self._unknown)

    def count_running(self, change: int) -> None:
        """Count a call of a bounded service: `change` is 1 when it begins, and -1 when it has ended."""
        self._num_begun += change > 0
        self._num_running += change
        (self._idle.clear if self._num_running else self._idle.set)()

    async def wait_until_none_begins(self, seconds: float) -> None:
        """Wait until no call of a bounded service has begun for a moment, so that gRPC has none that is accepted and
        has not begun; for `seconds` at the most. The moment is counted in turns of the event loop, of which a call
        takes a few to begin, and which are slow where much is to do."""
        ends = time.monotonic() + seconds
        num_quiet = 0
        while num_quiet < _QUIET_TURNS and time.monotonic() < ends:
            num_begun = self._num_begun
            await asyncio.sleep(_TURN_SECONDS)
            num_quiet = num_quiet + 1 if num_begun == self._num_begun else 0

    async def wait_until_idle(self, seconds: float) -> None:
        """Wait until no call of a bounded service has run for so long: the last answers have reached the wire
        then."""
        while True:
            await self._idle.wait()
            num_begun = self._num_begun
            await asyncio.sleep(seconds)
            if self._idle.is_set() and num_begun == self._num_begun:
                return


class _Method:
    """One method: the handler that gRPC calls, around the method of the service."""

    def __init__(self, calls: Calls, labels: tuple[str, ...], inner: "_Handler | None", is_bounded: bool) -> None:
        """`labels`: kind, service and name, for the metrics; `inner`: the method of the service; None for methods that
        no service has."""
        self.calls = calls
        self._labels = labels
        self.name = f"{labels[1]}/{labels[2]}"
        self.role = role_of(f"/{self.name}")
        self.is_bounded = is_bounded and self.role != OPEN
        self._intake = calls.open_intake if self.role == OPEN else calls.intake
        self._inner: Any = inner
        self._begun = calls.metrics.rpc_started.labels(*labels)
        self._seconds = calls.metrics.rpc_seconds.labels(*labels)
        # All at 0 from the start: of a series that is born with its first call, a rate does not see that call.
        self._handled = {code: calls.metrics.rpc_handled.labels(*labels, _go_name(code)) for code in grpc.StatusCode}
        self.handler: _Handler = (
            grpc.stream_stream_rpc_method_handler(self._answer_with_stream)
            if inner and inner.response_streaming
            else grpc.stream_unary_rpc_method_handler(self._answer)
        )

    async def _answer(self, _: Any, context: "_Context") -> bytes:
        with RunningCall(self, context) as running:
            try:
                async with running.limited():
                    return await self._respond(running, context)
            except Exception as error:
                await running.abort(self._told(error))
        return b""  # to nobody: the call is over

    def _told(self, error: Exception) -> Exception:
        """What a method raised, in our own words where the service does not have it, which the stubs raise."""
        return UnknownMethod(self._labels[-1]) if isinstance(error, NotImplementedError) else error

    async def _respond(self, running: RunningCall, context: "_Context") -> bytes:
        request = await self._admit(running, context)
        response = await (self._inner.unary_unary or self._inner.stream_unary)(request, context)
        serialized: bytes = self._inner.response_serializer(response)
        return serialized

    async def _answer_with_stream(self, _: Any, context: "_Context") -> None:
        # Messages are written here, not yielded to gRPC, so that a deadline that passes meanwhile is met here.
        with RunningCall(self, context) as running:
            try:
                async with running.limited():
                    await self._respond_with_stream(running, context)
            except Exception as error:
                await running.abort(self._told(error))

    async def _respond_with_stream(self, running: RunningCall, context: "_Context") -> None:
        request = await self._admit(running, context)
        writing = Writing(context, self._inner.response_serializer)
        # A method may also write to the context by itself, as health's Watch does.
        answering = (self._inner.unary_stream or self._inner.stream_stream)(request, writing)
        if not isinstance(answering, AsyncGenerator):
            await answering
            return
        async with aclosing(answering):
            async for response in answering:
                await writing.write(response)

    async def _admit(self, running: RunningCall, context: "_Context") -> Any:
        """Admit a call, and return its message, once there is room to receive it; for a method that takes a stream, an
        iterator over all messages that will come.

        Raises the error that the call is refused with.
        """
        caller = running.call.caller
        if self._inner is None:
            caller.require_key()  # and no role: clients that look for a newer method first then ask for the older one
            raise UnknownMethod(self._labels[-1])
        if self.role != OPEN:
            caller.require(self.role)
        if running.num_metadata_bytes > METADATA_BYTES:
            expected = f"at most {METADATA_BYTES} bytes expected"
            raise InvalidRequest("metadata", f"{expected}, got {running.num_metadata_bytes}")
        calls = self.calls
        if self.is_bounded and calls.is_draining:
            await calls.connections_are_told.wait()
            raise NotServing
        if self._inner.request_streaming:  # its messages are admitted one by one, see `Exchange`
            return _Requests(self, running, context)
        if self.is_bounded:
            calls.admission.check(caller)
        return await self._intake.receive(caller.name, lambda: self._receive(running, context))

    async def _receive(self, running: RunningCall, context: "_Context") -> Any:
        """Receive and parse the one message of a call, which holds its place in the intake until the bytes are
        parsed."""
        calls = self.calls
        received = await context.read()
        if received is grpc.aio.EOF:
            raise Unreadable("no message")
        if self.is_bounded:
            calls.admission.enter(running.call.caller, len(received))
            running.num_bytes = len(received)
        return await self.parse_in_turn(received)

    async def parse_in_turn(self, received: Any) -> Any:
        """Parse a message; large ones one at a time, and others in between. Raises Unreadable."""
        if len(received) <= _LARGE_BYTES:
            return self._parse(received)
        async with self.calls.parsing:
            await asyncio.sleep(_PAUSE_SECONDS)
            return self._parse(received)

    def _parse(self, received: Any) -> Any:
        """Parse a message. Raises Unreadable."""
        try:
            return self._inner.request_deserializer(received)
        except Exception as error:  # protobuf's own, and what its parts raise
            raise Unreadable(f"{len(received)} bytes that are none") from error

    @property
    def access(self) -> Access:
        return self.calls.access

    @property
    def failures(self) -> Failures:
        return self.calls.failures

    @property
    def max_seconds(self) -> float:
        return self.calls.max_seconds

    def begin(self) -> None:
        """Count a call."""
        self._begun.inc()
        if self.is_bounded:
            self.calls.count_running(+1)

    def end(self, running: RunningCall) -> None:
        """Record how a call ended."""
        self._seconds.observe(time.monotonic() - running.started)
        self._handled[running.code].inc()
        if running.num_bytes is not None:
            self.calls.admission.leave(running.call.caller, running.num_bytes)
        if self.is_bounded:
            self.calls.count_running(-1)
            if self.calls.observe:
                self.calls.observe(EndedCall(running.call, running.code))


class _Requests(AsyncIterator[Any]):
    """All messages that a call's stream will bring. Keeps none of them: whoever takes one is the only one to have
    it."""

    def __init__(self, method: _Method, running: RunningCall, context: "_Context") -> None:
        self._method = method
        self._running = running
        self._context = context

    async def __anext__(self) -> Any:
        """Raises Unreadable."""
        received = await self._context.read()
        if received is grpc.aio.EOF:
            raise StopAsyncIteration
        self._running.extend()
        return await self._method.parse_in_turn(received)

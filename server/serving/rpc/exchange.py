"""Many requests on one stream: each is answered by itself, as soon as it is ready."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from server.errors import InvalidRequest, NotServing
from server.serving.requests.admission import Admission, Shares
from server.serving.requests.record import RequestRecord
from server.serving.rpc.call import Call, current_call
from server.serving.rpc.ended import EndedCall, Observe
from server.serving.rpc.failures import Failures
from server.serving.rpc.status import code_of

MAX_IN_FLIGHT = 32
"""Messages of one stream that are answered at a time. The next one is read when an answer has been sent, so that a
client which sends faster than it is answered, or does not read its answers, is held back by HTTP/2's flow control."""

MAX_STREAMS = 64
"""Streams of many requests that may be open at a time, shared between callers. gRPC knows before Python how large a
message is, so that each of them may have one in memory that is still on its way, or waits to be admitted."""

MAX_ID_CHARACTERS = 256
"""Length of a request's id, which is in memory as often as the request has answers."""

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response")

Answer = Callable[[_Request], AsyncGenerator[_Response, None]]
"""All messages that answer a request. Raises what is wrong with it."""
Refuse = Callable[[_Request, Exception], _Response]
"""The message that tells an error, which answers for this request alone."""
HasId = Callable[[_Request], bool]
"""Whether a client can tell the answers to a request from others."""


class Exchange:
    """The streams of many requests that are open. Used on the event loop's thread alone."""

    def __init__(
        self, admission: Admission, draining: asyncio.Event, failures: Failures, observe: Observe | None = None
    ) -> None:
        """`admission`: of every message, as of a call. `draining`: set when the server ends: streams take no further
        message then, and end with NotServing when the messages that they have taken are answered. `failures`: where
        errors of messages are recorded. `observe`: told of every message that has been answered."""
        self.observe = observe
        self.admission = admission
        self.failures = failures
        self._draining = draining
        self._streams = Shares(MAX_STREAMS, "streams of many requests", "open")

    async def answers(
        self,
        requests: AsyncIterator[_Request],
        answer: Answer[_Request, _Response],
        refuse: Refuse[_Request, _Response],
        has_id: HasId[_Request] = lambda _: True,
    ) -> AsyncGenerator[_Response, None]:
        """The answers to all requests, those of different requests in the order in which they are ready; of requests
        without an id, in the order of the requests. If whoever iterates is cancelled, so is every request. Raises
        Overloaded, NotServing, and what the iterator raises."""
        caller = current_call.get().caller
        self._streams.enter(caller)
        stream = _Stream(self, answer, refuse, has_id)
        receiving = asyncio.create_task(stream.receive(requests))
        ending = asyncio.create_task(self._end_when_draining(stream, receiving))
        try:
            while (response := await stream.answers.get()) is not stream.END:
                yield response
            await receiving  # for the error that it may have ended with
        finally:
            self._streams.leave(caller)
            await _cancel([ending, receiving, *stream.answering])

    async def _end_when_draining(self, stream: "_Stream[Any, Any]", receiving: "asyncio.Task[None]") -> None:
        await self._draining.wait()
        stream.is_draining = True
        if stream.is_reading:
            receiving.cancel()


class _Stream(Generic[_Request, _Response]):
    """One stream: the requests that are answered at present."""

    END: Any = object()
    """Behind the last answer."""

    def __init__(
        self,
        exchange: Exchange,
        answer: Answer[_Request, _Response],
        refuse: Refuse[_Request, _Response],
        has_id: HasId[_Request],
    ) -> None:
        self.is_draining = False
        self.is_reading = False
        """Whether the next request is waited for: only then may `receive` be cancelled for a drain."""
        self.answers: asyncio.Queue[_Response] = asyncio.Queue(1)
        self.answering: set[asyncio.Task[None]] = set()
        self._admission = exchange.admission
        self._failures = exchange.failures
        self._observe = exchange.observe
        self._answer = answer
        self._refuse = refuse
        self._has_id = has_id
        self._order = _Order()
        self._places = asyncio.Semaphore(MAX_IN_FLIGHT)

    async def receive(self, requests: AsyncIterator[_Request]) -> None:
        """Take requests until there are no more, or no more may be taken; ends when all are answered. Raises
        NotServing, and what the iterator raises."""
        error: Exception | None = None
        try:
            with contextlib.suppress(StopAsyncIteration):
                while True:
                    await self._places.acquire()
                    await self._take(await self._read(requests))
        except Exception as raised:
            error = raised
        if self.answering:
            await asyncio.wait(self.answering)
        await self.answers.put(self.END)
        if error:
            raise error

    async def _read(self, requests: AsyncIterator[_Request]) -> _Request:
        """Raises NotServing, and what the iterator raises."""
        if self.is_draining:
            raise NotServing
        self.is_reading = True
        try:
            return await anext(requests)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self.is_draining or not task or task.uncancel():  # the stream is cancelled, too
                raise
            raise NotServing from None
        finally:
            self.is_reading = False

    async def _take(self, request: _Request) -> None:
        """Begin to answer a request, once its caller's key may have one more call. One that is not admitted is refused
        before the next one is read, so that a stream has no more than this one in memory which is not counted."""
        stream, num_bytes = current_call.get(), request.ByteSize()
        # A request has a record and a start of its own, and all else from the stream's call.
        call = replace(stream, record=RequestRecord(), started=time.monotonic(), stream=stream)
        turn, answered = self._order.place(is_free=self._has_id(request))
        try:
            with self._admission.holding(call.caller, num_bytes):
                await self._admission.wait_for_call(call.caller)
            call = replace(call, started=time.monotonic())  # what it has waited for its own key is not the server's
            call.caller.require(call.role)
            self._admission.enter(call.caller, num_bytes)
        except Exception as error:
            error = self._failures.tell(error, call)
            await turn.wait()
            await self.answers.put(self._refuse(request, error))
            self._tell_ended(EndedCall(call, code_of(error)))
            answered.set()
            self._places.release()
            return
        task = asyncio.create_task(self._serve(request, call, turn))
        self.answering.add(task)

        def end(task: "asyncio.Task[None]") -> None:  # also of a task that is cancelled before it runs
            self.answering.discard(task)
            self._admission.leave(call.caller, num_bytes)
            answered.set()
            self._places.release()

        task.add_done_callback(end)

    async def _serve(self, request: _Request, call: Call, turn: asyncio.Event) -> None:
        """Answer one request, with an error if there is one, when it is its turn."""
        current_call.set(call)
        code = grpc.StatusCode.CANCELLED
        try:
            async with contextlib.aclosing(self._answer(request)) as responses:
                async for response in responses:
                    await turn.wait()
                    await self.answers.put(response)
            code = grpc.StatusCode.OK
        except Exception as error:  # a name that ends here: else error, traceback and request would keep each other
            error = self._failures.tell(error, call)
            code = code_of(error)
            await turn.wait()
            await self.answers.put(self._refuse(request, error))
        finally:
            self._tell_ended(EndedCall(call, code))

    def _tell_ended(self, ended: EndedCall) -> None:
        if self._observe:
            self._observe(ended)


class _Order:
    """The requests of a stream that have no id. Nobody could tell their answers apart, so that these go out in the
    order of the requests."""

    def __init__(self) -> None:
        self._last = asyncio.Event()
        """Set when the last request has been answered."""
        self._last.set()

    def place(self, is_free: bool) -> tuple[asyncio.Event, asyncio.Event]:
        """The next request's place in the order; `is_free`: beside it. Returns what is set when it is the request's
        turn to be answered, and what is to be set when it has been."""
        answered = asyncio.Event()
        if is_free:
            turn = asyncio.Event()
            turn.set()
        else:
            turn, self._last = self._last, answered
        return turn, answered


def check_id(id_: str) -> None:
    """Raises InvalidRequest for a request's id that is too long."""
    if len(id_) > MAX_ID_CHARACTERS:
        raise InvalidRequest("id", f"at most {MAX_ID_CHARACTERS} characters expected, got {len(id_)}")


async def _cancel(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

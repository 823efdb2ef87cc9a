"""Many requests on one stream: each is answered by itself, as soon as it is ready."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from server.errors import NotServing, Overloaded
from server.serving.requests.admission import Admission
from server.serving.rpc.call import current_call
from server.serving.rpc.running import own_error

MAX_IN_FLIGHT = 32
"""Messages of one stream that are answered at a time. The next one is read when an answer has been sent, so that a
client which sends faster than it is answered, or does not read its answers, is held back by HTTP/2's flow control."""

MAX_STREAMS = 64
"""Streams of many requests that may be open at a time. gRPC knows before Python how large a message is, so that each of
them may have one in memory that is still on its way."""

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response")

Answer = Callable[[_Request], AsyncGenerator[_Response, None]]
"""All messages that answer a request. Raises what is wrong with it."""
Refuse = Callable[[_Request, Exception], _Response]
"""The message that tells an error, which answers for this request alone."""


class Exchange:
    """The streams of many requests that are open. Used on the event loop's thread alone."""

    def __init__(self, admission: Admission, draining: asyncio.Event) -> None:
        """`admission`: of every message, as of a call. `draining`: set when the server ends: streams take no further
        message then, and end with NotServing when the messages that they have taken are answered."""
        self._admission = admission
        self._draining = draining
        self._num_streams = 0

    async def answers(
        self,
        requests: AsyncIterator[_Request],
        answer: Answer[_Request, _Response],
        refuse: Refuse[_Request, _Response],
    ) -> AsyncGenerator[_Response, None]:
        """The answers to all requests, those of different requests in the order in which they are ready. If whoever
        iterates is cancelled, so is every request. Raises Overloaded, NotServing, and what the iterator raises."""
        if self._num_streams >= MAX_STREAMS:
            raise Overloaded(f"{self._num_streams} streams of many requests are open, which is the limit")
        self._num_streams += 1
        stream = _Stream(self._admission, answer, refuse)
        receiving = asyncio.create_task(stream.receive(requests))
        ending = asyncio.create_task(self._end_when_draining(stream, receiving))
        try:
            while (response := await stream.answers.get()) is not stream.END:
                yield response
            await receiving  # for the error that it may have ended with
        finally:
            self._num_streams -= 1
            await _cancel([ending, receiving, *stream.answering])

    async def _end_when_draining(self, stream: "_Stream[Any, Any]", receiving: "asyncio.Task[None]") -> None:
        await self._draining.wait()
        stream.is_draining = True
        receiving.cancel()


class _Stream(Generic[_Request, _Response]):
    """One stream: the requests that are answered at present."""

    END: Any = object()
    """Behind the last answer."""

    def __init__(
        self, admission: Admission, answer: Answer[_Request, _Response], refuse: Refuse[_Request, _Response]
    ) -> None:
        self.is_draining = False
        self.answers: asyncio.Queue[_Response] = asyncio.Queue(1)
        self.answering: set[asyncio.Task[None]] = set()
        self._admission = admission
        self._answer = answer
        self._refuse = refuse
        self._places = asyncio.Semaphore(MAX_IN_FLIGHT)

    async def receive(self, requests: AsyncIterator[_Request]) -> None:
        """Take requests until there are no more, or no more may be taken; ends when all are answered. Raises
        NotServing, and what the iterator raises."""
        error: Exception | None = None
        try:
            with contextlib.suppress(StopAsyncIteration):
                while True:
                    await self._places.acquire()
                    request = await anext(requests)
                    task = asyncio.create_task(self._serve(request))
                    self.answering.add(task)
                    task.add_done_callback(self.answering.discard)
        except asyncio.CancelledError:
            if not self.is_draining:
                raise
            error = NotServing()
        except Exception as raised:
            error = raised
        if self.answering:
            await asyncio.wait(self.answering)
        await self.answers.put(self.END)
        if error:
            raise error

    async def _serve(self, request: _Request) -> None:
        """Answer one request, with an error if there is one."""
        call, num_bytes = current_call.get(), request.ByteSize()
        try:
            call.caller.require(call.role)
            self._admission.enter(call.caller, num_bytes)
            try:
                async with contextlib.aclosing(self._answer(request)) as responses:
                    async for response in responses:
                        await self.answers.put(response)
            finally:
                self._admission.leave(call.caller, num_bytes)
        except Exception as error:
            await self.answers.put(self._refuse(request, own_error(error, call)))
        finally:
            self._places.release()


async def _cancel(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

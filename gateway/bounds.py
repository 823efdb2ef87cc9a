"""What a request may take: bytes of its body, and time to send them, a place among those that are being answered, and
no longer than its client stays."""

import asyncio
from collections.abc import Container

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import error_response

_DISCONNECT = "http.disconnect"

_MOST_LARGEST_BODIES = 16
"""Times that the largest body fits into the memory that the bodies of all requests may take."""


class BoundsMiddleware:
    """Refuses what is too much, and cancels the application's call when its client leaves: with it go the calls that it
    makes."""

    def __init__(
        self,
        app: ASGIApp,
        max_body_bytes: int,
        max_requests: int,
        body_seconds: float,
        always_answered: Container[str] = (),
    ) -> None:
        """`body_seconds`: time that a request has to send its body. `always_answered`: paths whose requests need no
        place."""
        self._app = app
        self._always_answered = always_answered
        self._max_body_bytes = max_body_bytes
        self._max_bytes = max_body_bytes * _MOST_LARGEST_BODIES
        self._max_requests = max_requests
        self._body_seconds = body_seconds
        self._num_requests = 0
        self._num_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if refusal := self._refusal(scope):
            await _refused(scope, refusal)(scope, receive, send)
            return
        num_bytes = 0

        async def bounded() -> Message:
            nonlocal num_bytes
            message = await receive()
            length = len(message.get("body", b""))
            num_bytes += length
            self._num_bytes += length
            if num_bytes > self._max_body_bytes:
                return _refusing(self._too_large(f"{num_bytes} or more"))
            if self._num_bytes > self._max_bytes:
                return _refusing(_too_much(f"the bodies of all requests have {self._max_bytes} bytes"))
            return message

        self._num_requests += 1
        try:
            await self._answer(scope, bounded, send)
        finally:
            self._num_requests -= 1
            self._num_bytes -= num_bytes

    def _refusal(self, scope: Scope) -> HTTPException | None:
        if self._num_requests >= self._max_requests and scope["path"] not in self._always_answered:
            return _too_much(f"{self._num_requests} requests are being answered")
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > self._max_body_bytes:
            return self._too_large(length)
        return None

    def _too_large(self, length: str) -> HTTPException:
        return HTTPException(413, f"Invalid request: body: at most {self._max_body_bytes} bytes expected, got {length}")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application in a task, and read on beside it for the client's leaving, of which nobody else would
        hear before the answer is sent."""
        messages: asyncio.Queue[Message] = asyncio.Queue(1)
        is_started = is_answered = False

        async def send_and_look(message: Message) -> None:
            nonlocal is_started, is_answered
            is_started = True
            is_answered = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        async def relay() -> Message:
            try:
                async with asyncio.timeout(self._body_seconds) as time_for_body:
                    while (message := await receive())["type"] != _DISCONNECT:
                        await messages.put(message)
                        if not message.get("more_body", False):
                            time_for_body.reschedule(None)
            except TimeoutError:
                return _refusing(HTTPException(408, f"the body has not come within {self._body_seconds:g} s"))
            return message

        answering = asyncio.ensure_future(self._app(scope, messages.get, send_and_look))
        relaying = asyncio.ensure_future(relay())
        try:
            await asyncio.wait((answering, relaying), return_when=asyncio.FIRST_COMPLETED)
            if answering.done() or is_answered:
                await answering
                return
            refusal: HTTPException | None = relaying.result().get("refusal")
            scope["state"]["is_left"] = refusal is None
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            if refusal and not is_started:
                await _refused(scope, refusal)(scope, receive, send)
        finally:
            for task in (answering, relaying):
                task.cancel()
            await asyncio.gather(answering, relaying, return_exceptions=True)


def _refusing(refusal: HTTPException) -> Message:
    """In place of what a client sends more: nothing is read any further."""
    return {"type": _DISCONNECT, "refusal": refusal}


def _too_much(what: str) -> HTTPException:
    return HTTPException(429, f"{what}, which is the limit", {"Retry-After": "1"})


def _refused(scope: Scope, refusal: HTTPException) -> ASGIApp:
    return error_response(scope["path"], refusal.status_code, refusal.detail, refusal.headers)

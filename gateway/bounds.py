"""What a request may take: bytes of its body, a place among those that are being answered, and no longer than its
client stays."""

import asyncio
from collections.abc import Container

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import error_response

_DISCONNECT = "http.disconnect"


class BoundsMiddleware:
    """Refuses what is too much, and cancels the application's call when its client leaves: with it go the calls that it
    makes."""

    def __init__(
        self, app: ASGIApp, max_body_bytes: int, max_requests: int, always_answered: Container[str] = ()
    ) -> None:
        """`always_answered`: paths whose requests need no place."""
        self._app = app
        self._always_answered = always_answered
        self._max_body_bytes = max_body_bytes
        self._max_requests = max_requests
        self._num_requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if refusal := self._refusal(scope):
            await error_response(scope["path"], refusal.status_code, refusal.detail, refusal.headers)(
                scope, receive, send
            )
            return
        self._num_requests += 1
        try:
            await self._answer(scope, self._bounded(receive), send)
        finally:
            self._num_requests -= 1

    def _refusal(self, scope: Scope) -> HTTPException | None:
        if self._num_requests >= self._max_requests and scope["path"] not in self._always_answered:
            text = f"{self._num_requests} requests are being answered, which is the limit"
            return HTTPException(429, text, {"Retry-After": "1"})
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > self._max_body_bytes:
            return self._too_large(length)
        return None

    def _too_large(self, length: str) -> HTTPException:
        return HTTPException(413, f"Invalid request: body: at most {self._max_body_bytes} bytes expected, got {length}")

    def _bounded(self, receive: Receive) -> Receive:
        num_bytes = 0

        async def bounded() -> Message:
            nonlocal num_bytes
            message = await receive()
            num_bytes += len(message.get("body", b""))
            return message if num_bytes <= self._max_body_bytes else {"type": _DISCONNECT, "num_bytes": num_bytes}

        return bounded

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
            while (message := await receive())["type"] != _DISCONNECT:
                await messages.put(message)
            return message

        answering = asyncio.ensure_future(self._app(scope, messages.get, send_and_look))
        relaying = asyncio.ensure_future(relay())
        try:
            await asyncio.wait((answering, relaying), return_when=asyncio.FIRST_COMPLETED)
            if answering.done() or is_answered:
                await answering
                return
            scope["state"]["is_left"] = "num_bytes" not in relaying.result()
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            if (length := relaying.result().get("num_bytes")) and not is_started:
                refusal = self._too_large(f"{length} or more")
                await error_response(scope["path"], 413, refusal.detail)(scope, receive, send)
        finally:
            for task in (answering, relaying):
                task.cancel()
            await asyncio.gather(answering, relaying, return_exceptions=True)

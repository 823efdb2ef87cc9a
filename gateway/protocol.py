"""HTTP/1.1 as uvicorn speaks it, and what it lacks where clients are slow or wrong: a limit for how long the head of a
request may take to come, as whoever sends it byte by byte, or nothing at all, holds a connection for as long; and one
answer for a request, whatever comes behind it."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_HEAD_SECONDS = 10.0


class PatientProtocol(H11Protocol):
    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._waiting: asyncio.TimerHandle | None = None
        """For the rest of a head."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        if self.conn.their_state in (h11.MUST_CLOSE, h11.CLOSED, h11.ERROR):  # what follows the last request is none
            return
        super().data_received(data)
        self._look()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._forget()

    def send_400_response(self, msg: str) -> None:
        """Of a body that is none the request is still being answered: that ends, and what it says is not sent."""
        if self.cycle and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _look(self) -> None:
        if self.conn.their_state is not h11.IDLE:  # the head is there
            self._forget()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(_HEAD_SECONDS, self.timeout_keep_alive_handler)

    def _forget(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None

"""The engines, seen from the serving process: they decode in a process of their own (`server/decoding`).

All of this runs on the event loop's thread, but for `EngineSeries.collect`.
"""

import asyncio
import dataclasses
import itertools
import logging
import socket
import time
from collections.abc import Callable, Sequence

from prometheus_client import Metric

from server.bundle.manifest import Bundle, BundleError
from server.config import ServerConfig
from server.errors import EngineFailed, NotServing, QueueFull
from server.messages.frames import (
    Cancel,
    Close,
    Collect,
    Collected,
    Load,
    Loaded,
    Submit,
    ToEngine,
    Told,
    Unframed,
    framed,
)
from server.messages.sentence import Failed, Listener, Sentence, Written

_logger = logging.getLogger(__name__)

COLLECT_SECONDS = 0.5
"""That a scrape waits for an engine."""

_MAX_UNREAD_BYTES = 8_000_000
"""Of messages to an engine that does not read; then its queue is full, whatever is in it."""


class RemoteEngine(asyncio.Protocol):
    """One model's engine, in the decoding process."""

    def __init__(self, name: str, config: ServerConfig, on_failure: Callable[[], None]) -> None:
        """`on_failure` is called when it has ended by itself, after every open sentence was told."""
        self._name = name
        self._config = config
        self._on_failure = on_failure
        self._transport: asyncio.Transport
        self._unframed = Unframed()
        self._outgoing: list[bytes] = []
        self._numbers = itertools.count()
        self._listeners: dict[int, Listener] = {}
        self._collecting: asyncio.Future[None] | None = None
        self._series: list[Metric] = []
        """As last collected."""
        self._loaded: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._is_closing = False

    async def connect(self, connection: socket.socket, bundle: Bundle) -> None:
        """It begins to load."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_unix_connection(lambda: self, sock=connection)
        self._send(Load(self._config, bundle))

    async def wait_until_loaded(self) -> None:
        """Raises BundleError for a bundle that cannot be served, or for an engine that has ended."""
        problem = await self._loaded
        if problem:
            raise BundleError(problem)

    async def close(self) -> None:
        """Sentences that are in are finished first."""
        if not self._is_closing:
            self._is_closing = True
            self._send(Close())
        await self._ended.wait()

    async def abandon(self) -> None:
        """Close without waiting for what is in."""
        self._is_closing = True
        self._transport.abort()
        await self._ended.wait()

    def submit(self, sentences: Sequence[Sentence]) -> list[int]:
        """Queue all of the sentences, or none: then each fails with QueueFull. Returns their numbers, for `cancel`.

        Raises QueueFull where more are open here than can run and wait, so that nobody waits for the engine's next step
        to be refused; NotServing once it is closing, or has ended.
        """
        if self._is_closing or self._ended.is_set():
            raise NotServing
        max_waiting = self._config.max_waiting
        num_waiting = len(self._listeners) - self._config.max_rows  # or more: who runs has a row at least
        num_unread = self._transport.get_write_buffer_size()
        if num_waiting + len(sentences) > max_waiting or num_unread > _MAX_UNREAD_BYTES:
            raise QueueFull(max(num_waiting, 0), len(sentences), max_waiting)
        now = time.monotonic()
        numbered = [dataclasses.replace(one, listener=next(self._numbers), submitted=now) for one in sentences]
        numbers = [sentence.listener for sentence in numbered]
        self._send(Submit(numbered))
        self._listeners.update(zip(numbers, (sentence.listener for sentence in sentences), strict=True))
        return numbers

    def cancel(self, ids: Sequence[int]) -> None:
        """Nobody waits for these any more. Ended ones are passed over."""
        open_numbers = [number for number in ids if self._listeners.pop(number, None)]
        if open_numbers:
            self._send(Cancel(open_numbers))

    async def collect(self) -> list[Metric]:
        """Its series, as they are now; as they last were, where it has ended, or is in a step that takes long."""
        if not self._ended.is_set():
            if self._collecting is None:  # else it is asked already
                self._collecting = asyncio.get_running_loop().create_future()
                self._send(Collect())
            await asyncio.wait([self._collecting], timeout=COLLECT_SECONDS)
        return self._series

    def _send(self, message: ToEngine) -> None:
        """With all others of this turn of the event loop."""
        outgoing = framed(message)
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append(outgoing)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        self._transport.write(b"".join(outgoing))

    # Called by the event loop.

    def data_received(self, data: bytes) -> None:
        for message in self._unframed.feed(data):
            if isinstance(message, Told):
                self._tell(message)
            elif isinstance(message, Collected):
                self._series = message.series
                self._collected()
            elif isinstance(message, Loaded):
                self._is_closing |= bool(message.problem)
                self._loaded.set_result(message.problem)

    def _tell(self, told: Told) -> None:
        for number, event in told.events:
            # A cancelled one has no listener any more; what was on its way is dropped.
            take = self._listeners.get if isinstance(event, Written) else self._listeners.pop
            listener = take(number, None)
            if listener:
                listener(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()
        listeners, self._listeners = self._listeners, {}
        for listener in listeners.values():
            listener(Failed(EngineFailed()))
        self._collected()
        if not self._loaded.done():
            self._loaded.set_result(f"the decoding process ended while it loaded {self._name}")
        if not self._is_closing:
            _logger.error("the engine of %s has ended", self._name)
            self._on_failure()

    def _collected(self) -> None:
        if self._collecting:
            self._collecting.set_result(None)
            self._collecting = None

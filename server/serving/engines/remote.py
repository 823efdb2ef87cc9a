"""The engines, seen from the serving process: they decode in a process of their own (`server/decoding`).

All of this runs on the event loop's thread, but for `EngineSeries.collect`.
"""

import asyncio
import dataclasses
import itertools
import logging
import socket
import time
from collections import Counter
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
from server.messages.places import check_places
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
        """Of open sentences, by number."""
        self._callers: dict[int, str] = {}
        """Of open sentences, by number."""
        self._num_open: Counter[str] = Counter()
        """Open sentences, by caller."""
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
        """Queue all of a request's sentences, or none: then each fails with QueueFull. Returns their numbers, for
        `cancel`.

        Raises QueueFull where more are open here than can run and wait, so that nobody waits for the engine's next step
        to be refused; NotServing once it is closing, or has ended.
        """
        if self._is_closing or self._ended.is_set():
            raise NotServing
        caller = sentences[0].caller
        self._check_room(len(sentences), caller)
        now = time.monotonic()
        numbered = [dataclasses.replace(one, listener=next(self._numbers), submitted=now) for one in sentences]
        numbers = [sentence.listener for sentence in numbered]
        self._send(Submit(numbered))
        self._listeners.update(zip(numbers, (sentence.listener for sentence in sentences), strict=True))
        self._callers.update(dict.fromkeys(numbers, caller))
        self._num_open[caller] += len(numbers)
        return numbers

    def _check_room(self, num_submitted: int, caller: str) -> None:
        """Raises QueueFull. Who runs is known to the engine alone, and has a row at least; the caller's own sentences
        are taken to run, as far as there are rows, so that nobody is refused whom the engine would take."""
        num_own, max_rows = self._num_open[caller], self._config.max_rows
        num_others = len(self._listeners) - num_own
        own_waiting = max(num_own - max_rows, 0)
        others_waiting = max(num_others - max(max_rows - num_own, 0), 0)
        check_places(num_submitted, own_waiting, others_waiting, self._config.max_waiting)
        if self._transport.get_write_buffer_size() > _MAX_UNREAD_BYTES:
            raise QueueFull(own_waiting, num_submitted, 0, others_waiting)

    def cancel(self, ids: Sequence[int]) -> None:
        """Nobody waits for these any more. Ended ones are passed over."""
        open_numbers = [number for number in ids if self._take_listener(number)]
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
            listener = self._listeners.get(number) if isinstance(event, Written) else self._take_listener(number)
            if listener:
                listener(event)

    def _take_listener(self, number: int) -> Listener | None:
        """The sentence is open no more."""
        listener = self._listeners.pop(number, None)
        if listener:
            caller = self._callers.pop(number)
            self._num_open[caller] -= 1
            if not self._num_open[caller]:
                del self._num_open[caller]
        return listener

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

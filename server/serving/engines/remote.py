"""One engine as the serving process sees it: the end of a socket, at whose other end a process decodes.

All of this runs on the event loop's thread. An engine lives once; `keeper.py` starts the next one.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence

from prometheus_client import Metric

from server.bundle.manifest import Bundle
from server.config import ServerConfig
from server.messages.batch_state import BatchState
from server.messages.frames import (
    Cancel,
    Close,
    Collect,
    Collected,
    Load,
    Loaded,
    Look,
    Ping,
    Pong,
    Seen,
    Submit,
    ToEngine,
    Told,
    Unframed,
    framed,
)
from server.messages.sentence import Event, Sentence

_logger = logging.getLogger(__name__)

COLLECT_SECONDS = 0.5
"""Time that a scrape waits for an engine."""

_MAX_UNREAD_BYTES = 8_000_000
"""Bytes that an engine has not read, beyond which it is sent no more sentences."""

Tell = Callable[[Sequence[tuple[int, Event]]], None]
"""Takes the events of sentences, each with the number that it was submitted under."""


class RemoteEngine(asyncio.Protocol):
    """An engine in a process of its own, and the connection to it."""

    def __init__(self, model: str, tell: Tell) -> None:
        self._model = model
        self._tell = tell
        self._transport: asyncio.Transport
        self._unframed = Unframed()
        self._outgoing: list[bytes] = []
        self._collecting: asyncio.Future[None] | None = None
        self._loaded: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self.series: list[Metric] = []
        """The engine's series, as last collected."""
        self.is_answering = True
        """Whether the last `ping` was answered."""
        self._is_looking = False
        """Whether the engine was asked for its batch, and has not answered yet."""
        self._seen: BatchState | None = None
        """The batch as the engine has told it; None once that was taken."""

    async def connect(self, connection: socket.socket, config: ServerConfig, bundle: Bundle) -> None:
        """Connect to the engine, which begins to load the bundle."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_unix_connection(lambda: self, sock=connection)
        self._send(Load(config, bundle))

    async def loading_problem(self) -> str:
        """Wait until the engine has loaded. Returns why the model cannot be served; an empty text where it can."""
        return await asyncio.shield(self._loaded)

    async def wait_until_ended(self, seconds: float) -> bool:
        """Wait for the engine's end, for `seconds` at the most. Returns whether it has ended."""
        try:
            await asyncio.wait_for(self._ended.wait(), seconds)
        except TimeoutError:
            return False
        return True

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    @property
    def is_behind(self) -> bool:
        """Whether the engine has left so much unread that it should be sent no more."""
        return self._transport.get_write_buffer_size() > _MAX_UNREAD_BYTES

    def submit(self, sentences: list[Sentence]) -> None:
        """Submit sentences, each with a number as its listener. The engine queues all of them or none; in that case it
        tells that each has failed, with QueueFull."""
        self._send(Submit(sentences))

    def cancel(self, numbers: list[int]) -> None:
        """Drop sentences that nobody waits for any more. Sentences that have ended are passed over."""
        self._send(Cancel(numbers))

    def ping(self) -> None:
        """Ask whether the decode loop still turns: `is_answering` is false from here until it says so."""
        self.is_answering = False
        self._send(Ping())

    def look(self) -> BatchState | None:
        """Take what the engine has answered to the look before this one, and ask again. None where it has not answered
        yet: its step takes longer."""
        seen, self._seen = self._seen, None
        if not self._is_looking:
            self._is_looking = True
            self._send(Look())
        return seen

    def close(self) -> None:
        """Tell the engine to finish the sentences that are in it, and to end."""
        self._send(Close())

    def abandon(self) -> None:
        """Close the connection at once, so that the engine ends with the step that it is in."""
        self._transport.abort()

    async def collect(self) -> list[Metric]:
        """The engine's series as they are now; as they were last, where the engine has ended, or is in a step that
        takes long."""
        if not self.has_ended:
            if self._collecting is None:  # else it is asked already
                self._collecting = asyncio.get_running_loop().create_future()
                self._send(Collect())
            await asyncio.wait([self._collecting], timeout=COLLECT_SECONDS)
        return self.series

    def _send(self, message: ToEngine) -> None:
        """Send a message, together with all others of this turn of the event loop. An engine that has ended is sent
        nothing."""
        if self.has_ended:
            return
        outgoing = framed(message)
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append(outgoing)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        self._transport.write(b"".join(outgoing))

    # Called by the event loop.

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._unframed.feed(data):
                self._handle(message)
        except Exception:  # whatever unpickling nonsense may raise
            _logger.exception("what an engine of %s says cannot be read", self._model)
            self._transport.abort()

    def _handle(self, message: object) -> None:
        if isinstance(message, Told):
            self._tell(message.events)
        elif isinstance(message, Pong):
            self.is_answering = True
        elif isinstance(message, Seen):
            self._is_looking, self._seen = False, message.state
        elif isinstance(message, Collected):
            self.series = message.series
            self._end_collecting()
        elif isinstance(message, Loaded):
            self._loaded.set_result(message.problem)
        else:
            raise TypeError(f"no message of an engine: {message!r:.100}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()
        self._end_collecting()
        if not self._loaded.done():
            self._loaded.set_result(f"the decoding process ended while it loaded {self._model}")

    def _end_collecting(self) -> None:
        if self._collecting:
            self._collecting.set_result(None)
            self._collecting = None

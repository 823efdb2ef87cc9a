"""The engines, seen from the serving process: they decode in a process of their own (`decoding_process.py`).

All of this runs on the event loop's thread.
"""

import asyncio
import dataclasses
import itertools
import logging
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prometheus_client import Metric
from prometheus_client.registry import Collector

from server.bundle import Bundle, BundleError
from server.config import ServerConfig
from server.errors import EngineFailed, NotServing
from server.messages import Cancel, Close, Collect, Collected, Load, Loaded, Submit, Told, Unframed, framed
from server.sentence import Failed, Listener, Sentence, Written

_logger = logging.getLogger(__name__)

Launch = Callable[[socket.socket], Callable[[], int]]
"""Starts what decodes at the other end of a socket pair; what it returns waits for its end, and gives its status."""


def launch_process(connection: socket.socket) -> Callable[[], int]:
    descriptor = connection.fileno()
    command = [sys.executable, "-m", "server.decoding_process", str(descriptor)]
    # A process group of its own: Ctrl-C at a terminal is for the serving process, which drains.
    return subprocess.Popen(command, pass_fds=[descriptor], stdin=subprocess.DEVNULL, process_group=0).wait


class Engines(asyncio.Protocol):
    """The connection to the decoding process. `start` first, `close` at the end."""

    def __init__(self, on_failure: Callable[[], None], launch: Launch = launch_process) -> None:
        """`on_failure` is called when the process has ended by itself, after every open sentence was told."""
        self._on_failure = on_failure
        self._launch = launch
        self._unframed = Unframed()
        self._numbers = itertools.count()
        self._listeners: dict[int, Listener] = {}
        self._outgoing: list[bytes] = []
        self._collecting: deque[asyncio.Future[list[Metric]]] = deque()
        self._is_closing = False

    async def start(self, config: ServerConfig, bundles: list[Bundle]) -> None:
        """Launch it, and send it what it is to load."""
        loop = asyncio.get_running_loop()
        self._loaded: asyncio.Future[str] = loop.create_future()
        self._ended = asyncio.Event()
        ours, theirs = socket.socketpair()
        with theirs:
            self._wait_for_status = self._launch(theirs)
        self._transport, _ = await loop.create_unix_connection(lambda: self, sock=ours)
        self._send(Load(config, bundles))

    async def wait_until_loaded(self) -> None:
        """Raises BundleError for a bundle that cannot be served, or for a process that could not load them."""
        problem = await self._loaded
        if problem:
            raise BundleError(problem)

    async def close(self) -> None:
        """Sentences that are in are finished first."""
        if not self._is_closing:
            self._is_closing = True
            self._send(Close())
        await self._ended.wait()
        await asyncio.to_thread(self._wait_for_status)

    async def abandon(self) -> None:
        """Close without waiting for what is in."""
        self._is_closing = True
        self._transport.abort()
        await self.close()

    def submit(self, model: str, sentences: Sequence[Sentence]) -> list[int]:
        """Queue all of the sentences, or none: then each fails with QueueFull. Returns their numbers, for `cancel`.

        Raises NotServing once it has ended.
        """
        if self._is_closing or self._ended.is_set():
            raise NotServing
        numbered = []
        for sentence, number in zip(sentences, self._numbers, strict=False):
            self._listeners[number] = sentence.listener
            numbered.append(dataclasses.replace(sentence, listener=number))
        self._send(Submit(model, numbered))
        return [sentence.listener for sentence in numbered]

    def cancel(self, numbers: Sequence[int]) -> None:
        """Nobody waits for these any more. Ended ones are passed over."""
        open_numbers = [number for number in numbers if self._listeners.pop(number, None)]
        if open_numbers:
            self._send(Cancel(open_numbers))

    async def collect(self) -> list[Metric]:
        """The engines' series, as they are now; none once the process has ended."""
        if self._ended.is_set():
            return []
        answer = asyncio.get_running_loop().create_future()
        self._collecting.append(answer)
        self._send(Collect())
        return await answer

    def _send(self, message: Load | Submit | Cancel | Collect | Close) -> None:
        """With all others of this turn of the event loop: waking a process costs more than reading many messages."""
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append(framed(message))

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        self._transport.write(b"".join(outgoing))

    # Called by the event loop.

    def data_received(self, data: bytes) -> None:
        for message in self._unframed.feed(data):
            if isinstance(message, Told):
                self._tell(message)
            elif isinstance(message, Collected):
                _answer(self._collecting.popleft(), message.series)
            elif isinstance(message, Loaded):
                _answer(self._loaded, message.problem)

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
        for waiting in self._collecting:
            _answer(waiting, [])
        if not self._loaded.done():
            self._loaded.set_result("the decoding process ended while it loaded the models")
        elif not self._is_closing:
            _logger.error("the decoding process has ended")
            self._on_failure()


class RemoteEngine:
    """One model's engine."""

    def __init__(self, engines: Engines, model: str) -> None:
        self._engines = engines
        self._model = model

    def submit(self, sentences: Sequence[Sentence]) -> list[int]:
        """See `Engines.submit`."""
        return self._engines.submit(self._model, sentences)

    def cancel(self, numbers: Sequence[int]) -> None:
        self._engines.cancel(numbers)


class EngineSeries(Collector):
    """What the engines measure, for a registry of this process; scraped on a thread of its own."""

    def __init__(self, engines: Engines, loop: asyncio.AbstractEventLoop) -> None:
        """`loop`: that of `engines`."""
        self._engines = engines
        self._loop = loop

    def collect(self) -> Iterable[Metric]:
        return asyncio.run_coroutine_threadsafe(self._engines.collect(), self._loop).result()


def _answer(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():  # whoever asked may have gone
        future.set_result(result)

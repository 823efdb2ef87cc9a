"""The processes that decode, as the serving process starts and ends them.

All of this runs on the event loop's thread, but for `EngineSeries.collect`.
"""

import asyncio
import copy
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.registry import Collector

from server.bundle.manifest import Bundle
from server.config import ServerConfig
from server.serving.engines.remote import COLLECT_SECONDS, RemoteEngine

_logger = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0
"""That the decoding process gets to end, once nobody waits for a translation any more."""


class Launched(Protocol):
    """What decodes, as `subprocess.Popen` has it."""

    def wait(self, timeout: float | None = None) -> int:
        """For its end; returns its status. Raises subprocess.TimeoutExpired."""

    def kill(self) -> None: ...


Launch = Callable[[Sequence[socket.socket]], Launched]
"""Starts what decodes, one engine at the other end of each socket pair."""


def launch_process(connections: Sequence[socket.socket]) -> Launched:
    descriptors = [connection.fileno() for connection in connections]
    command = [sys.executable, "-m", "server.decoding", *map(str, descriptors)]
    # Signals are for the serving process, which drains: those of a terminal go to its process group alone, and those
    # from who ends all of a service's processes stay blocked there as they are here now.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    try:
        return subprocess.Popen(command, pass_fds=descriptors, stdin=subprocess.DEVNULL, process_group=0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


class Engines:
    """All models' engines, and the process that they are in. `start` first, `close` at the end."""

    def __init__(self, on_failure: Callable[[], None], launch: Launch = launch_process) -> None:
        """`on_failure` is called when an engine has ended by itself, after its open sentences were told."""
        self._on_failure = on_failure
        self._launch = launch
        self._by_name: dict[str, RemoteEngine] = {}

    def __getitem__(self, name: str) -> RemoteEngine:
        return self._by_name[name]

    async def start(self, config: ServerConfig, bundles: Sequence[Bundle]) -> None:
        """Launch the process, with an engine for each, which begin to load."""
        pairs = [socket.socketpair() for _ in bundles]
        with ExitStack() as stack:
            self._launched = self._launch([stack.enter_context(theirs) for _, theirs in pairs])
        for bundle, (ours, _) in zip(bundles, pairs, strict=True):
            engine = RemoteEngine(bundle.manifest.name, config, self._on_failure)
            self._by_name[bundle.manifest.name] = engine
            await engine.connect(ours, bundle)

    async def wait_until_loaded(self) -> None:
        """Raises BundleError for a bundle that cannot be served."""
        for engine in self._by_name.values():
            await engine.wait_until_loaded()

    async def close(self) -> bool:
        """Sentences that are in are finished first. Returns whether all went well."""
        closing = asyncio.gather(*(engine.close() for engine in self._by_name.values()))
        try:
            await asyncio.wait_for(closing, CLOSE_SECONDS)
        except TimeoutError:
            _logger.error("the decoding process does not end, and is killed")
            self._launched.kill()
        status = await asyncio.to_thread(self._launched.wait)
        if status:
            _logger.error("the decoding process has ended with status %s", status)
        return not status

    async def abandon(self) -> None:
        """Close without waiting for what is in."""
        await asyncio.gather(*(engine.abandon() for engine in self._by_name.values()))
        try:
            await asyncio.to_thread(self._launched.wait, CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._launched.kill()
            await asyncio.to_thread(self._launched.wait)

    async def collect(self) -> list[Metric]:
        """The series of all, as they are now."""
        merged: dict[str, Metric] = {}
        for series in await asyncio.gather(*(engine.collect() for engine in self._by_name.values())):
            for metric in series:
                if metric.name not in merged:
                    merged[metric.name] = copy.copy(metric)
                    merged[metric.name].samples = []
                merged[metric.name].samples += metric.samples
        return list(merged.values())


class EngineSeries(Collector):
    """What the engines measure, for a registry of this process; scraped on a thread of its own."""

    def __init__(self, engines: Engines, loop: asyncio.AbstractEventLoop) -> None:
        """`loop`: that of `engines`."""
        self._engines = engines
        self._loop = loop

    def collect(self) -> Iterable[Metric]:
        collecting = asyncio.run_coroutine_threadsafe(self._engines.collect(), self._loop)
        try:
            return collecting.result(2 * COLLECT_SECONDS)
        except TimeoutError:  # of the event loop: the process's other series are shown all the same
            return []

"""One engine of a fake model as the serving process sees it."""

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from server.bundle.manifest import Bundle
from server.config import ServerConfig
from server.decoding.graphs.backend import BackendOptions
from server.messages.sentence import Event, Failed, Listener, Sentence, Written
from server.serving.engines.keeper import Timing
from server.serving.engines.pool import EnginePool
from server.serving.engines.processes import BundleEngines
from tests.fakes import PATIENCE, FakeBackend, Gate, greedy
from tests.integration.served import PATIENT, Decoding, eventually, launched_here

LaunchHere = Callable[[str, socket.socket], Decoding]

LIMIT = 20

QUICK = Timing(ping_seconds=PATIENCE, first_delay=0.01, hold_seconds=PATIENCE)
"""Starts engines again at once, and takes none for lost that only stands before its gate."""
WATCHFUL = Timing(ping_seconds=0.02, lost_pings=5, killed_pings=10**6, first_delay=0.01, hold_seconds=0.05)


class Remote:
    """One engine of a fake model, behind a gate, and how its sentences ended."""

    def __init__(self, engines: BundleEngines, gate: Gate) -> None:
        self.engines = engines
        self.engine: EnginePool = engines.pool
        self.gate = gate
        self.ends: dict[int, Event] = {}
        self.written: set[int] = set()
        """Keys of which a part has been told."""
        self._changed = asyncio.Event()

    def submit(self, *sources: list[int], key: int = 0, caller: str = "", streams: bool = False) -> list[int]:
        """Keys are counted from `key`."""
        sentences = [
            Sentence(source, greedy(LIMIT), self.listener(key + number), streams=streams, caller=caller)
            for number, source in enumerate(sources)
        ]
        return self.engine.submit(sentences)

    def listener(self, key: int) -> Listener:
        def listen(event: Event) -> None:
            assert key not in self.ends
            if isinstance(event, Written):
                self.written.add(key)
            else:
                self.ends[key] = event
            self._changed.set()

        return listen

    async def ended(self, key: int) -> Event:
        async with asyncio.timeout(PATIENCE):
            while key not in self.ends:
                self._changed.clear()
                await self._changed.wait()
        return self.ends[key]

    async def held(self) -> None:
        await asyncio.to_thread(self.gate.wait_until_held)

    async def error(self, key: int) -> Exception:
        event = await self.ended(key)
        assert isinstance(event, Failed)
        return event.error

    async def series(self, name: str) -> float | None:
        """None where there is no such series."""
        values = [s.value for metric in await self.engines.collect() for s in metric.samples if s.name == name]
        assert len(values) <= 1
        return values[0] if values else None

    async def serving(self, number: int) -> None:
        """Wait until so many engines serve."""

        async def has_come() -> bool:
            return self.engine.num_serving == number

        await eventually(has_come)


@asynccontextmanager
async def remote(
    bundle: Bundle,
    backend: type[FakeBackend] = FakeBackend,
    timing: Timing = PATIENT,
    around: Callable[[LaunchHere], LaunchHere] = lambda launch: launch,
    **settings: Any,
) -> AsyncIterator[Remote]:
    """`around`: what the test has to do with every start of an engine."""
    gate = Gate()

    class Warm(backend):  # type: ignore[misc, valid-type]
        def warm_up(self, source: list[int]) -> None:
            """Nothing: it would stand before the gate."""

    def open_backend(_: Bundle, options: BackendOptions) -> FakeBackend:
        opened: FakeBackend = Warm(options.max_rows, gate)
        return opened

    config, launch = dataclasses.replace(ServerConfig(), **settings), around(launched_here(open_backend))
    engines = BundleEngines(config, bundle, lambda: None, launch, timing)
    await engines.start()
    try:
        await engines.wait_until_loaded()
        yield Remote(engines, gate)
    finally:
        gate.open()
        await engines.close()

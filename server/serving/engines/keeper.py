"""Keeps one engine of a model running: starts it, sees that it turns, and starts the next one when it is lost.

All of this runs on the event loop's thread.
"""

import asyncio
import logging
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass

from prometheus_client import Metric

from server.bundle.manifest import Bundle, BundleError
from server.config import ServerConfig
from server.messages.batch_state import BatchState
from server.serving.engines.launch import Launch, Launched
from server.serving.engines.pool import EnginePool
from server.serving.engines.remote import RemoteEngine
from server.serving.engines.series import counted, summed

_logger = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0
"""Time that an engine gets to end, once nobody waits for a translation any more."""

_EXIT_SECONDS = 1.0
"""Time that a process gets to exit, once its socket has ended."""


@dataclass(frozen=True)
class Timing:
    """When an engine counts as lost, and when the next one starts."""

    ping_seconds: float = 1.0
    """Time between two pings."""
    lost_pings: int = 4
    """Pings in a row that an engine leaves unanswered before it serves no more: its longest turn, a run of the encoder
    and a step of all rows, takes tenths of a second at OPUS-MT's size, and a few times that where cores are short."""
    killed_pings: int = 30
    """Pings in a row that an engine leaves unanswered before it is killed: it may only have been stopped, or swapped
    out."""
    load_seconds: float = 300.0
    """Time that an engine may take to load its model."""
    hold_seconds: float = 3.0
    """Time that sentences wait for an engine while none serves. An engine whose model loads in two seconds is back
    earlier."""
    first_delay: float = 0.1
    """Seconds until an engine is started again; doubled each time."""
    longest_delay: float = 30.0
    healthy_seconds: float = 60.0
    """Time after which a lost engine is replaced as if it were the first that was lost: after `first_delay`."""


class Backoff:
    """The delays before a lost engine is replaced."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._next = timing.first_delay

    def delay(self, served_seconds: float) -> float:
        """Seconds to wait before the next engine is started, if the last one has served for `served_seconds`; 0 where
        it did not come to serve."""
        if served_seconds >= self._timing.healthy_seconds:
            self._next = self._timing.first_delay
        delay, self._next = self._next, min(2 * self._next, self._timing.longest_delay)
        return delay


class EngineKeeper:
    """Keeps one engine of a model running. Call `start`, then `wait_until_loaded`; from then on a lost engine is
    replaced, until `close` or `abandon`."""

    def __init__(self, config: ServerConfig, bundle: Bundle, pool: EnginePool, launch: Launch, timing: Timing) -> None:
        """`pool` is told when the engine begins to serve, and when it is lost."""
        self._config = config
        self._bundle = bundle
        self._model = bundle.manifest.name
        self._pool = pool
        self._launch = launch
        self._timing = timing
        self._backoff = Backoff(timing)
        self._engine: RemoteEngine
        self._launched: Launched | None = None
        """The engine's process, until it is known to have ended."""
        self._keeping: asyncio.Task[None] | None = None
        self._num_unanswered = 0
        """Pings in a row that the engine has left unanswered."""
        self._past: list[Metric] = []
        """What the engines before this one have counted, summed."""
        self.num_restarts = 0

    @property
    def pid(self) -> int | None:
        """Of the engine's process; None where there is none now."""
        return self._launched.pid if self._launched else None

    async def start(self) -> None:
        """Start an engine, which begins to load. Raises OSError where no process can be started."""
        ours, theirs = socket.socketpair()
        with theirs:
            engine = RemoteEngine(self._model, self._pool.tell)
            await engine.connect(ours, self._config, self._bundle)
            try:
                self._launched = self._launch(self._model, theirs)
            except BaseException:
                engine.abandon()
                raise
            self._engine = engine

    async def wait_until_loaded(self) -> None:
        """Wait until the first engine can serve; it is kept running from then on. Raises BundleError where the bundle
        cannot be served, or the engine has ended."""
        problem = await self._find_loading_problem()
        if problem:
            raise BundleError(problem)
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> bool:
        """Let the engine finish its sentences and end; kill it where it does not. Returns whether all of them are
        finished."""
        await self._stop_keeping()
        if not self._launched:
            return True
        is_well = True
        if not self._engine.has_ended:
            self._engine.close()
            # Nothing is left in an engine that was lost.
            seconds = _EXIT_SECONDS if self._is_stuck else CLOSE_SECONDS
            if not await self._engine.wait_until_ended(seconds):
                _logger.error("an engine of %s does not end, and is killed", self._model)
                self._launched.kill()
                is_well = self._is_stuck
        await self._bury()
        self._pool.leave(self._engine)
        return is_well

    async def abandon(self) -> None:
        """End the engine without waiting for the sentences that are in it."""
        await self._stop_keeping()
        await self._bury()
        self._pool.leave(self._engine)

    async def collect(self) -> list[Metric]:
        """The series of the engine and of the engines before it, summed."""
        return summed([*await self._engine.collect(), *self._past])

    def look(self) -> BatchState | None:
        """The engine's batch, as `RemoteEngine.look` tells it; None as well where no engine runs."""
        return self._engine.look() if self._launched else None

    async def _keep(self) -> None:
        """Watch the engine, and start the next one whenever one is lost. Never ends by itself."""
        while True:
            started = time.monotonic()
            self._pool.join(self._engine)
            await self._watch()
            self._pool.leave(self._engine)
            status = await self._bury()
            served_seconds = time.monotonic() - started
            _logger.error("an engine of %s has ended with status %s after %.1f s", self._model, status, served_seconds)
            while not await self._start_after(self._backoff.delay(served_seconds)):
                served_seconds = 0.0

    async def _watch(self) -> None:
        """Ping the engine until it has ended. Unanswered pings are counted, rather than time, so that an engine is not
        lost because this process stood still."""
        self._num_unanswered = 0
        engine = self._engine
        engine.ping()
        while not await engine.wait_until_ended(self._timing.ping_seconds):
            if engine.is_answering:
                if self._is_stuck:
                    _logger.warning("an engine of %s answers again", self._model)
                    self._pool.join(engine)
                self._num_unanswered = 0
                engine.ping()
                continue
            self._num_unanswered += 1
            if self._num_unanswered == self._timing.lost_pings:
                _logger.error("an engine of %s does not answer, and serves no more", self._model)
                self._pool.leave(engine)
            if self._num_unanswered == self._timing.killed_pings and self._launched:
                _logger.error("an engine of %s has not answered for long, and is killed", self._model)
                self._launched.kill()

    @property
    def _is_stuck(self) -> bool:
        return self._num_unanswered >= self._timing.lost_pings

    async def _start_after(self, delay: float) -> bool:
        """Wait for `delay` seconds, then start an engine. Returns whether the engine is ready to serve."""
        await asyncio.sleep(delay)
        self.num_restarts += 1
        try:
            await self.start()
            problem = await self._find_loading_problem()
        except Exception as error:  # whatever keeps a process from being started may be over the next time
            problem = f"{type(error).__name__}: {error}"
        if not problem:
            _logger.info("an engine of %s serves again", self._model)
            return True
        _logger.error("an engine of %s does not start: %s", self._model, problem)
        await self._bury()
        return False

    async def _find_loading_problem(self) -> str:
        """Wait until the engine has loaded. Returns why it cannot serve; an empty text where it can."""
        try:
            return await asyncio.wait_for(self._engine.loading_problem(), self._timing.load_seconds)
        except TimeoutError:
            return f"{self._model} has not been loaded within {self._timing.load_seconds:.0f} s"

    async def _stop_keeping(self) -> None:
        if self._keeping:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping

    async def _bury(self) -> int | None:
        """Close the engine's connection, and wait for its process to end. Returns the exit status; None where there was
        no process."""
        if not self._launched:
            return None
        self._engine.abandon()
        try:
            status = await asyncio.to_thread(self._launched.wait, _EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._launched.kill()
            status = await asyncio.to_thread(self._launched.wait)
        self._past = summed([*self._past, *counted(self._engine.series)])
        self._engine.series = []
        self._launched = None
        return status

"""The engines of all bundles, each in a process of its own, as the serving process starts and ends them.

All of this runs on the event loop's thread, but for `EngineSeries.collect`.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.registry import Collector

from server.bundle.manifest import Bundle
from server.config import ServerConfig
from server.messages.batch_state import BatchState
from server.serving.engines.keeper import EngineKeeper, Timing
from server.serving.engines.launch import Launch, launch_process
from server.serving.engines.pool import EnginePool
from server.serving.engines.process_series import ProcessSeries
from server.serving.engines.remote import COLLECT_SECONDS
from server.serving.engines.series import counted, labelled, summed


class EngineBatch(NamedTuple):
    """The running batch of one engine, and whose it is."""

    model: str
    version: str
    engine: int
    """Number of the engine among those of the version."""
    state: BatchState


class BundleEngines:
    """The engines of one bundle. Call `start` first, then `wait_until_loaded`, and `close` or `abandon` at the end."""

    def __init__(
        self, config: ServerConfig, bundle: Bundle, on_change: Callable[[], None], launch: Launch, timing: Timing
    ) -> None:
        """`on_change` is called when `pool.num_serving` has changed."""
        self._config = config
        self._bundle = bundle
        self._launch = launch
        self._timing = timing
        self.pool = EnginePool(config.max_waiting, config.max_rows, timing.hold_seconds, on_change)
        self._keepers: list[EngineKeeper] = []
        self.is_loaded = False
        """Whether every engine has been able to serve."""
        self._closing: asyncio.Task[bool] | None = None

    @property
    def version(self) -> tuple[str, str]:
        """The model and the version that they decode."""
        return self._bundle.manifest.name, self._bundle.manifest.version

    async def start(self) -> None:
        """Start the engines, which begin to load. Raises OSError where no process can be started."""
        for _ in range(self._config.num_engines(self._bundle.manifest.name)):
            keeper = EngineKeeper(self._config, self._bundle, self.pool, self._launch, self._timing)
            await keeper.start()
            self._keepers.append(keeper)

    async def wait_until_loaded(self) -> None:
        """Wait until every engine can serve. Raises BundleError for a bundle that cannot be served."""
        for keeper in self._keepers:
            await keeper.wait_until_loaded()
        self.is_loaded = True

    async def close(self) -> bool:
        """End the engines once they have finished the sentences in them. Returns whether all went well. May be called
        again, or cancelled, while they end."""
        if self._closing is None:
            self.pool.close()
            self._closing = asyncio.create_task(self._close_keepers())
        return await asyncio.shield(self._closing)

    async def _close_keepers(self) -> bool:
        return all(await asyncio.gather(*(keeper.close() for keeper in self._keepers)))

    async def abandon(self) -> None:
        """End the engines without waiting for the sentences in them."""
        self.pool.close()
        await asyncio.gather(*(keeper.abandon() for keeper in self._keepers))

    async def collect(self) -> list[Metric]:
        """The series of the engines as they are now, summed, and those of their processes; an engine knows nothing of
        versions, so that their label is added here."""
        collected = await asyncio.gather(*(keeper.collect() for keeper in self._keepers))
        name, processes = self._bundle.manifest.name, ProcessSeries()
        processes.count(name, self.pool.num_serving, sum(keeper.num_restarts for keeper in self._keepers))
        for number, keeper in enumerate(self._keepers):
            processes.add(keeper.pid, name, number)
        series = [*summed(itertools.chain.from_iterable(collected)), *processes.families]
        return labelled(series, "version", self._bundle.manifest.version)

    def look(self) -> list[EngineBatch]:
        """What the engines have answered to the look before this one; they are asked again."""
        seen = enumerate(keeper.look() for keeper in self._keepers)
        return [EngineBatch(*self.version, number, state) for number, state in seen if state]


class Engines:
    """The engines of all bundles that are loaded or being loaded."""

    def __init__(
        self, on_change: Callable[[], None], launch: Launch = launch_process, timing: Timing | None = None
    ) -> None:
        """`on_change` is called when the number of a bundle's engines that serve has changed."""
        self._on_change = on_change
        self._launch = launch
        self._timing = timing or Timing()
        self._started: list[BundleEngines] = []
        self._past: dict[tuple[str, str], list[Metric]] = {}
        """What engines have counted in whose place others of the same model and version are, by both: a counter does
        not fall because a version is loaded anew."""

    async def start(self, config: ServerConfig, bundle: Bundle) -> BundleEngines:
        """Start the engines of a bundle, which begin to load. Raises OSError where no process can be started."""
        engines = BundleEngines(config, bundle, self._on_change, self._launch, self._timing)
        try:
            await engines.start()
        except BaseException:
            await engines.abandon()
            raise
        self._started.append(engines)
        return engines

    async def close_one(self, engines: BundleEngines) -> bool:
        """End the engines of one bundle as `BundleEngines.close` does, and forget them."""
        series: list[Metric] = []
        try:
            await engines.collect()  # what they have counted since the last scrape as well
            is_well = await engines.close()
            series = counted(await engines.collect())
            return is_well
        finally:
            self._forget(engines, series)

    async def abandon_one(self, engines: BundleEngines) -> None:
        """End the engines of one bundle as `BundleEngines.abandon` does, and forget them."""
        try:
            await engines.abandon()
        finally:
            self._forget(engines, [])

    def _forget(self, engines: BundleEngines, series: list[Metric]) -> None:
        """`series`: what the engines have counted."""
        self._started.remove(engines)
        if any(other.version == engines.version for other in self._started):
            self._past[engines.version] = summed([*self._past.get(engines.version, []), *series])
        else:
            self._past.pop(engines.version, None)

    async def close(self) -> bool:
        """End all engines once they have finished the sentences in them. Returns whether all went well."""
        return all(await asyncio.gather(*(engines.close() for engines in self._started)))

    async def abandon(self) -> None:
        """End all engines without waiting for the sentences in them."""
        await asyncio.gather(*(engines.abandon() for engines in self._started))

    async def collect(self) -> list[Metric]:
        """The series of all engines that have been loaded, as they are now, and what those have counted that were there
        before them."""
        loaded = [engines for engines in self._started if engines.is_loaded]
        past = list(self._past.values())  # as it is while all of `loaded` are there
        collected = await asyncio.gather(*(engines.collect() for engines in loaded))
        return summed(itertools.chain.from_iterable([*collected, *past]))

    def look(self) -> list[EngineBatch]:
        """The running batches of all engines that have answered to the look before this one; they are asked again."""
        return [batch for engines in self._started if engines.is_loaded for batch in engines.look()]


class EngineSeries(Collector):
    """The series of all engines, for a Prometheus registry of this process, which is scraped on a thread of its own."""

    def __init__(self, engines: Engines, loop: asyncio.AbstractEventLoop) -> None:
        """`loop`: the event loop that `engines` runs on."""
        self._engines = engines
        self._loop = loop

    def collect(self) -> Iterable[Metric]:
        collecting = asyncio.run_coroutine_threadsafe(self._engines.collect(), self._loop)
        try:
            return collecting.result(2 * COLLECT_SECONDS)
        except TimeoutError:  # of the event loop: the process's other series are shown all the same
            return []

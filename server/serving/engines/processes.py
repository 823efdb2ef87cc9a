"""All models' engines, each in a process of its own, as the serving process starts and ends them.

All of this runs on the event loop's thread, but for `EngineSeries.collect`.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import Metric
from prometheus_client.registry import Collector

from server.bundle.manifest import Bundle
from server.config import ServerConfig
from server.serving.engines.keeper import EngineKeeper, Timing
from server.serving.engines.launch import Launch, launch_process
from server.serving.engines.pool import EnginePool
from server.serving.engines.process_series import ProcessSeries
from server.serving.engines.remote import COLLECT_SECONDS
from server.serving.engines.series import summed


class Engines:
    """All models' engines. Call `start` first, then `wait_until_loaded`, and `close` or `abandon` at the end."""

    def __init__(
        self, on_change: Callable[[], None], launch: Launch = launch_process, timing: Timing | None = None
    ) -> None:
        """`on_change` is called when `num_serving` has changed."""
        self._on_change = on_change
        self._launch = launch
        self._timing = timing or Timing()
        self._pools: dict[str, EnginePool] = {}
        self._keepers: dict[str, list[EngineKeeper]] = {}

    def __getitem__(self, name: str) -> EnginePool:
        """The engines of the model of that name."""
        return self._pools[name]

    @property
    def num_serving(self) -> Mapping[str, int]:
        """Engines that serve, by model."""
        return {name: pool.num_serving for name, pool in self._pools.items()}

    async def start(self, config: ServerConfig, bundles: Sequence[Bundle]) -> None:
        """Start every model's engines, which begin to load. Raises OSError where no process can be started."""
        for bundle in bundles:
            name = bundle.manifest.name
            pool = EnginePool(config.max_waiting, config.max_rows, self._timing.hold_seconds, self._on_change)
            self._pools[name] = pool
            self._keepers[name] = []
            for _ in range(config.num_engines(name)):
                keeper = EngineKeeper(config, bundle, pool, self._launch, self._timing)
                await keeper.start()
                self._keepers[name].append(keeper)

    async def wait_until_loaded(self) -> None:
        """Wait until every engine can serve. Raises BundleError for a bundle that cannot be served."""
        for keeper in self._all_keepers():
            await keeper.wait_until_loaded()

    async def close(self) -> bool:
        """End all engines once they have finished the sentences in them. Returns whether all went well."""
        for pool in self._pools.values():
            pool.close()
        return all(await asyncio.gather(*(keeper.close() for keeper in self._all_keepers())))

    async def abandon(self) -> None:
        """End all engines without waiting for the sentences in them."""
        for pool in self._pools.values():
            pool.close()
        await asyncio.gather(*(keeper.abandon() for keeper in self._all_keepers()))

    async def collect(self) -> list[Metric]:
        """The series of all engines as they are now; the engines of one model are summed."""
        collected = await asyncio.gather(*(keeper.collect() for keeper in self._all_keepers()))
        processes = ProcessSeries()
        for name, keepers in self._keepers.items():
            processes.count(name, self._pools[name].num_serving, sum(keeper.num_restarts for keeper in keepers))
            for number, keeper in enumerate(keepers):
                processes.add(keeper.pid, name, number)
        return [*summed(itertools.chain.from_iterable(collected)), *processes.families]

    def _all_keepers(self) -> list[EngineKeeper]:
        return list(itertools.chain.from_iterable(self._keepers.values()))


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

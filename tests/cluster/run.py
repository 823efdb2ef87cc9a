"""One run: calls of every kind, by each way to reach the servers, while one thing after another is done to them."""

import asyncio
import contextlib
import dataclasses
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

from seq2serve import AsyncClient
from server.bundle.manifest import Bundle
from tests.cluster.deeds import Deed, Deeds
from tests.cluster.envoy import Envoy
from tests.cluster.load import Answers, Call, Load, answers_alone
from tests.cluster.nodes import Node
from tests.cluster.series import Series

BY_CLIENT = "by the client itself"
BY_ENVOY = "through Envoy"
NUM_CLIENTS = 4
"""Of each way."""
_MAX_SLOWER = 3.0
"""Times that the 99th percentile may be as long as when nothing is done."""
_LONGEST_SECONDS = 10.0
"""That a call may take while nobody has noticed that a server is gone."""


@dataclasses.dataclass(frozen=True)
class Phase:
    what: str
    start: float
    end: float
    is_silent: bool = False


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of the calls that went one way."""

    way: str
    calls: Sequence[Call]
    wrong: Sequence[Call]

    def of(self, phase: Phase) -> list[Call]:
        return [call for call in self.calls if phase.start <= call.due < phase.end]

    def percentile(self, phase: Phase, share: float) -> float:
        """Seconds that a sentence took, by the nearest rank; NaN of none."""
        times = sorted(call.seconds for call in self.of(phase) if call.request.kind == "sentence" and not call.lost)
        return times[min(len(times) - 1, int(share * len(times)))] if times else float("nan")

    @property
    def problems(self) -> list[str]:
        problems = [f"{self.way}: lost: {call.lost}" for call in self.calls if call.lost]
        return problems + [f"{self.way}: wrong: {call.request}" for call in self.wrong]


@dataclasses.dataclass(frozen=True)
class Record:
    """One run: what was done, and what became of the calls of each way."""

    phases: Sequence[Phase]
    outcomes: Sequence[Outcome]
    series: Series
    num_resumed: int
    """Streams that broke and went on."""
    left_out: Sequence[str]
    problems: list[str]
    """What did not hold."""


class Resumed(logging.Handler):
    """Counts the streams that the client says it has begun again."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.number = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.number += 1


@contextlib.contextmanager
def counting_resumed() -> Iterator[Resumed]:
    logger, handler = logging.getLogger("seq2serve"), Resumed()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


@contextlib.asynccontextmanager
async def cluster(folder: Path, bundles: Sequence[Bundle], number: int, *ways: str) -> AsyncIterator["Cluster"]:
    """So many servers that run, and one that does not yet; `bundles` are the versions of their model, `ways` how they
    are reached."""
    nodes = [Node(f"server-{index}", folder, bundles) for index in range(1, number + 2)]
    envoy = Envoy(folder, [node.address for node in nodes]) if BY_ENVOY in ways else None
    try:
        await asyncio.gather(*(node.start() for node in nodes[:-1]))
        if envoy:
            await envoy.start()
        yield Cluster(nodes, envoy, ways)
    finally:
        if envoy:
            await envoy.kill()
        for node in nodes:
            if node.is_running:
                node.go_on()
                await node.kill()


@dataclasses.dataclass(frozen=True)
class Cluster:
    nodes: Sequence[Node]
    envoy: Envoy | None
    ways: Sequence[str]

    def address(self, way: str) -> str:
        """As clients are told it."""
        return self.envoy.address if self.envoy and way == BY_ENVOY else ",".join(node.address for node in self.nodes)


async def alone(folder: Path, bundles: Sequence[Bundle]) -> Answers:
    """What each version answers, from a server of its own."""
    nodes = [Node(f"alone-{number}", folder, [bundle]) for number, bundle in enumerate(bundles, start=1)]
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        return await answers_alone([node.address for node in nodes])
    finally:
        for node in nodes:
            if node.is_running:
                await node.kill()


async def run(
    of: Cluster, answers: Answers, rate: float, quiet_seconds: float, choose: Callable[[Deeds], list[Deed]]
) -> Record:
    """`rate`: calls a second by each way. `choose`: what is done, one thing after another."""
    rolls: list[float] = []
    series = Series(of.nodes, of.envoy)
    deeds = Deeds(of.nodes, series, of.envoy, lambda: rolls.append(time.monotonic()))
    clients = {way: [AsyncClient(of.address(way)) for _ in range(NUM_CLIENTS)] for way in of.ways}
    loads = {way: Load(some, answers, rate, seed) for seed, (way, some) in enumerate(clients.items())}
    phases: list[Phase] = []

    async def phase(deed: Deed) -> None:
        start = time.monotonic()
        await deed.do()
        phases.append(Phase(deed.what, start, time.monotonic(), deed.is_silent))

    scraping = asyncio.create_task(series.scrape_until_cancelled())
    calling = [asyncio.create_task(load.run()) for load in loads.values()]
    with counting_resumed() as resumed:
        try:
            await asyncio.sleep(1.0)  # connections are made
            await phase(Deed("before", lambda: asyncio.sleep(quiet_seconds)))
            for deed in choose(deeds):
                await phase(deed)
            await phase(Deed("after", lambda: asyncio.sleep(quiet_seconds)))
        finally:
            for load in loads.values():
                load.stop()
            await asyncio.gather(*calling)
            scraping.cancel()
            for client in itertools.chain.from_iterable(clients.values()):
                await client.close()
    outcomes = [
        Outcome(
            way, load.calls, [call for call in load.calls if not call.lost and not call.versions & _served(call, rolls)]
        )
        for way, load in loads.items()
    ]
    problems = [*deeds.problems, *itertools.chain.from_iterable(outcome.problems for outcome in outcomes)]
    return Record(phases, outcomes, series, resumed.number, deeds.left_out, problems)


def _served(call: Call, rolls: Sequence[float]) -> frozenset[int]:
    """The versions that were served at some moment of a call."""
    begins, ends = rolls or (float("inf"), float("inf"))
    return frozenset([0] * (call.due < ends) + [1] * (call.ended > begins))


def slow_phases(record: Record) -> list[str]:
    """Where calls took too much longer than when nothing was done."""
    problems = []
    for outcome, phase in itertools.product(record.outcomes, record.phases):
        if phase.is_silent:
            took, limit = max((call.seconds for call in outcome.of(phase)), default=0.0), _LONGEST_SECONDS
        else:
            limit = _MAX_SLOWER * outcome.percentile(record.phases[0], 0.99)
            took = outcome.percentile(phase, 0.99)
        if took > limit:
            problems.append(
                f"{outcome.way}: {phase.what}: {1000 * limit:.0f} ms expected at most, got {1000 * took:.0f}"
            )
    return problems

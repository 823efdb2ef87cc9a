"""One run: calls of every kind, by one way to reach the servers, while one thing after another is done to them."""

import asyncio
import contextlib
import dataclasses
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

NUM_CLIENTS = 4
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


@dataclasses.dataclass
class Outcome:
    way: str
    """How the servers were reached."""
    phases: list[Phase]
    calls: Sequence[Call]
    wrong: Sequence[Call]
    series: Series
    num_resumed: int
    """Streams that broke and went on."""
    left_out: Sequence[str]
    problems: list[str]
    """What did not hold."""

    def of(self, phase: Phase) -> list[Call]:
        return [call for call in self.calls if phase.start <= call.due < phase.end]

    def percentile(self, phase: Phase, share: float) -> float:
        """Seconds that a sentence took, by the nearest rank; NaN of none."""
        times = sorted(call.seconds for call in self.of(phase) if call.request.kind == "sentence" and not call.lost)
        return times[min(len(times) - 1, int(share * len(times)))] if times else float("nan")


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
async def cluster(folder: Path, bundles: Sequence[Bundle], number: int, by_envoy: bool) -> AsyncIterator["Cluster"]:
    """So many servers that run, and one that does not yet; `bundles` are the versions of their model."""
    nodes = [Node(f"server-{index}", folder, bundles) for index in range(1, number + 2)]
    envoy = Envoy(folder, [node.address for node in nodes]) if by_envoy else None
    try:
        for node in nodes[:-1]:
            await node.start()
        if envoy:
            await envoy.start()
        yield Cluster(nodes, envoy)
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

    @property
    def address(self) -> str:
        """As clients are told it."""
        return self.envoy.address if self.envoy else ",".join(node.address for node in self.nodes)


async def alone(folder: Path, bundles: Sequence[Bundle]) -> Answers:
    """What each version answers, from a server of its own."""
    nodes = [Node(f"alone-{number}", folder, [bundle]) for number, bundle in enumerate(bundles, start=1)]
    try:
        for node in nodes:
            await node.start()
        return await answers_alone([node.address for node in nodes])
    finally:
        for node in nodes:
            if node.is_running:
                await node.kill()


async def run(
    of: Cluster, answers: Answers, rate: float, quiet_seconds: float, choose: Callable[[Deeds], list[Deed]]
) -> Outcome:
    """Call `rate` times a second; `choose` what is done meanwhile."""
    series = Series(of.nodes)
    clients = [AsyncClient(of.address) for _ in range(NUM_CLIENTS)]
    load = Load(clients, answers, rate)
    rolls: list[float] = []
    deeds = Deeds(of.nodes, series, of.envoy, lambda: rolls.append(time.monotonic()))
    phases: list[Phase] = []

    async def phase(deed: Deed) -> None:
        start = time.monotonic()
        await deed.do()
        phases.append(Phase(deed.what, start, time.monotonic(), deed.is_silent))

    scraping = asyncio.create_task(series.scrape_until_cancelled())
    calling = asyncio.create_task(load.run())
    with counting_resumed() as resumed:
        try:
            await asyncio.sleep(1.0)  # connections are made
            await phase(Deed("before", lambda: asyncio.sleep(quiet_seconds)))
            for deed in choose(deeds):
                await phase(deed)
            await phase(Deed("after", lambda: asyncio.sleep(quiet_seconds)))
        finally:
            load.stop()
            await calling
            scraping.cancel()
            for client in clients:
                await client.close()
    wrong = [call for call in load.calls if not call.lost and not call.versions & _served(call, rolls)]
    way = "through Envoy" if of.envoy else "by the client itself"
    problems = [*deeds.problems, *(f"lost: {call.lost}" for call in load.calls if call.lost)]
    problems += [f"wrong: {call.request}" for call in wrong]
    return Outcome(way, phases, load.calls, wrong, series, resumed.number, deeds.left_out, problems)


def _served(call: Call, rolls: Sequence[float]) -> frozenset[int]:
    """The versions that were served at some moment of a call."""
    begins, ends = rolls or (float("inf"), float("inf"))
    return frozenset([0] * (call.due < ends) + [1] * (call.ended > begins))


def slow_phases(outcome: Outcome) -> list[str]:
    """Where calls took too much longer than when nothing was done."""
    quiet = _MAX_SLOWER * outcome.percentile(outcome.phases[0], 0.99)
    problems = []
    for phase in outcome.phases:
        if phase.is_silent:
            took, limit = max((call.seconds for call in outcome.of(phase)), default=0.0), _LONGEST_SECONDS
        else:
            took, limit = outcome.percentile(phase, 0.99), quiet
        if took > limit:
            problems.append(
                f"{outcome.way}: {phase.what}: {1000 * limit:.0f} ms expected at most, got {1000 * took:.0f}"
            )
    return problems

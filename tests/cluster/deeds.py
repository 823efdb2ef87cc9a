"""What is done to a cluster while clients call, one thing after another, and what each is to bring about."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from seq2serve import AsyncClient, TranslationError
from tests.cluster.envoy import Envoy
from tests.cluster.load import Request
from tests.cluster.nodes import DRAIN_DELAY_SECONDS, MODEL, Node, can_cut_off
from tests.cluster.series import Series

SHARE_SECONDS = 5.0
"""In which a server that has come is to have its share of the calls."""
_COUNT_SECONDS = 3.0
"""For which calls are counted then."""
_LEAST_SHARE = 0.4
"""Of an equal share, so that chance does not count."""
_TELL_SECONDS = float(DRAIN_DELAY_SECONDS)
"""In which everybody is to know that a server drains: it refuses what comes then."""
_SILENT_SECONDS = 6.0
"""For which a server hangs, or is cut off."""
_SLOWED = 4.0
_SETTLE_SECONDS = 2.0


class Deed(NamedTuple):
    what: str
    do: Callable[[], Awaitable[None]]
    is_silent: bool = False
    """Whether nobody is told, so that calls wait until it is noticed."""


class Deeds:
    """All of them, on nodes of which the last has not run yet."""

    def __init__(self, nodes: Sequence[Node], series: Series, envoy: Envoy | None, rolls: Callable[[], None]) -> None:
        """`rolls`: called when a new version begins to be served, and when it is served alone."""
        self.nodes = nodes
        self._series = series
        self._envoy = envoy
        self._rolls = rolls
        self.problems: list[str] = []
        self.left_out: list[str] = []

    def all(self) -> list[Deed]:
        """In an order in which one begins with what another has left: the killed server comes back beside one more, the
        drained one starts as a slow one, and all are restarted, the slow one as a fast one again."""
        deeds = [self.killed(), self.come(self.nodes[0], self.nodes[-1]), self.hung()]
        if can_cut_off():
            deeds.append(self.cut_off())
        else:
            self.left_out.append("a server cut off: root and iptables are needed")
        return [*deeds, self.drained(), self.slow(), self.rolled(), *self.envoy_restarted()]

    def killed(self) -> Deed:
        async def kill() -> None:
            await self.nodes[0].kill()
            await asyncio.sleep(_SETTLE_SECONDS)

        return Deed("kill -9", kill)

    def come(self, *nodes: Node) -> Deed:
        """Servers that have not run, or run no longer, begin to."""
        what = "the killed one comes back" if nodes[0] is self.nodes[0] else "one more server"
        if len(nodes) > 1:
            what += ", and one more"

        async def start() -> None:
            await asyncio.gather(*(node.start() for node in nodes))
            counted = time.monotonic() + SHARE_SECONDS - _COUNT_SECONDS / 2
            await asyncio.sleep(SHARE_SECONDS + _COUNT_SECONDS / 2)
            found = {
                one.name: self._series.rates(one.name, counted, counted + _COUNT_SECONDS)
                for one in self.nodes
                if one.is_running
            }
            for index, way in enumerate(("clients", "Envoy")):
                rates = {name: both[index] for name, both in found.items()}
                equal = sum(rates.values()) / len(rates)
                for node in nodes:
                    if rates[node.name] < _LEAST_SHARE * equal:
                        shares = ", ".join(f"{name} {rate:.1f}" for name, rate in rates.items())
                        self.problems.append(f"{node.name} came; {SHARE_SECONDS:g} s later calls by {way}: {shares}")

        return Deed(what, start)

    def drained(self) -> Deed:
        node = self.nodes[1]

        async def drain() -> None:
            asked = time.monotonic()
            held = asyncio.create_task(_call_directly(node, after=_TELL_SECONDS / 2))
            await node.end()
            began = self._series.started_between(node.name, asked + _TELL_SECONDS, time.monotonic())
            if began:
                self.problems.append(f"{node.name} drained, and {began:g} calls came to it still")
            if problem := await held:
                self.problems.append(f"{node.name} drained, and a call that it had begun was lost: {problem}")
            await asyncio.sleep(_SETTLE_SECONDS / 2)

        return Deed("SIGTERM", drain)

    def hung(self) -> Deed:
        node = self.nodes[2]

        async def hang() -> None:
            node.hang()
            await asyncio.sleep(_SILENT_SECONDS)
            node.go_on()
            await asyncio.sleep(_SETTLE_SECONDS)

        return Deed("SIGSTOP, SIGCONT", hang, is_silent=True)

    def cut_off(self) -> Deed:
        node = self.nodes[0]

        async def cut() -> None:
            await node.cut_off()
            try:
                await asyncio.sleep(_SILENT_SECONDS)
            finally:
                await node.reconnect()
            await asyncio.sleep(2 * _SETTLE_SECONDS)

        return Deed("cut off from all, and back", cut, is_silent=True)

    def slow(self) -> Deed:
        """The drained one comes back, and each step of its decoder takes longer."""
        node = self.nodes[1]

        async def start() -> None:
            await node.start(slowed=_SLOWED)
            await asyncio.sleep(3 * _SETTLE_SECONDS)

        return Deed(f"it comes back, {_SLOWED:g} times as slow", start)

    def rolled(self) -> Deed:
        async def roll() -> None:
            self._rolls()
            for node in self.nodes:
                if node.is_running:
                    await node.end()
                    node.promote()
                    await node.start()
                    await asyncio.sleep(_SETTLE_SECONDS / 2)
            self._rolls()

        return Deed("all restarted, with a new version", roll)

    def envoy_restarted(self) -> list[Deed]:
        envoy = self._envoy
        if not envoy:
            return []

        async def restart() -> None:
            await envoy.kill()
            await envoy.start()
            await asyncio.sleep(2 * _SETTLE_SECONDS)

        return [Deed("kill -9 of Envoy, and a start", restart)]


async def _call_directly(node: Node, after: float) -> str:
    """A call that comes to a server while it drains, and takes it longer than its drain delay lasts. Returns why it was
    lost."""
    await asyncio.sleep(after)
    async with AsyncClient(node.address, retries=False) as client:
        try:
            await client.translate(Request("text", 0).contents * 100, model=MODEL)
        except TranslationError as error:
            return str(error)
    return ""

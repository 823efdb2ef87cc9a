"""What is done to a cluster while clients call, one thing after another, and what each is to bring about."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from seq2serve import AsyncClient, TranslationError
from tests.cluster.envoy import Envoy
from tests.cluster.load import Request
from tests.cluster.nodes import MODEL, Node, can_cut_off
from tests.cluster.series import Series

SHARE_SECONDS = 5.0
"""In which a server that has come is to have its share of the calls."""
_LEAST_SHARE = 0.5
"""Of an equal share, so that chance does not count."""
_TELL_SECONDS = 1.5
"""In which everybody is to know that a server drains."""
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
        self._nodes = nodes
        self._series = series
        self._envoy = envoy
        self._rolls = rolls
        self.problems: list[str] = []
        self.left_out: list[str] = []

    def all(self) -> list[Deed]:
        deeds = [*self.killed_and_back(), self.drained(), self.hung()]
        if can_cut_off():
            deeds.append(self.cut_off())
        else:
            self.left_out.append("a server cut off: root and iptables are needed")
        deeds += [*self.slow(), self.added(), self.rolled()]
        return deeds + self.envoy_restarted()

    def killed_and_back(self) -> list[Deed]:
        node = self._nodes[0]

        async def kill() -> None:
            await node.kill()
            await asyncio.sleep(_SETTLE_SECONDS)

        return [Deed("kill -9", kill), Deed("the killed one comes back", lambda: self._come(node))]

    def added(self) -> Deed:
        return Deed("one more server", lambda: self._come(self._nodes[-1]))

    async def _come(self, node: Node) -> None:
        await node.start()
        served = time.monotonic()
        await asyncio.sleep(SHARE_SECONDS + 1.5)
        around = served + SHARE_SECONDS - 1.0, served + SHARE_SECONDS + 1.0
        rates = {one.name: self._series.handled(one.name, *around) for one in self._nodes if one.is_running}
        equal = sum(rates.values()) / len(rates)
        if rates[node.name] < _LEAST_SHARE * equal:
            shares = ", ".join(f"{name} {rate:.1f}" for name, rate in rates.items())
            self.problems.append(f"{node.name} came, and {SHARE_SECONDS:g} s later calls a second were {shares}")

    def drained(self) -> Deed:
        node = self._nodes[1]

        async def drain() -> None:
            held = asyncio.create_task(_hold(node))
            await asyncio.sleep(0.3)
            asked = time.monotonic()
            await node.end()
            began = self._series.started_between(node.name, asked + _TELL_SECONDS, time.monotonic())
            if began:
                self.problems.append(f"{node.name} drained, and {began:g} calls came to it still")
            if problem := await held:
                self.problems.append(f"{node.name} drained, and a call that it had begun was lost: {problem}")
            await asyncio.sleep(_SETTLE_SECONDS)
            await node.start()

        return Deed("SIGTERM, and a start", drain)

    def hung(self) -> Deed:
        node = self._nodes[2]

        async def hang() -> None:
            node.hang()
            await asyncio.sleep(_SILENT_SECONDS)
            node.go_on()
            await asyncio.sleep(_SETTLE_SECONDS)

        return Deed("SIGSTOP, SIGCONT", hang, is_silent=True)

    def cut_off(self) -> Deed:
        node = self._nodes[0]

        async def cut() -> None:
            await node.cut_off()
            try:
                await asyncio.sleep(_SILENT_SECONDS)
            finally:
                await node.reconnect()
            await asyncio.sleep(2 * _SETTLE_SECONDS)

        return Deed("cut off from all, and back", cut, is_silent=True)

    def slow(self) -> list[Deed]:
        node = self._nodes[1]

        async def slow_down() -> None:
            await node.end()
            await node.start(slowed=_SLOWED)
            await asyncio.sleep(3 * _SETTLE_SECONDS)

        async def speed_up() -> None:
            await node.end()
            await node.start()
            await asyncio.sleep(_SETTLE_SECONDS)

        return [Deed(f"steps of one take {_SLOWED:g} times as long", slow_down), Deed("no longer", speed_up)]

    def rolled(self) -> Deed:
        async def roll() -> None:
            self._rolls()
            for node in self._nodes:
                if node.is_running:
                    await node.end()
                    node.promote()
                    await node.start()
                    await asyncio.sleep(_SETTLE_SECONDS)
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


async def _hold(node: Node) -> str:
    """A call to a server that keeps it busy for seconds. Returns why it was lost."""
    async with AsyncClient(node.address, retries=False) as client:
        try:
            await client.translate(Request("text", 0).contents * 100, model=MODEL)
        except TranslationError as error:
            return str(error)
    return ""

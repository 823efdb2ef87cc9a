"""Three times as many calls as servers can answer: what they do answer must not fall by it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from seq2serve import AsyncClient, TranslationError
from server.bundle.manifest import read_bundle
from tests.cluster.envoy import Envoy
from tests.cluster.load import Request
from tests.cluster.nodes import MODEL, Node
from tests.cluster.run import BY_ENVOY, Cluster
from tests.cluster.shares import cpu_shares

_CORES = 0.1
"""Of each server, so that whoever calls them has cores left."""
_NUM_SERVERS = 3
_NUM_CLIENTS = 8
_SECONDS = 3.0
_TIMES = 3.0
_LEAST_KEPT = 0.8


class Asked(NamedTuple):
    due: float
    """On the clock of `time.monotonic`."""
    ended: float
    is_answered: bool


@asynccontextmanager
async def throttled(
    folder: Path, model: str, number: int, *ways: str, cores: float = _CORES, max_delay_milliseconds: int = 200
) -> AsyncIterator[Cluster]:
    """So many servers that are small and alike. Raises OSError where they cannot be made small."""
    folder.mkdir()
    names = [f"small-{index}" for index in range(1, number + 1)]
    bundle = read_bundle(Path("model_repository") / model / "1")
    with cpu_shares(names, cores) as shares:
        nodes = [Node(name, folder, [bundle], shares[name], max_delay_milliseconds) for name in names]
        envoy = Envoy(folder, [node.address for node in nodes]) if BY_ENVOY in ways else None
        try:
            await asyncio.gather(*(node.start() for node in nodes))
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


async def closed_loop(clients: Sequence[AsyncClient], number: int, seconds: float, model: str = MODEL) -> float:
    """Sentences that are answered a second to so many callers, each of which asks when it has been answered."""
    ends = time.monotonic() + seconds
    answered = 0

    async def call(client: AsyncClient, index: int) -> None:
        nonlocal answered
        while time.monotonic() < ends:
            await client.translate(Request("sentence", index % 24).contents, model=model)
            answered += time.monotonic() < ends
            index += 1

    async with asyncio.TaskGroup() as group:
        for index in range(number):
            group.create_task(call(clients[index % len(clients)], index))
    return answered / seconds


async def open_loop(clients: Sequence[AsyncClient], rate: float, seconds: float, model: str = MODEL) -> list[Asked]:
    """So many sentences a second, at random times, whether or not others have been answered, all retries included."""
    draw = random.Random(1)
    due = begin = time.monotonic()
    asked: list[Asked] = []
    tasks = set()

    async def call(client: AsyncClient, number: int, due: float) -> None:
        try:
            await client.translate(Request("sentence", number % 24).contents, model=model, timeout=seconds)
        except TranslationError:
            asked.append(Asked(due, time.monotonic(), is_answered=False))
        else:
            asked.append(Asked(due, time.monotonic(), is_answered=True))

    number = 0
    while (due := due + draw.expovariate(rate)) < begin + seconds:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.add(asyncio.create_task(call(clients[number % len(clients)], number, due)))
        number += 1
    await asyncio.gather(*tasks)
    return asked


async def overload(folder: Path, model: str, ways: Sequence[str]) -> list[str]:
    """What did not hold; prints what did."""
    problems: list[str] = []
    try:
        async with throttled(folder / "overload", model, _NUM_SERVERS, *ways) as servers:
            for way in ways:
                clients = [AsyncClient(servers.address(way)) for _ in range(_NUM_CLIENTS)]
                peak = max([await closed_loop(clients, number, _SECONDS) for number in (12, 24)])
                ends = time.monotonic() + 2 * _SECONDS
                asked = await open_loop(clients, _TIMES * peak, 2 * _SECONDS)
                kept = sum(one.is_answered and one.ended < ends for one in asked) / (2 * _SECONDS)
                for client in clients:
                    await client.close()
                print(
                    f"{way}: {peak:.0f} sentences a second at most; {kept:.0f} while {_TIMES:g} times as many are "
                    "asked for"
                )
                if kept < _LEAST_KEPT * peak:
                    problems.append(f"{way}: {kept:.0f} of {peak:.0f} sentences a second kept")
    except OSError as error:
        print(f"left out: overload, as servers cannot be made small: {error}")
    return problems

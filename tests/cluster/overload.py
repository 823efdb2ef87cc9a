"""Three times as many calls as servers can answer: what they do answer must not fall by it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.proxy_check import envoy_program
from seq2serve import AsyncClient, TranslationError
from server.bundle.manifest import read_bundle
from tests.cluster.envoy import Envoy
from tests.cluster.load import Request, ask
from tests.cluster.nodes import Node
from tests.cluster.shares import cpu_shares

_CORES = 0.1
"""Of each server, so that whoever calls them has cores left."""
_NUM_SERVERS = 3
_NUM_CLIENTS = 8
_SECONDS = 5.0
_TIMES = 3.0
_LEAST_KEPT = 0.8


@asynccontextmanager
async def throttled(folder: Path, model: str, number: int, by_envoy: bool) -> AsyncIterator[tuple[str, Envoy | None]]:
    """The address of so many servers that are small and alike, and Envoy. Raises OSError where they cannot be made
    small."""
    folder.mkdir()
    names = [f"small-{index}" for index in range(1, number + 1)]
    bundle = read_bundle(Path("model_repository") / model / "1")
    with cpu_shares(names, _CORES) as shares:
        nodes = [Node(name, folder, [bundle], shares[name]) for name in names]
        envoy = Envoy(folder, [node.address for node in nodes]) if by_envoy else None
        try:
            for node in nodes:
                await node.start()
            if envoy:
                await envoy.start()
            yield envoy.address if envoy else ",".join(node.address for node in nodes), envoy
        finally:
            if envoy:
                await envoy.kill()
            for node in nodes:
                if node.is_running:
                    await node.kill()


async def closed_loop(clients: Sequence[AsyncClient], number: int, seconds: float) -> float:
    """Sentences that are answered a second to so many callers, each of which asks when it has been answered."""
    ends = time.monotonic() + seconds
    answered = 0

    async def call(client: AsyncClient, index: int) -> None:
        nonlocal answered
        while time.monotonic() < ends:
            await ask(client, Request("sentence", index % 24))
            answered += time.monotonic() < ends
            index += 1

    async with asyncio.TaskGroup() as group:
        for index in range(number):
            group.create_task(call(clients[index % len(clients)], index))
    return answered / seconds


async def open_loop(clients: Sequence[AsyncClient], rate: float, seconds: float) -> float:
    """Sentences that are answered a second while so many are asked for, all retries included."""
    draw = random.Random(1)
    due = begin = time.monotonic()
    ends = begin + seconds
    answered = 0
    tasks = set()

    async def call(client: AsyncClient, number: int) -> None:
        nonlocal answered
        try:
            await client.translate(Request("sentence", number % 24).contents, model="cluster", timeout=seconds)
        except TranslationError:
            return
        answered += time.monotonic() < ends

    number = 0
    while (due := due + draw.expovariate(rate)) < ends:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.add(asyncio.create_task(call(clients[number % len(clients)], number)))
        number += 1
    await asyncio.gather(*tasks)
    return answered / seconds


async def overload(folder: Path, model: str) -> list[str]:
    """What did not hold; prints what did."""
    problems: list[str] = []
    for by_envoy in (False, True):
        if by_envoy and not envoy_program():
            continue
        way = "through Envoy" if by_envoy else "by the client itself"
        try:
            async with throttled(folder / f"overload-{by_envoy:d}", model, _NUM_SERVERS, by_envoy) as (address, _):
                clients = [AsyncClient(address) for _ in range(_NUM_CLIENTS)]
                peak = max([await closed_loop(clients, number, _SECONDS) for number in (12, 24)])
                kept = await open_loop(clients, _TIMES * peak, 2 * _SECONDS)
                for client in clients:
                    await client.close()
        except OSError as error:
            print(f"left out: overload, as servers cannot be made small: {error}")
            return problems
        print(f"{way}: {peak:.0f} sentences a second at most; {kept:.0f} while {_TIMES:g} times as many are asked for")
        if kept < _LEAST_KEPT * peak:
            problems.append(f"{way}: {kept:.0f} of {peak:.0f} sentences a second kept")
    return problems

"""What more servers bring through Envoy, what Envoy costs, and how near `deploy.capacity` comes to both: servers that
have a small share of a core each, as far as two cores go. Takes four minutes, and a machine without other work.

python -m tests.cluster.scaling
"""

import argparse
import asyncio
import itertools
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from deploy.capacity import Inputs, step_of_load, waits
from seq2serve import AsyncClient
from server.bundle.manifest import read_bundle
from tests.cluster.envoy import Envoy
from tests.cluster.load import Request, ask
from tests.cluster.nodes import Node
from tests.cluster.overload import closed_loop, open_loop, throttled
from tests.cluster.run import BY_CLIENT, BY_ENVOY, cluster
from tests.cluster.shares import cpu_seconds

_NUMBERS = (1, 2, 4)
_CALLERS = 12
"""For each server."""
_ROUNDS = 3
_SECONDS = 6.0
_BUSY = (0.5, 0.7)
_OPEN_SECONDS = 10.0
_NUM_TIMED = 1000
"""Calls one after another, by each way."""


@asynccontextmanager
async def envoys_before(folder: Path, nodes: Sequence[Node]) -> AsyncIterator[dict[int, Envoy]]:
    """One before the first, one before the first two, one before all four, which run all the time."""
    envoys = {}
    async with AsyncExitStack() as stack:
        for number in _NUMBERS:
            place = folder / f"before-{number}"
            place.mkdir()
            envoy = envoys[number] = Envoy(place, [node.address for node in nodes[:number]])
            await envoy.start()
            stack.push_async_callback(envoy.kill)
        yield envoys


@asynccontextmanager
async def callers(address: str, number: int) -> AsyncIterator[list[AsyncClient]]:
    clients = [AsyncClient(address) for _ in range(number)]
    try:
        await closed_loop(clients, number, 1.0)  # connections are made
        yield clients
    finally:
        for client in clients:
            await client.close()


async def measure_scaling(folder: Path, model: str, cores: float) -> None:
    async with (
        throttled(folder / "small", model, max(_NUMBERS), BY_CLIENT, cores=cores, max_delay_milliseconds=20_000) as of,
        envoys_before(folder, of.nodes) as envoys,
    ):
        rates, used, by_envoy = defaultdict(list), defaultdict(list), []
        for _, number in itertools.product(range(_ROUNDS), _NUMBERS):
            async with callers(envoys[number].address, number) as clients:
                pids = [pid for node in of.nodes[:number] for pid in node.pids]
                before, envoy_before = cpu_seconds(pids), cpu_seconds([envoys[number].pid])
                rate = await closed_loop(clients, _CALLERS * number, _SECONDS)
                rates[number].append(rate)
                used[number].append(1000 * (cpu_seconds(pids) - before) / (rate * _SECONDS))
                by_envoy.append(1000 * (cpu_seconds([envoys[number].pid]) - envoy_before) / (rate * _SECONDS))
        one = statistics.median(rates[1])
        for number, found in rates.items():
            rate = statistics.median(found)
            runs = " ".join(f"{each:.0f}" for each in found)
            print(
                f"{number} servers: {rate:.0f} sentences a second ({runs}), {rate / number / one:.3f} of linear; "
                f"{statistics.median(used[number]):.2f} ms of a server's processor time for each"
            )
        print(f"Envoy's processor time for a call: {statistics.median(by_envoy):.3f} ms")
        print(f"{'servers':>8}{'busy':>6}{'mean ms':>9}{'predicted':>11}{'p99 ms':>8}{'predicted':>11}")
        for number, busy in itertools.product(_NUMBERS, _BUSY):
            async with callers(envoys[number].address, number) as clients:
                asked = await open_loop(clients, busy * number * one, _OPEN_SECONDS)
            took = sorted(1000 * (call.ended - call.due) for call in asked)
            told = sorted(waits("least of two", number, busy, 1000 / one, 50_000, random.Random(1)))
            means = statistics.fmean(took), statistics.fmean(told)
            p99s = took[int(0.99 * len(took))], told[int(0.99 * len(told))]
            print(f"{number:8}{busy:6.1f}{means[0]:9.1f}{means[1]:11.1f}{p99s[0]:8.0f}{p99s[1]:11.0f}")


async def measure_step(folder: Path, model: str, cores: float) -> None:
    """One server of which half is used, and five times as many calls at once: three more come when the simulated
    autoscaler has them."""
    start_seconds, busy = 5.0, 0.5
    async with throttled(folder / "step", model, 4, BY_ENVOY, cores=cores) as of:
        clients = [AsyncClient(of.address(BY_ENVOY), retries=False) for _ in range(8)]
        one = await closed_loop(clients, 3 * 4, _SECONDS) / 4
        for node in of.nodes[1:]:
            node.hang()
        await asyncio.sleep(8)  # Envoy has noticed
        inputs = Inputs(sentences_per_second=5 * busy * one, server_sentences_per_second=one)
        predicted, share = step_of_load(inputs, start_seconds, spare=1 - busy)
        began = time.monotonic()
        asking = asyncio.create_task(open_loop(clients, inputs.sentences_per_second, 30.0))
        await asyncio.sleep(15 + start_seconds)
        for node in of.nodes[1:]:
            node.go_on()
        calls = await asking
        refused = [call for call in calls if not call.is_answered]
        last = max((call.due - began for call in refused), default=0.0)
        until = [call for call in calls if call.due - began <= last]
        for client in clients:
            await client.close()
    print(
        f"five times as many calls: refused for {last:.0f} s ({predicted:.0f} predicted), "
        f"{len(refused) / max(1, len(until)):.0%} of these ({share:.0%} predicted)"
    )


async def measure_way(folder: Path, model: str) -> None:
    """What Envoy adds to a call that is alone, to a server that is not made small."""
    place = folder / "way"
    place.mkdir()
    bundle = read_bundle(Path("model_repository") / model / "1")
    async with cluster(place, [bundle], 1, BY_ENVOY) as servers:
        assert servers.envoy
        times = defaultdict(list)
        async with AsyncClient(servers.nodes[0].address) as direct, AsyncClient(servers.envoy.address) as by_envoy:
            before = cpu_seconds([servers.envoy.pid])
            for number in range(_NUM_TIMED):
                for name, client in (("directly", direct), ("through Envoy", by_envoy)):
                    began = time.perf_counter()
                    await ask(client, Request("sentence", number % 24))
                    times[name].append(1000 * (time.perf_counter() - began))
            used = cpu_seconds([servers.envoy.pid]) - before
    for line in _distributions(times):
        print(line)
    print(f"Envoy's processor time for a call that is alone: {1000 * used / _NUM_TIMED:.3f} ms")


def _distributions(times: dict[str, list[float]]) -> Iterator[str]:
    for name, found in times.items():
        found.sort()
        yield f"{name}: {statistics.median(found):.2f} ms, p99 {found[int(0.99 * len(found))]:.2f} ms"


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.scaling", description="What more servers bring.")
    parser.add_argument("--model", default="rnn-en-fr", help="(default: rnn-en-fr)")
    parser.add_argument("--cores", type=float, default=0.1, help="of each server (default: 0.1)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        await measure_way(Path(folder), arguments.model)
        await measure_scaling(Path(folder), arguments.model, arguments.cores)
        await measure_step(Path(folder), arguments.model, arguments.cores)


if __name__ == "__main__":
    asyncio.run(main())

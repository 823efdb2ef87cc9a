"""What more servers bring, and what Envoy costs: servers that have a tenth of a core each, as far as two cores go.

python -m tests.cluster.scaling
"""

import asyncio
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from seq2serve import AsyncClient
from server.bundle.manifest import read_bundle
from tests.cluster.load import Request, ask
from tests.cluster.overload import closed_loop, throttled
from tests.cluster.run import cluster

_MODEL = "rnn-en-fr"
_NUMBERS = (1, 2, 4)
_CALLERS = 12
"""For each server."""
_ROUNDS = 3
_SECONDS = 5.0
_NUM_TIMED = 300
"""Calls one after another, by each way."""


async def measure_scaling(folder: Path) -> None:
    rates = defaultdict(list)
    costs = []
    for turn in range(_ROUNDS):
        for number in _NUMBERS:
            async with throttled(folder / f"scaling-{turn}-{number}", _MODEL, number, by_envoy=True) as (
                address,
                envoy,
            ):
                assert envoy
                clients = [AsyncClient(address) for _ in range(number)]
                await closed_loop(clients, number, 1.0)  # connections are made
                before = envoy.cpu_seconds()
                rate = await closed_loop(clients, _CALLERS * number, _SECONDS)
                costs.append(1000 * (envoy.cpu_seconds() - before) / (rate * _SECONDS))
                rates[number].append(rate)
                for client in clients:
                    await client.close()
    one = statistics.median(rates[1])
    for number, found in rates.items():
        rate = statistics.median(found)
        runs = " ".join(f"{each:.0f}" for each in found)
        print(f"{number} servers: {rate:.0f} sentences a second ({runs}), {rate / number / one:.3f} of linear")
    print(f"Envoy's own processor time for a call: {statistics.median(costs):.3f} ms")


async def measure_way(folder: Path) -> None:
    """What Envoy adds to a call that is alone, to a server that is not made small."""
    place = folder / "way"
    place.mkdir()
    bundle = read_bundle(Path("model_repository") / _MODEL / "1")
    async with cluster(place, [bundle], 1, by_envoy=True) as servers:
        assert servers.envoy
        times = defaultdict(list)
        async with AsyncClient(servers.nodes[0].address) as direct, AsyncClient(servers.envoy.address) as by_envoy:
            for number in range(_NUM_TIMED):
                for name, client in (("directly", direct), ("through Envoy", by_envoy)):
                    began = time.perf_counter()
                    await ask(client, Request("sentence", number % 24))
                    times[name].append(1000 * (time.perf_counter() - began))
    for name, found in times.items():
        found.sort()
        print(f"{name}: {statistics.median(found):.2f} ms, p99 {found[int(0.99 * len(found))]:.2f} ms")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        await measure_way(Path(folder))
        await measure_scaling(Path(folder))


if __name__ == "__main__":
    asyncio.run(main())

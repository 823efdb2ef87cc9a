"""What the series that pods are scaled by say of a server by how busy it is: the reason of KEDA's thresholds. A server
has one core, whoever calls it the other; takes two minutes, and a machine without other work.

python -m tests.cluster.thresholds
"""

import argparse
import asyncio
import os
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from loadtest.running_server import free_port, running_server, serve_command
from seq2serve import AsyncClient
from tests.cluster.overload import closed_loop, open_loop

_BUSY = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1)
_NUM_CLIENTS = 8
_CALLERS = 64
_PEAK_SECONDS = 6.0
_SECONDS = 10.0

Totals = Mapping[str, float]


def read_totals(address: str) -> Totals:
    """Sums over all models of the counters that pods are scaled by, and of each bucket of the wait."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    totals: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "seq2serve_waiting_seconds_total":
                totals["waiting"] += sample.value
            elif sample.name == "seq2serve_tokens_total" and sample.labels["direction"] == "output":
                totals["tokens"] += sample.value
            elif sample.name == "seq2serve_queue_seconds_bucket":
                totals[f"le {sample.labels['le']}"] += sample.value
    return totals


def quantile(buckets: Mapping[float, float], share: float) -> float:
    """As Prometheus' histogram_quantile: even within a bucket. `buckets`: counts by upper bounds, cumulative."""
    bounds = sorted(buckets)
    rank, low, below = share * buckets[bounds[-1]], 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            within = buckets[bound] - below
            return low if bound == float("inf") or not within else low + (bound - low) * (rank - below) / within
        low, below = bound, buckets[bound]
    return low


async def measure(address: str, metrics: str, model: str) -> None:
    clients = [AsyncClient(address, retries=False) for _ in range(_NUM_CLIENTS)]
    await closed_loop(clients, _CALLERS, 2.0, model)
    peak = await closed_loop(clients, _CALLERS, _PEAK_SECONDS, model)
    print(f"{model}: {peak:.0f} sentences a second at most, of {_CALLERS} callers")
    print(f"{'busy':>6}{'asked/s':>9}{'tokens/s':>10}{'waiting':>9}{'p99 of the wait, ms':>21}{'refused':>9}")
    for busy in _BUSY:
        before, began = read_totals(metrics), time.monotonic()
        asked = await open_loop(clients, busy * peak, _SECONDS, model)
        after, seconds = read_totals(metrics), time.monotonic() - began
        change = {name: after[name] - before.get(name, 0.0) for name in after}
        buckets = {float(name[3:]): value for name, value in change.items() if name.startswith("le ")}
        refused = sum(not call.is_answered for call in asked) / len(asked)
        print(
            f"{busy:6.1f}{len(asked) / _SECONDS:9.0f}{change['tokens'] / seconds:10,.0f}"
            f"{change['waiting'] / seconds:9.2f}{1000 * quantile(buckets, 0.99):21.1f}{refused:9.1%}",
            flush=True,
        )
        await asyncio.sleep(1.0)
    for client in clients:
        await client.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.thresholds", description="How series tell load.")
    parser.add_argument("--model", default="transformer-en-fr", help="(default: transformer-en-fr)")
    arguments = parser.parse_args()
    [first, second, *_] = sorted(os.sched_getaffinity(0))
    metrics = f"127.0.0.1:{free_port()}"
    command = serve_command(f"--default-model={arguments.model}")
    command[command.index("--metrics-listen=")] = f"--metrics-listen={metrics}"
    with tempfile.TemporaryDirectory() as folder:
        os.sched_setaffinity(0, {first})  # the server and its engine have it from here
        with running_server(command, Path(folder) / "server.log") as server:
            os.sched_setaffinity(0, {second})
            asyncio.run(measure(server.address, metrics, arguments.model))


if __name__ == "__main__":
    main()

"""What a cluster's servers say of themselves to Prometheus, and Envoy of them, asked every half second."""

import asyncio
import bisect
import contextlib
import time
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.envoy import Envoy
from tests.cluster.nodes import Node

_INTERVAL_SECONDS = 0.5
_SERVICE = "translation.v1.TranslationService"


class Sample(NamedTuple):
    at: float
    """On the clock of `time.monotonic`."""
    started: float
    """Calls that have begun since the server's start."""
    handled: float
    """Calls that have ended."""
    by_envoy: float = 0.0
    """Times that Envoy has asked the server since Envoy's start."""


class Series:
    """Counts of each node's calls, by its name."""

    def __init__(self, nodes: Sequence[Node], envoy: Envoy | None) -> None:
        self._nodes = nodes
        self._envoy = envoy
        self.samples: defaultdict[str, list[Sample]] = defaultdict(list)

    async def scrape_until_cancelled(self) -> None:
        while True:
            by_envoy: dict[str, int] = {}
            if self._envoy:
                with contextlib.suppress(OSError):  # it is being restarted
                    by_envoy = await asyncio.to_thread(self._envoy.attempts)
            await asyncio.gather(*(self._scrape(node, by_envoy) for node in self._nodes if node.is_running))
            await asyncio.sleep(_INTERVAL_SECONDS)

    async def _scrape(self, node: Node, by_envoy: Mapping[str, int]) -> None:
        try:
            sample = await asyncio.to_thread(read_sample, node.metrics_address)
        except OSError:  # it hangs, ends, or has not started
            return
        self.samples[node.name].append(sample._replace(by_envoy=by_envoy.get(node.address, 0)))

    def rates(self, name: str, start: float, end: float) -> tuple[float, float]:
        """Calls a second that came to a node from clients themselves, and through Envoy, between two moments, as the
        samples nearest to them say; 0 where there are none, and across a start."""
        samples = self.samples[name]
        first, last = (bisect.bisect_left(samples, at, key=lambda sample: sample.at) for at in (start, end))
        last = min(last, len(samples) - 1)
        if first >= last:
            return 0.0, 0.0
        seconds = samples[last].at - samples[first].at
        all_calls = max(0.0, samples[last].started - samples[first].started) / seconds
        by_envoy = max(0.0, samples[last].by_envoy - samples[first].by_envoy) / seconds
        return max(0.0, all_calls - by_envoy), by_envoy

    def started_between(self, name: str, start: float, end: float) -> float:
        """Calls that a node has begun between the first sample after one moment and the last one before another."""
        within = [sample.started for sample in self.samples[name] if start <= sample.at <= end]
        return within[-1] - within[0] if within else 0.0


def read_sample(address: str) -> Sample:
    """Raises OSError."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=_INTERVAL_SECONDS) as answer:
        text = answer.read().decode()
    counts = {"grpc_server_started": 0.0, "grpc_server_handled": 0.0}
    for family in text_string_to_metric_families(text):
        if family.name in counts:
            ours = (one for one in family.samples if one.labels.get("grpc_service") == _SERVICE)
            counts[family.name] = sum(one.value for one in ours if one.name.endswith("_total"))
    return Sample(time.monotonic(), counts["grpc_server_started"], counts["grpc_server_handled"])

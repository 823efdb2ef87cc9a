"""A real Prometheus that scrapes processes of this machine, and what it says of them."""

import contextlib
import json
import math
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from loadtest.running_server import free_port

Points = list[tuple[float, float]]
"""Unix times and finite values, the newest last."""


class Series(NamedTuple):
    name: str
    points: Points


class Prometheus:
    """Asked over its API."""

    def __init__(self, address: str, rate_interval: str) -> None:
        """`rate_interval`: stands for Grafana's variable of this name in queries."""
        self._address = address
        self._rate_interval = rate_interval

    def query(self, expression: str, started: float, ended: float | None = None) -> list[tuple[dict[str, str], Points]]:
        """The labels and the points of each series, one a second from one Unix time to another, or until now."""
        query = expression.replace("$__rate_interval", self._rate_interval)
        end = time.time() if ended is None else ended
        parameters = {"query": query, "start": f"{started:.3f}", "end": f"{end:.3f}", "step": "1"}
        url = f"http://{self._address}/api/v1/query_range?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            result = json.load(answer)["data"]["result"]
        found = [(one["metric"], [(at, float(value)) for at, value in one["values"]]) for one in result]
        return [(labels, [point for point in points if math.isfinite(point[1])]) for labels, points in found]

    def rate(self, series: str, labels: str, started: float) -> float:
        """How much a counter grows a second, on average since a time."""
        [(_, points)] = self.query(f"sum(rate({series}{labels}[$__rate_interval]))", started)
        return sum(value for _, value in points) / len(points)

    def mean(self, series: str, labels: str, started: float) -> float:
        """The mean of a histogram's values since a time."""
        return self.rate(f"{series}_sum", labels, started) / self.rate(f"{series}_count", labels, started)

    def panel(self, panel: dict[str, Any], started: float) -> list[Series]:
        """What a panel shows since a time, without series that have no number."""
        return [
            Series(_legend(target["legendFormat"], labels), points)
            for target in panel["targets"]
            for labels, points in self.query(target["expr"], started)
            if points
        ]


@contextlib.contextmanager
def running_prometheus(
    folder: Path, program: str, jobs: Sequence[dict[str, Any]], interval: float, rate_interval: str
) -> Iterator[Prometheus]:
    """Prometheus, with its data in `folder`. `jobs`: its scrape_configs. `interval`: seconds between two scrapes."""
    config = folder / "prometheus.yml"
    settings = {"global": {"scrape_interval": f"{1000 * interval:.0f}ms"}, "scrape_configs": list(jobs)}
    config.write_text(json.dumps(settings), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/-/ready", timeout=1):
                break
            time.sleep(0.1)
        yield Prometheus(address, rate_interval)
    finally:
        process.terminate()
        process.wait(10)


def _legend(template: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        template = template.replace("{{" + name + "}}", value)
    return template

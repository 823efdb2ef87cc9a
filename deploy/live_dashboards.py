"""The dashboards over a real Prometheus: python -m deploy.live_dashboards --prometheus /path/to/prometheus.

A server of the shipped models is scraped while it is idle, after one call and one failure, and under a known load.
Fails where a panel is empty then, where a number is further than a tenth from what the clients counted, or where models
look alike that are not; and draws both dashboards as Grafana would have shown them. Takes a minute; run by night.
"""

import argparse
import contextlib
import itertools
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib import pyplot

from deploy.expressions import DASHBOARDS
from deploy.live_prometheus import Prometheus, Series, running_prometheus
from loadtest.running_server import ServerError, free_port, running_server, serve_command
from seq2serve.client import Client
from seq2serve.errors import TranslationError
from seq2serve.pb import translation_pb2 as pb

INTERVAL = 1.0
"""Seconds between two scrapes."""
RATE_INTERVAL = "5s"
MOST_UNTIL_SCRAPED = 60.0
"""Seconds from the start of Prometheus to its first scrape."""
LOAD_SECONDS = 20.0
CALLS_A_SECOND = 20.0
"""Of each model."""
TOLERANCE = 0.1
MOST_OUTSIDE_SECONDS = 0.004
"""Time of a call that the server does not see, as its way to it and back, on a machine that is shared with the load."""
SENTENCES = ("A man is sleeping.", "Two young dogs are playing in the snow with a red ball.", "What time is it?")
DIFFERENT_IN = {"A step, on average": 1.05}
"""Panels in which no two models are the same, and by which factor they differ at least."""


class Counted(NamedTuple):
    """What the clients of one model have seen."""

    calls: int
    output_tokens: int
    source_tokens: int
    seconds: float
    mean_seconds: float
    """Of a call, as the client has it."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.live_dashboards")
    parser.add_argument("--prometheus", default=shutil.which("prometheus"), help="the program (default: of the PATH)")
    parser.add_argument("--pictures", type=Path, default=Path("docs/pictures"))
    arguments = parser.parse_args()
    if not arguments.prometheus:
        sys.exit("error: --prometheus: no program prometheus in the PATH")
    with tempfile.TemporaryDirectory() as folder:
        try:
            problems = check(Path(folder), arguments.prometheus, arguments.pictures)
        except ServerError as error:
            sys.exit(f"error: {error}")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    sys.exit(bool(problems))


class Watched(NamedTuple):
    """A server that is scraped."""

    address: str
    models: list[str]
    prometheus: Prometheus
    dashboards: dict[str, dict[str, Any]]


def check(folder: Path, program: str, pictures: Path) -> list[str]:
    """What is wrong with the dashboards, a line each; draws them into the folder of `pictures`.

    folder: of the logs, and of what Prometheus stores. program: Prometheus. Raises ServerError.
    """
    with watched_server(folder, program) as watched:
        prometheus, dashboards = watched.prometheus, watched.dashboards
        problems = empty_after_one_call(watched)
        time.sleep(2 * INTERVAL)  # so that the failure is not in the load's first rates
        counted = _load(watched.address, watched.models)
        loaded = time.time()
        titles = {panel["title"]: panel for dashboard in dashboards.values() for panel in dashboard["panels"]}
        problems += compare(prometheus, titles, counted, loaded)
        time.sleep(4 * INTERVAL)
        for name, dashboard in dashboards.items():
            draw(prometheus, dashboard, loaded - LOAD_SECONDS - 2, pictures / f"dashboard-{name}.png")
    return problems


@contextlib.contextmanager
def watched_server(folder: Path, program: str) -> Iterator[Watched]:
    """A server of the shipped models, and a Prometheus that has scraped it while it was idle. Raises ServerError."""
    metrics = f"127.0.0.1:{free_port()}"
    dashboards = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))}
    job = {"job_name": "seq2serve", "static_configs": [{"targets": [metrics]}]}
    with (
        running_server(serve_command(f"--metrics-listen={metrics}"), folder / "server.log") as server,
        running_prometheus(folder, program, [job], INTERVAL, RATE_INTERVAL) as prometheus,
    ):
        with Client(server.address) as client:
            models = [model.name for model in client.list_models()]
        patience = time.monotonic() + MOST_UNTIL_SCRAPED
        while not prometheus.query("up", time.time() - INTERVAL):  # it is told of its targets some seconds later
            if time.monotonic() > patience:
                raise ServerError(f"Prometheus has scraped nothing for {MOST_UNTIL_SCRAPED:.0f} s")
            time.sleep(INTERVAL)
        time.sleep(3 * INTERVAL)
        yield Watched(server.address, models, prometheus, dashboards)


def empty_after_one_call(watched: Watched) -> list[str]:
    """The panels that show nothing after one call and one failure, a line each."""
    started = time.time()
    _call_and_fail(watched.address)
    time.sleep(4 * INTERVAL)
    return [
        f"{name}, after one call and one failure: {panel['title']}: empty"
        for name, dashboard in watched.dashboards.items()
        for panel in dashboard["panels"]
        if not watched.prometheus.panel(panel, started)
    ]


def compare(
    prometheus: Prometheus, panels: dict[str, dict[str, Any]], counted: dict[str, Counted], loaded: float
) -> list[str]:
    """What the panels say of the load, against what the clients counted."""
    expected = {
        "Requests per second": {name: one.calls / one.seconds for name, one in counted.items()},
        "Output tokens per second": {
            name: (one.output_tokens + one.calls) / one.seconds  # the end of a sentence is a token as well
            for name, one in counted.items()
        },
        "Source tokens per second": {name: one.source_tokens / one.seconds for name, one in counted.items()},
    }
    problems = []
    started = loaded - LOAD_SECONDS + 6
    for model, one in counted.items():
        told = prometheus.mean("seq2serve_request_seconds", f'{{model="{model}", outcome="ok"}}', started)
        print(f"A request on average, {model}: {1e3 * told:.2f} ms, the client had {1e3 * one.mean_seconds:.2f}")
        if not told <= one.mean_seconds <= told + MOST_OUTSIDE_SECONDS:
            problems.append(f"requests of {model}: {told:.4f} s told, {one.mean_seconds:.4f} s in the client")
        waits = prometheus.rate("seq2serve_queue_seconds_sum", f'{{model="{model}"}}', started)
        waiting = prometheus.rate("seq2serve_waiting_seconds_total", f'{{model="{model}"}}', started)
        if not abs(waits - waiting) <= TOLERANCE * waits:
            problems.append(f"{model}: {waiting:.6f} sentences wait on average, by their waits {waits:.6f}")
    for title, by_model in expected.items():
        shown = {one.name: _mean(one) for one in prometheus.panel(panels[title], loaded - LOAD_SECONDS + 6)}
        for model, value in by_model.items():
            told = shown.get(model, 0.0)
            print(f"{title}, {model}: {told:.1f}, the clients counted {value:.1f}")
            if not abs(told - value) <= TOLERANCE * value:
                problems.append(f"{title}, {model}: {told:.2f} shown, {value:.2f} counted")
    for title, factor in DIFFERENT_IN.items():
        means = sorted((_mean(one), one.name) for one in prometheus.panel(panels[title], loaded - LOAD_SECONDS + 6))
        print(f"{title}: " + ", ".join(f"{name} {1e6 * mean:.0f} microseconds" for mean, name in means))
        problems += [
            f"{title}: {one} and {other} look alike: {low:.6f} and {high:.6f}"
            for (low, one), (high, other) in itertools.pairwise(means)
            if high < factor * low
        ]
    return problems


def draw(prometheus: Prometheus, dashboard: dict[str, Any], started: float, path: Path) -> None:
    """Draw a dashboard's panels as they stand in it."""
    matplotlib.use("Agg")
    panels = dashboard["panels"]
    figure, axes = pyplot.subplots(-(-len(panels) // 2), 2, figsize=(13, 2.6 * -(-len(panels) // 2)), squeeze=False)
    for axis, panel in zip(axes.flat, panels, strict=False):
        for series in prometheus.panel(panel, started):
            times, values = zip(*series.points, strict=True)
            axis.plot([at - started for at in times], values, label=series.name, linewidth=1)
        axis.set_title(panel["title"], fontsize=9)
        axis.set_ylim(bottom=0)
        axis.tick_params(labelsize=7)
        axis.legend(fontsize=5, ncols=2, loc="best")
    figure.suptitle(dashboard["title"])
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=70)


def _call_and_fail(address: str) -> None:
    """One translation, and one whose deadline passes while the server has it."""
    with Client(address, retries=False) as client:
        client.translate(SENTENCES[0])
        with contextlib.suppress(TranslationError):
            client.translate([SENTENCES[1]] * 300, timeout=0.2, decoding=pb.DecodingOptions(beam_size=8))


def _load(address: str, models: list[str]) -> dict[str, Counted]:
    """All models at once, at an even pace."""
    counted: dict[str, Counted] = {}

    def load(model: str) -> None:
        calls = output_tokens = source_tokens = 0
        in_calls = 0.0
        started = time.monotonic()
        with Client(address) as client:
            while (due := started + calls / CALLS_A_SECOND) < started + LOAD_SECONDS:
                time.sleep(max(0.0, due - time.monotonic()))
                sent = time.monotonic()
                answer = client.translate(SENTENCES[calls % len(SENTENCES)], model=model)
                in_calls += time.monotonic() - sent
                calls += 1
                output_tokens += answer.output_token_count
                source_tokens += answer.source_token_count
        seconds = time.monotonic() - started
        counted[model] = Counted(calls, output_tokens, source_tokens, seconds, in_calls / calls)

    threads = [threading.Thread(target=load, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counted


def _mean(series: Series) -> float:
    return sum(value for _, value in series.points) / len(series.points)


if __name__ == "__main__":
    main()

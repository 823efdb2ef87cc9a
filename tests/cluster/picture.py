"""The picture of a run: what Prometheus has scraped of the servers and of Envoy, and what the clients' clocks say."""

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deploy.live_prometheus import Points, Prometheus
from tests.cluster.run import Cluster, Outcome, Record

INTERVAL = 1.0
"""Seconds between two scrapes."""
RATE_INTERVAL = "4s"
_SERVICE = '{grpc_service="translation.v1.TranslationService"}'
_UNARY = '{grpc_service="translation.v1.TranslationService",grpc_type="unary"}'


class Panel(NamedTuple):
    title: str
    unit: str
    queries: dict[str, str]
    """Expressions by the names of their series; `{server}` stands for a label."""
    factor: float = 1.0


_PANELS = (
    Panel(
        "each server, by Prometheus",
        "calls a second",
        {"{server}": f"sum by (server) (rate(grpc_server_handled_total{_SERVICE}[$__rate_interval]))"},
    ),
    Panel(
        "unary calls as the servers see them, by Prometheus",
        "ms",
        {
            name: f"histogram_quantile({share}, sum by (le) (rate(grpc_server_handling_seconds_bucket{_UNARY}"
            "[$__rate_interval])))"
            for name, share in (("p50", 0.5), ("p99", 0.99))
        },
        factor=1000.0,
    ),
    Panel(
        "Envoy, by Prometheus",
        "servers; calls a second",
        {
            "servers that it takes for healthy": 'envoy_cluster_membership_healthy{envoy_cluster_name="servers"}',
            "calls asked again": 'sum(rate(envoy_cluster_upstream_rq_retry{envoy_cluster_name="servers"}'
            "[$__rate_interval]))",
        },
    ),
)


def scraped(servers: Cluster) -> list[dict[str, Any]]:
    """Prometheus' jobs for a cluster."""
    nodes = [{"targets": [node.metrics_address], "labels": {"server": node.name}} for node in servers.nodes]
    jobs: list[dict[str, Any]] = [{"job_name": "seq2serve", "static_configs": nodes}]
    if servers.envoy:
        envoy = {"targets": [servers.envoy.metrics_address]}
        jobs.append({"job_name": "envoy", "metrics_path": "/stats/prometheus", "static_configs": [envoy]})
    return jobs


def draw(record: Record, prometheus: Prometheus | None, path: Path) -> None:
    """`prometheus`: None where it is not there: the servers' counters as the run has read them are drawn then."""
    panels = _PANELS if prometheus else ()
    num_axes = max(1, len(panels)) + len(record.outcomes)
    figure = Figure(figsize=(12, 2.5 * num_axes), layout="constrained")
    all_axes = figure.subplots(num_axes, 1, squeeze=False)[:, 0]
    for axes, panel in zip(all_axes, panels, strict=False):
        assert prometheus
        _draw_panel(axes, panel, prometheus, record)
    if not panels:
        _draw_counters(all_axes[0], record)
    for axes, outcome in zip(all_axes[-len(record.outcomes) :], record.outcomes, strict=True):
        _draw_times(axes, outcome, record.phases[0].start)
    for index, axes in enumerate(all_axes):
        _mark_phases(axes, record, is_named=not index)
    all_axes[-1].set_xlabel("seconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _draw_panel(axes: Axes, panel: Panel, prometheus: Prometheus, record: Record) -> None:
    to_unix = time.time() - time.monotonic()
    start, end = record.phases[0].start + to_unix, record.phases[-1].end + to_unix
    for name, expression in panel.queries.items():
        for labels, points in prometheus.query(expression, start, end):
            at, values = zip(*_with_gaps(points), strict=True) if points else ((), ())
            shown = [panel.factor * value for value in values]
            axes.plot([one - start for one in at], shown, label=name.format(**labels), linewidth=1)
    axes.set(title=panel.title, ylabel=panel.unit, ylim=(0, None))
    axes.legend(loc="upper right", fontsize="small")


def _with_gaps(points: Points) -> Iterator[tuple[float, float]]:
    """With a NaN, which draws nothing, wherever seconds are missing."""
    before = points[0][0]
    for at, value in points:
        if at > before + 1.5:
            yield before + 1.0, float("nan")
        yield at, value
        before = at


def _draw_counters(axes: Axes, record: Record) -> None:
    origin = record.phases[0].start
    for name, samples in sorted(record.series.samples.items()):
        # Over two seconds; a server that was started again counts from 0.
        pairs = [(old, new) for old, new in zip(samples, samples[4:], strict=False) if new.handled >= old.handled]
        rates = [(new.handled - old.handled) / (new.at - old.at) for old, new in pairs]
        axes.plot([new.at - origin for _, new in pairs], rates, label=name, linewidth=1)
    axes.set(title="each server, by its own counters", ylabel="calls a second", ylim=(0, None))
    axes.legend(loc="upper right", fontsize="small")


def _draw_times(axes: Axes, outcome: Outcome, origin: float) -> None:
    by_second = defaultdict(list)
    for call in outcome.calls:
        if call.request.kind == "sentence" and not call.lost:
            by_second[int(call.due - origin)].append(1000 * call.seconds)
    seconds = sorted(by_second)
    axes.plot(seconds, [sorted(by_second[one])[len(by_second[one]) // 2] for one in seconds], label="median")
    axes.plot(seconds, [max(by_second[one]) for one in seconds], label="longest", linewidth=0.8)
    axes.set(title=f"a sentence {outcome.way}, by the clients' clocks", ylabel="ms", yscale="log")
    axes.legend(loc="upper right", fontsize="small")


def _mark_phases(axes: Axes, record: Record, is_named: bool) -> None:
    origin = record.phases[0].start
    axes.set_xlim(0, record.phases[-1].end - origin)
    for phase in record.phases[1:]:
        axes.axvline(phase.start - origin, color="grey", linewidth=0.6, linestyle=":")
        if is_named:
            place = phase.start - origin, axes.get_ylim()[1]
            axes.annotate(phase.what, place, rotation=90, va="top", fontsize=6, color="grey")

"""The PromQL of dashboards and rules: it is valid, and the series and labels that it names are those of the server and
the gateway."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import promql_parser
from prometheus_client import Metric

from gateway.metrics import Metrics as GatewayMetrics
from server.decoding.metrics import EngineMetrics
from server.keys.key_file import Key
from server.serving.access.access import Access, KeySeries
from server.serving.engines.process_series import ProcessSeries
from server.serving.engines.series import labelled
from server.serving.metrics import Metrics

DASHBOARDS = Path("deploy/grafana/dashboards")

_OF_SCRAPES = ("job", "instance")
"""Labels that Prometheus gives."""

_TEMPLATE_LABEL = re.compile(r"\$labels\.(\w+)")
"""A label that an alert's text shows."""

Series = dict[str, set[str]]
"""The labels of each series, by its name."""


def check_dashboards(series: Series) -> Iterator[str]:
    """Every expression is PromQL, and the series and labels that it names are known."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                for problem in check_expression(target["expr"].replace("$__rate_interval", "1m"), series):
                    yield f"{path}: {panel['title']}: {problem}"


def check_rules(rules: dict[str, Any], series: Series) -> Iterator[str]:
    """As of dashboards. A rule may use what rules before it record, and an alert shows labels that its series have."""
    known = dict(series)
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        name = rule.get("record") or rule["alert"]
        problems = check_expression(rule["expr"], known)
        yield from (f"rules: {name}: {problem}" for problem in problems)
        if problems:
            continue
        labels = labels_of(rule["expr"], known)
        if "record" in rule:
            known[name] = labels
        for text in rule.get("annotations", {}).values():
            for label in _TEMPLATE_LABEL.findall(text):
                if label not in labels:
                    yield f"rules: {name}: shows the label {label}, which its series do not have"


def labels_of(expression: str, series: Series) -> set[str]:
    """The labels of a valid expression's result: those that it groups by, and where it groups by none, those of its
    series."""
    grouped: set[str] = set()
    plain: set[str] = set()
    has_aggregate = False

    def visit(node: promql_parser.Expr) -> None:
        nonlocal has_aggregate
        if isinstance(node, promql_parser.AggregateExpr):
            has_aggregate = True
            grouped.update(node.modifier.labels if node.modifier else ())
        if isinstance(node, promql_parser.VectorSelector):
            plain.update(series[node.name or ""])

    promql_parser.walk(promql_parser.parse(expression), visit)
    return (grouped if has_aggregate else plain) - {"le"}


def check_expression(expression: str, series: Series) -> list[str]:
    """What is wrong with an expression, beside the series that there are."""
    problems: list[str] = []
    grouped: set[str] = set()
    known: set[str] = set()

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            grouped.update(node.modifier.labels)
        if isinstance(node, promql_parser.VectorSelector):
            if node.name not in series:
                problems.append(f"there is no series {node.name}")
            labels = series.get(node.name or "", set())
            known.update(labels)
            strange = {matcher.name for matcher in node.matchers.matchers} - labels
            problems.extend(f"{node.name} has no label {label}" for label in sorted(strange))

    try:
        promql_parser.walk(promql_parser.parse(expression), visit)
    except ValueError as error:
        return [f"{error}: {expression}"]
    return problems or [f"grouped by {label}, a label of none of its series" for label in sorted(grouped - known)]


def server_series() -> Series:
    """The labels of every series that the server exposes, by name."""
    metrics = Metrics()
    for rpc in (metrics.rpc_started, metrics.rpc_seconds):
        rpc.labels("type", "service", "method")
    metrics.rpc_handled.labels("type", "service", "method", "code")
    metrics.requests.know("model", "version")
    metrics.reload_successful.labels("files")
    metrics.certificate_expiry.labels("file")
    metrics.registry.register(KeySeries(Access([Key(name="key", sha256=b"", roles=frozenset())])))
    processes = ProcessSeries()
    processes.add(os.getpid(), "model", 0)
    processes.count("model", 0, 0)
    engines = labelled([*EngineMetrics("model").collect(), *processes.families], "version", "1")
    return _series((*metrics.registry.collect(), *engines))


def gateway_series() -> Series:
    """Likewise of the gateway."""
    metrics = GatewayMetrics()
    metrics.count("/translate", "POST", 200, 0.0)
    return _series(metrics.registry.collect())


def _series(families: Iterable[Metric]) -> Series:
    samples = [sample for family in families for sample in family.samples]
    return {"up": set(_OF_SCRAPES)} | {sample.name: {*sample.labels, *_OF_SCRAPES} for sample in samples}

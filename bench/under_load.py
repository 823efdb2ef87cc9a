"""The server under an open loop of Poisson arrivals, beside a gRPC server around CTranslate2."""

import contextlib
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import Any

from bench.findings import Findings, Line, Plot, Table
from bench.load import GROWTH, MAX_P99_MS, Climb, Server
from bench.plan import Plan
from bench.settings import Flags, our_best, their_best
from bench.sizes import Size
from loadtest.running_server import running_server

OURS, THEIRS = "seq2serve", "CTranslate2 server"

ECHO, ECHO_RATE = "bench.echo_server", 1000.0
"""The server that answers at once, and what it is asked: what gRPC costs by itself."""


def measure(plan: Plan, size: Size) -> Findings:
    texts = plan.texts()
    plan.folder.mkdir(parents=True, exist_ok=True)
    seconds, repeats = (2.0, 1) if plan.quick else (10.0, 3)
    commands = {OURS: size.our_command, THEIRS: size.their_command}

    def steps_of(name: str) -> Callable[[Flags, float], dict[str, Any]]:
        def load(flags: Flags, rate: float) -> dict[str, Any]:
            with running_server(commands[name](plan, *flags), plan.folder / "searched.log") as running:
                server = Server(running, size)
                try:
                    return server.load(texts, rate, max(seconds / 2, 300 / rate))
                finally:
                    server.close()

        return load

    searched = {
        OURS: our_best(size, plan.quick, steps_of(OURS)),
        THEIRS: their_best(size, plan.quick, steps_of(THEIRS)),
    }
    climbs: dict[str, list[Climb]] = {name: [] for name in searched}
    with contextlib.ExitStack() as stack:
        servers = {}
        for name, (flags, _) in searched.items():
            running = stack.enter_context(running_server(commands[name](plan, *flags), plan.folder / f"{name}.log"))
            servers[name] = Server(running, size)
            stack.callback(servers[name].close)
        for _ in range(repeats):
            for name, found in climb(servers, size, texts, seconds, climbs).items():
                climbs[name].append(found)
        highest = {name: statistics.median(found.held for found in of_name) for name, of_name in climbs.items()}
        at_highest = {
            name: [servers[name].load(texts, highest[name] or size.first_rate, seconds) for _ in range(repeats)]
            for name in climbs
        }
    with running_server([sys.executable, "-m", ECHO], plan.folder / "echo.log") as running:
        echo = Server(running, size)
        at_highest["gRPC alone"] = [echo.load(texts, ECHO_RATE, seconds) for _ in range(repeats)]
        echo.close()
    share = statistics.median(step["not_decoding"] for step in at_highest[OURS])
    ratios = [ours.held / max(theirs.held, 1e-9) for ours, theirs in zip(climbs[OURS], climbs[THEIRS], strict=True)]
    return Findings(
        f"Under load, {size.title}",
        "Sentences of mixed lengths, one a call, arrive by a Poisson process whether or not the server keeps up; "
        "latency counts from when a call was meant to start. The server and, in a process of its own, the load "
        f"generator share the machine's {os.cpu_count()} cores. The highest rate with p99 under {MAX_P99_MS:.0f} ms is "
        f"searched {repeats} times, the servers in turns. Settings, each the best of those tried: "
        + "; ".join(f"{name}: {' '.join(flags)}" for name, (flags, _) in searched.items())
        + ". The serving share is what our serving process takes of the CPU time of both, at the highest rate that "
        "held; the decode loop's own share outside ONNX Runtime is a figure of what each idea buys.",
        {
            f"rate_at_p99_250ms{size.suffix}": round(statistics.median(ratios), 3),
            f"serving_cpu_share{size.suffix}": round(share, 3),
        },
        {
            **{
                name: {
                    "highest_rates": [found.held for found in of_name],
                    "settings": searched[name][1],
                    "steps": [found.steps for found in of_name],
                }
                for name, of_name in climbs.items()
            },
            "at_highest_rate": at_highest,
        },
        [_table(climbs), _costs(at_highest)],
        [_plot(climbs)],
    )


def climb(
    servers: dict[str, Server], size: Size, texts: Sequence[str], seconds: float, earlier: dict[str, list[Climb]]
) -> dict[str, Climb]:
    """The highest rate of every server, in turns; one that has climbed before begins below what it held then."""
    climbs = {
        name: Climb(max(size.first_rate, earlier[name][-1].held / GROWTH) if earlier[name] else size.first_rate)
        for name in servers
    }
    while not all(found.is_done for found in climbs.values()):
        for name, found in climbs.items():
            if not found.is_done:
                found.record(servers[name].load(texts, found.next_rate, max(seconds, 500 / found.next_rate)))
    return climbs


def _table(climbs: dict[str, list[Climb]]) -> Table:
    figures = ("rate", "p50", "p95", "p99", "error_share", "server_cpu", "generator_cpu")
    rows = [[name, *(step[figure] for figure in figures)] for name in climbs for step in _sorted_steps(climbs[name])]
    columns = ["server", "calls/s", "p50 ms", "p95 ms", "p99 ms", "errors", "cores", "generator's cores"]
    return Table("Latency by offered rate", columns, rows)


def _costs(at_highest: dict[str, list[dict[str, Any]]]) -> Table:
    def median(name: str, milliseconds: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(map(milliseconds, at_highest[name]))

    rows = [
        [
            name,
            at_highest[name][0]["rate"],
            median(name, lambda step: step["server_cpu"] / step["rate"] * 1e3),
            median(name, lambda step: step["server_cpu"] * (1 - step["not_decoding"]) / step["rate"] * 1e3)
            if name == OURS
            else "",
            median(name, lambda step: step["generator_cpu"] / step["rate"] * 1e3),
        ]
        for name in at_highest
    ]
    columns = ["server", "calls/s", "server", "of it the engine", "generator"]
    return Table("Processor time of a call at the highest rate, milliseconds", columns, rows)


def _plot(climbs: dict[str, list[Climb]]) -> Plot:
    lines = []
    for name, of_name in climbs.items():
        steps = [step for step in _sorted_steps(of_name) if step["answers"]]
        lines.append(Line(name, [step["rate"] for step in steps], [step["p99"] for step in steps]))
    return Plot("p99 by offered rate", "calls a second", "p99, milliseconds", lines, limit=MAX_P99_MS, log_y=True)


def _sorted_steps(climbs: Sequence[Climb]) -> list[dict[str, Any]]:
    return sorted((step for found in climbs for step in found.steps), key=lambda step: float(step["rate"]))

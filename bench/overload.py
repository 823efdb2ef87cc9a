"""More than the server can do: what is still answered, how the rest ends, and how soon it is over."""

import contextlib
import statistics
from collections.abc import Sequence
from typing import Any

from bench.findings import Cell, Findings, Table
from bench.load import Climb, Server
from bench.open_loop import NUM_CHANNELS
from bench.plan import Plan
from bench.process import BenchError, Child
from bench.sizes import Size
from loadtest.percentiles import percentile
from loadtest.running_server import running_server

FACTORS = (1.0, 2.0, 3.0)
"""Times the knee, the highest rate that the server holds."""
NUM_GENERATORS = 2
"""Of four connections each: one does not send so many calls."""
REFUSED = "RESOURCE_EXHAUSTED"
PROBE_SECONDS = 6.0
"""For which single calls are sent one after the other, longer than any deadline."""
RATIOS = ("goodput_share", "p99_over_knee", "p99_ms", "refusal_p99_ms", "other_errors", "back_to_normal_s")
"""Of `summary`, at the last of the factors."""
BACK_TO_NORMAL = 2.0
"""Times the p99 of single calls on a quiet server."""


def measure(plan: Plan, size: Size) -> Findings:
    texts = plan.texts()
    plan.folder.mkdir(parents=True, exist_ok=True)
    seconds, repeats = (4.0, 1) if plan.quick else (8.0, 3)
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(running_server(size.our_command(plan), plan.folder / "overload.log"))
        server = Server(running, size, NUM_GENERATORS)
        stack.callback(server.close)
        probe = Child("probe", ["bench.probe", running.address])
        stack.callback(probe.close)
        climb = Climb(size.first_rate)
        while not climb.is_done:
            climb.record(server.load(texts, climb.next_rate, max(seconds / 2, 500 / climb.next_rate)))
        if not climb.held:
            raise BenchError(f"{size.title}: the server holds no rate, not even {climb.missed:.0f} calls a second")
        probe.ask(model=size.model, seconds=1.0)  # what is done once
        quiet = probe.ask(model=size.model, seconds=PROBE_SECONDS)["latencies"]
        bound = BACK_TO_NORMAL * _p99(quiet)
        steps: dict[float, list[dict[str, Any]]] = {factor: [] for factor in FACTORS}
        for _ in range(repeats):
            for factor in FACTORS:
                steps[factor].append(offer(server, probe, size, texts, factor * climb.held, seconds, bound))
    knee = steps[FACTORS[0]]
    summaries = {factor: summary(of_factor, knee) for factor, of_factor in steps.items()}
    most = summaries[FACTORS[-1]]
    return Findings(
        f"Overload, {size.title}",
        f"The server as it is by default, and {NUM_GENERATORS} generators with {NUM_GENERATORS * NUM_CHANNELS} "
        f"connections, on the same cores. The knee is the highest rate with p99 under 250 ms, {climb.held:.0f} calls a "
        f"second; offered for {seconds:.0f} s is as much, and several times as much, by a Poisson process, medians of "
        f"{repeats}. Goodput is what is answered while calls are offered. A caller who sends one call after the other "
        f"is back to normal when p99 is at most {BACK_TO_NORMAL:.0f} times that of a quiet server "
        f"({_p99(quiet):.1f} ms) from then on.",
        {f"{name}_at_3_knees{size.suffix}": round(most[name], 3) for name in RATIOS},
        {"knee": climb.held, "climb": climb.steps, "quiet_probes_ms": quiet, "by_factor": steps},
        [_table(summaries), _ends(steps)],
    )


def offer(
    server: Server, probe: Child, size: Size, texts: Sequence[str], rate: float, seconds: float, bound_ms: float
) -> dict[str, Any]:
    """A step of `Server.load`, and from its end on single calls until they are as fast as `bound_ms`."""
    server.start(texts, rate, seconds)
    ended = server.wait_sent()
    probe.tell(model=size.model, seconds=PROBE_SECONDS)
    step = server.finish(rate, seconds)
    probes = probe.read()
    return step | {"back_to_normal_s": back_to_normal(ended, probes["starts"], probes["latencies"], bound_ms)}


def back_to_normal(ended: float, starts: Sequence[float], latencies: Sequence[float], bound_ms: float) -> float:
    """Seconds from `ended` to the single call from which on p99 is within the bound: 0 if it is the first, infinite if
    there is none."""
    for index, started in enumerate(starts):
        if _p99(latencies[index:]) <= bound_ms:
            return started - ended if index else 0.0
    return float("inf")


def summary(steps: Sequence[dict[str, Any]], knee: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Medians of several steps, some of them in relation to those at the knee."""

    def median(values: Sequence[float]) -> float:
        return statistics.median(values)

    goodput, p99 = ([step[name] for step in steps] for name in ("answers_per_second", "p99"))
    others = [sum(step["errors"].values()) - step["errors"].get(REFUSED, 0) for step in steps]
    return {
        "rate": steps[0]["rate"],
        "goodput": median(goodput),
        "goodput_share": median(goodput) / median([step["answers_per_second"] for step in knee]),
        "p50_ms": median([step["p50"] for step in steps]),
        "p99_ms": median(p99),
        "p99_over_knee": median(p99) / median([step["p99"] for step in knee]),
        "refusal_p99_ms": median([step["error_p99"].get(REFUSED, 0.0) for step in steps]),
        "other_errors": float(max(others)),
        "back_to_normal_s": median([step["back_to_normal_s"] for step in steps]),
        "server_cpu": median([step["server_cpu"] for step in steps]),
        "generator_cpu": median([step["generator_cpu"] for step in steps]),
        "late_ms": median([step["late_ms"] for step in steps]),
    }


def _p99(latencies: Sequence[float]) -> float:
    return percentile(sorted(latencies), 99) or float("inf")


def _table(summaries: dict[float, dict[str, float]]) -> Table:
    figures = {
        "rate": "calls/s",
        "goodput": "goodput",
        "goodput_share": "of the knee's",
        "p50_ms": "p50 ms",
        "p99_ms": "p99 ms",
        "refusal_p99_ms": "refusals, p99 ms",
        "back_to_normal_s": "normal after s",
        "server_cpu": "server's cores",
        "generator_cpu": "generators' cores",
        "late_ms": "generators late, p99 ms",
    }
    rows: list[list[Cell]] = [
        [f"{factor:g} knees", *(of_factor[figure] for figure in figures)] for factor, of_factor in summaries.items()
    ]
    return Table("Offered, and what became of it", ["", *figures.values()], rows)


def _ends(steps: dict[float, list[dict[str, Any]]]) -> Table:
    """How calls ended, in percent of all."""
    statuses = sorted({status for of_factor in steps.values() for step in of_factor for status in step["errors"]})
    rows: list[list[Cell]] = []
    for factor, of_factor in steps.items():
        counts = {status: sum(step["errors"].get(status, 0) for step in of_factor) for status in statuses}
        counts = {"OK": sum(step["answers"] for step in of_factor)} | counts
        rows.append([f"{factor:g} knees", *(100 * count / sum(counts.values()) for count in counts.values())])
    return Table("How calls ended, percent", ["", "OK", *statuses], rows)

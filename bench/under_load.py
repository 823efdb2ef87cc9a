"""The server under an open loop of Poisson arrivals, beside a gRPC server around CTranslate2."""

import contextlib
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import made
from bench.findings import Findings, Line, Plot, Table
from bench.open_loop import WARM_UP_SECONDS
from bench.plan import Plan
from bench.process import Child
from loadtest.memory import family
from loadtest.report import percentile
from loadtest.running_server import RunningServer, running_server, serve_command

OURS, THEIRS = "seq2serve", "CTranslate2 server"

MAX_P99_MS = 250.0
MAX_ERROR_SHARE = 0.01
FIRST_RATE = 150.0
GROWTH = 1.5
NEARNESS = 1.1
"""The highest rate that held and the lowest that did not are no further apart, as a ratio."""

ECHO, ECHO_RATE = "bench.echo_server", 1000.0
"""The server that answers at once, and what it is asked: what gRPC costs by itself."""

SEARCHED_RATE = 2500.0
"""More than any of them keeps up with: the best setting is the one with the most answers."""


@dataclass
class Climb:
    """The search for the highest rate that a server holds: first by steps of GROWTH, then by halves. A rate is missed
    that is not held twice, as the machine may have been slow once."""

    held: float = 0.0
    missed: float = 0.0
    doubted: float = 0.0
    """What was not held the last time."""
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return bool(self.missed) and self.missed <= max(self.held, 1.0) * NEARNESS

    @property
    def next_rate(self) -> float:
        if self.doubted:
            return self.doubted
        if not self.missed:
            return self.held * GROWTH if self.held else FIRST_RATE
        return float((max(self.held, self.missed / GROWTH**2) * self.missed) ** 0.5)

    def record(self, step: dict[str, Any]) -> None:
        self.steps.append(step)
        if step["p99"] <= MAX_P99_MS and step["error_share"] <= MAX_ERROR_SHARE:
            self.held, self.doubted = step["rate"], 0.0
        elif self.doubted:
            self.missed, self.doubted = step["rate"], 0.0
        else:
            self.doubted = step["rate"]


class Server:
    """A server that runs, and the generator that loads it."""

    def __init__(self, server: RunningServer) -> None:
        self._pid = server.pid
        self._generator = Child("load generator", ["bench.open_loop", server.address])

    def load(self, texts: Sequence[str], rate: float, seconds: float) -> dict[str, Any]:
        before = cpu_seconds_by_thread(self._pid)
        answer = self._generator.ask(texts=texts, rate=rate, seconds=seconds, seed=int(rate))
        spent = {
            thread: seconds - before.get(thread, 0.0) for thread, seconds in cpu_seconds_by_thread(self._pid).items()
        }
        own = [seconds for (pid, _), seconds in spent.items() if pid == self._pid]
        latencies = sorted(answer.pop("latencies"))
        num_errors = sum(answer["errors"].values())
        return {
            "rate": rate,
            "answers": len(latencies),
            "answers_per_second": len(latencies) / (answer["seconds"] - WARM_UP_SECONDS),
            **{f"p{percent}": percentile(latencies, percent) or float("inf") for percent in (50, 95, 99)},
            "error_share": num_errors / max(len(latencies) + num_errors, 1),
            "server_cpu": sum(spent.values()) / answer["seconds"],
            "not_decoding": sum(own) / max(sum(spent.values()), 1e-9),
            **answer,
        }

    def close(self) -> None:
        self._generator.close()


def measure(plan: Plan) -> Findings:
    texts = plan.texts()
    plan.folder.mkdir(parents=True, exist_ok=True)
    seconds, repeats = (2.0, 1) if plan.quick else (10.0, 3)
    commands = {OURS: our_commands(plan), THEIRS: their_commands(plan)}
    searched = {name: search(of_system, texts, plan, seconds) for name, of_system in commands.items()}
    best = {name: max(found, key=found.__getitem__) for name, found in searched.items()}
    climbs = {name: Climb() for name in best}
    with contextlib.ExitStack() as stack:
        servers = {}
        for name, setting in best.items():
            running = stack.enter_context(running_server(commands[name][setting], plan.folder / f"{name}.log"))
            servers[name] = Server(running)
            stack.callback(servers[name].close)
        while not all(climb.is_done for climb in climbs.values()):
            for name, climb in climbs.items():
                if not climb.is_done:
                    climb.record(servers[name].load(texts, climb.next_rate, max(seconds, 500 / climb.next_rate)))
        at_highest = {
            name: [servers[name].load(texts, climb.held or FIRST_RATE, seconds) for _ in range(repeats)]
            for name, climb in climbs.items()
        }
    with running_server([*serve_command(Path())[:2], ECHO], plan.folder / "echo.log") as running:
        echo = Server(running)
        at_highest["gRPC alone"] = [echo.load(texts, ECHO_RATE, seconds) for _ in range(repeats)]
        echo.close()
    share = statistics.median(step["not_decoding"] for step in at_highest[OURS])
    return Findings(
        "Under load",
        "Sentences of mixed lengths, one a call, arrive by a Poisson process whether or not the server keeps up; "
        "latency counts from when a call was meant to start. The server and, in a process of its own, the load "
        f"generator share the machine's {os.cpu_count()} cores. Settings, each the best of those tried: "
        + "; ".join(f"{name}: {setting}" for name, setting in best.items())
        + ". The serving share is what our serving process takes of the CPU time of both, at the highest rate that "
        "held; the decode loop's own share outside ONNX Runtime is a figure of what each idea buys.",
        {
            "rate_at_p99_250ms": round(climbs[OURS].held / max(climbs[THEIRS].held, 1e-9), 3),
            "serving_cpu_share": round(share, 3),
        },
        {
            **{
                name: {"highest_rate": climb.held, "settings": searched[name], "steps": climb.steps}
                for name, climb in climbs.items()
            },
            "at_highest_rate": at_highest,
        },
        [_table(climbs), _costs(at_highest)],
        [_plot(climbs)],
    )


def our_commands(plan: Plan) -> dict[str, list[str]]:
    settings: list[tuple[str, ...]] = [("--max-rows=32",), ("--max-rows=64",)]
    if not plan.quick:
        settings += [("--max-rows=128",), ("--max-rows=64", "--threads=2")]
    return {" ".join(flags): serve_command(Path("model_repository"), *flags) for flags in settings}


def their_commands(plan: Plan) -> dict[str, list[str]]:
    """Of our Transformer's weights."""
    folder = made.ctranslate2(plan.folder, "int8")
    batches = ((32, 5.0),) if plan.quick else ((16, 2.0), (16, 5.0), (32, 5.0), (64, 10.0))
    settings = [
        (f"--translators={translators}", f"--max-batch={size}", f"--wait-ms={wait:g}")
        for translators in (1, 2)
        for size, wait in batches
    ]
    module = "bench.ctranslate2_server"
    start = serve_command(Path())[0]
    return {" ".join(flags): [start, "-m", module, str(folder), *flags] for flags in settings}


def search(commands: dict[str, list[str]], texts: Sequence[str], plan: Plan, seconds: float) -> dict[str, float]:
    """Answers a second of each setting when it has more to do than it can."""
    answers = {}
    for setting, command in commands.items():
        with running_server(command, plan.folder / "searched.log") as running:
            server = Server(running)
            tries = [server.load(texts, SEARCHED_RATE, min(seconds / 2, 3.0)) for _ in range(2)]
            answers[setting] = max(found["answers_per_second"] for found in tries)
            server.close()
    return answers


def cpu_seconds_by_thread(pid: int) -> dict[tuple[int, int], float]:
    """User and system time of every thread of a process, and of those that it has started, by process and thread."""
    ticks = os.sysconf("SC_CLK_TCK")
    seconds = {}
    tasks = [(member, task) for member in family(pid) for task in Path(f"/proc/{member}/task").iterdir()]
    for member, task in tasks:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            fields = (task / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            seconds[member, int(task.name)] = (int(fields[11]) + int(fields[12])) / ticks
    return seconds


def _table(climbs: dict[str, Climb]) -> Table:
    figures = ("rate", "p50", "p95", "p99", "error_share", "server_cpu", "generator_cpu")
    rows = [
        [name, *(step[figure] for figure in figures)]
        for name, climb in climbs.items()
        for step in sorted(climb.steps, key=lambda step: float(step["rate"]))
    ]
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


def _plot(climbs: dict[str, Climb]) -> Plot:
    lines = []
    for name, climb in climbs.items():
        steps = sorted((step for step in climb.steps if step["answers"]), key=lambda step: float(step["rate"]))
        lines.append(Line(name, [step["rate"] for step in steps], [step["p99"] for step in steps]))
    return Plot("p99 by offered rate", "calls a second", "p99, milliseconds", lines, limit=MAX_P99_MS, log_y=True)

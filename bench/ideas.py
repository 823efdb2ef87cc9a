"""What each idea of the engine buys, measured on the engine itself."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort

from bench import made
from bench.findings import Findings, Line, Plot, Table
from bench.offline import OURS, OURS_FLOAT, workers
from bench.plan import Plan
from bench.systems import OurEngine
from models.seq2seq import EOS
from server.bundle.manifest import read_bundle
from server.decoding.graphs.backend import Backend, BackendOptions

SHIPPED = Path("model_repository/transformer-en-fr/1")
ROWS = 32
CACHED = f"int8, KV cache, {ROWS} rows"
NO_CACHE = f"fp32, no cache, {ROWS} rows"
POSITIONS = (5, 10, 20, 50, 100)
AROUND = 2
"""Positions on each side of a position whose steps are timed together with its own."""


def measure(plan: Plan) -> Findings:
    tokenizer = made.tokenizer(made.SHIPPED)
    sources = [[*ids, EOS] for ids in tokenizer.encode(plan.texts())]
    by_position = _by_position(plan)
    batching = _batching(sources, plan)
    threads = _threads(sources, plan)
    outside = _outside_runtime(sources)
    cached = by_position[CACHED]
    return Findings(
        "What each idea buys",
        f"Greedy, our Transformer, {ROWS} rows, one thread if nothing else is said.",
        {
            "token_cost_100_over_5": round(cached[100] / cached[5], 3),
            "outside_runtime_share_32_rows": round(statistics.median(outside["joins and leaves"]), 3),
        },
        {
            "microseconds_a_token_by_position": by_position,
            "tokens_per_second_by_batching": batching,
            "tokens_per_second_by_threads": threads,
            "shares_outside_runtime": outside,
        },
        [
            Table(
                "Microseconds a token, by position",
                ["", *map(str, POSITIONS)],
                [[name, *(steps[position] for position in POSITIONS)] for name, steps in by_position.items()],
            ),
            _spread("Batches, tokens a second", batching),
            _spread("Precision and threads, tokens a second", threads),
            _spread("Share of the loop's time outside ONNX Runtime", outside),
        ],
        [
            Plot(
                "Cost of a token by its position",
                "position",
                "microseconds",
                [Line(name, list(steps), list(steps.values())) for name, steps in by_position.items()],
                log_y=True,
            )
        ],
    )


def _by_position(plan: Plan) -> dict[str, dict[int, float]]:
    """Median microseconds that a row's token takes around each position."""
    float32 = made.float32_repository(plan.folder) / "transformer-en-fr" / "1"
    without_cache = made.without_cache_repository(plan.folder) / "transformer-en-fr" / "1"
    compared = {
        CACHED: (SHIPPED, ROWS),
        "int8, KV cache, 1 row": (SHIPPED, 1),
        f"fp32, KV cache, {ROWS} rows": (float32, ROWS),
        NO_CACHE: (without_cache, ROWS),
    }
    backends = {
        name: Backend(read_bundle(bundle), BackendOptions(rows, 1)) for name, (bundle, rows) in compared.items()
    }
    steps: dict[str, dict[int, list[float]]] = {name: {at: [] for at in POSITIONS} for name in compared}
    for number in range(10):
        for name, (_, rows) in compared.items():
            if name == NO_CACHE and number >= 3:  # ten of it would take half a minute
                continue
            for position, seconds in enumerate(_step_seconds(backends[name], rows, max(POSITIONS) + AROUND + 1)):
                for near in POSITIONS:
                    if abs(position - near) <= AROUND:
                        steps[name][near].append(seconds * 1e6 / rows)
    return {name: {at: statistics.median(taken) for at, taken in of.items()} for name, of in steps.items()}


def _step_seconds(backend: Backend, rows: int, number: int) -> list[float]:
    """Seconds of each of `number` steps, from the first position on; EOS ends no sentence."""
    source = [*range(EOS + 1, EOS + 15), EOS]
    encoded = backend.encode([source])
    for row in range(rows):
        backend.state.write(row, encoded, 0, len(source))
    backend.previous_ids[:] = EOS + 1
    taken = []
    for position in range(number):
        backend.positions[:] = position
        started = time.perf_counter()
        backend.step(rows)
        taken.append(time.perf_counter() - started)
        backend.previous_ids[:] = backend.log_probs.argmax(axis=1)
    return taken


def _batching(sources: Sequence[list[int]], plan: Plan) -> dict[str, list[float]]:
    engine = OurEngine(SHIPPED, threads=1)
    by_length = sorted(sources, key=len)

    def static(ordered: Sequence[list[int]]) -> list[list[int]]:
        outputs = []
        for start in range(0, len(ordered), ROWS):
            outputs += engine.translate(ordered[start : start + ROWS], 1, ROWS)
        return outputs

    ways: dict[str, Callable[[], list[list[int]]]] = {
        "rows join and leave at every step": lambda: engine.translate(sources, 1, ROWS),
        "static batches": lambda: static(sources),
        "static batches, sorted by length": lambda: static(by_length),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(plan.rounds):
        for name, translate in ways.items():
            started = time.perf_counter()
            outputs = translate()
            rates[name].append(sum(map(len, outputs)) / (time.perf_counter() - started))
    return rates


def _threads(sources: Sequence[list[int]], plan: Plan) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {}
    for threads in (1, 2):
        with workers((OURS, OURS_FLOAT), threads, plan.folder) as systems:
            for name, system in systems.items():
                answers = [system.ask(sources=sources, beam_size=1, setting=ROWS) for _ in range(min(plan.rounds, 3))]
                rates[f"{name}, {threads} threads"] = [
                    sum(map(len, answer["outputs"])) / answer["seconds"] for answer in answers
                ]
    return rates


def _outside_runtime(sources: Sequence[list[int]]) -> dict[str, list[float]]:
    shares: dict[str, list[float]] = {"joins and leaves": [], "steady": []}
    for _ in range(7):  # each takes a second
        shares["joins and leaves"].append(outside_runtime(sources, None))
        shares["steady"].append(outside_runtime(sources[:ROWS], 100))
    return shares


def outside_runtime(sources: Sequence[list[int]], num_output: int | None) -> float:
    """Share of the time of a translation that is not spent in ONNX Runtime."""
    engine = OurEngine(SHIPPED, threads=1)
    engine.translate(sources, 1, ROWS, num_output)  # what is done once
    inside = 0.0
    originals = {name: getattr(ort.InferenceSession, name) for name in ("run", "run_with_iobinding")}

    def timed(run: Callable[..., Any]) -> Callable[..., Any]:
        def timing(*arguments: Any, **named: Any) -> Any:
            nonlocal inside
            started = time.perf_counter()
            try:
                return run(*arguments, **named)
            finally:
                inside += time.perf_counter() - started

        return timing

    try:
        for name, run in originals.items():
            setattr(ort.InferenceSession, name, timed(run))
        started = time.perf_counter()
        engine.translate(sources, 1, ROWS, num_output)
        whole = time.perf_counter() - started
    finally:
        for name, run in originals.items():
            setattr(ort.InferenceSession, name, run)
    return 1 - inside / whole


def _spread(title: str, rounds: dict[str, list[float]]) -> Table:
    rows = [(name, statistics.median(taken), min(taken), max(taken)) for name, taken in rounds.items()]
    return Table(title, ["", "median", "lowest", "highest"], rows)

"""One sentence at a time, by one thread: time to the first token, and to the whole translation, by source length."""

import statistics
from typing import Any

from bench import made
from bench.findings import Findings, Line, Plot, Table
from bench.offline import OURS, OURS_FLOAT, THEIRS, THEIRS_FLOAT, workers
from bench.plan import Plan
from models.seq2seq import EOS

LENGTHS = (5, 10, 15, 20, 30)
"""Upper bounds of the groups of source lengths, in tokens."""

ROWS = 32
"""Rows that our engine has, as in a server; one of them is used."""


def measure(plan: Plan) -> Findings:
    tokenizer = made.tokenizer(made.SHIPPED)
    sources = [[*ids, EOS] for ids in tokenizer.encode(plan.texts())]
    sources = sources[:: max(1, len(sources) // 200)]
    made.float32_repository(plan.folder)
    for precision in ("int8", "float32"):
        made.ctranslate2(plan.folder, precision)
    names = (OURS, THEIRS, OURS_FLOAT, THEIRS_FLOAT)
    times: dict[str, dict[str, list[float]]] = {name: {"first": [], "whole": [], "tokens": []} for name in names}
    with workers(names, 1, plan.folder) as systems:
        for number in range(plan.rounds):
            for name in names if number % 2 == 0 else reversed(names):
                how: dict[str, Any] = {"beam_size": 1, "setting": ROWS if name.startswith("seq2serve") else 1}
                systems[name].ask(sources=sources[:10], **how)  # what is done once
                how |= {"sources": sources, "one_by_one": True}
                first, whole = systems[name].ask(**how, num_output=1), systems[name].ask(**how)
                times[name]["first"] += [seconds * 1e3 for seconds in first["seconds"]]
                times[name]["whole"] += [seconds * 1e3 for seconds in whole["seconds"]]
                times[name]["tokens"] += [len(output) + 1.0 for output in whole["outputs"]]
    lengths = [len(source) for source in sources] * plan.rounds
    ratio = statistics.median(times[OURS]["whole"]) / statistics.median(times[THEIRS]["whole"])
    return Findings(
        "Latency of one sentence",
        f"{len(sources)} sentences of all lengths, one after the other without a pause, the systems in turns; one "
        "thread each, in process. The first token is timed as a translation of one token.",
        {"sentence_latency_int8": round(ratio, 3)},
        {"by_system": times, "source_lengths": lengths},
        [_table(times)],
        [
            Plot(
                f"{what} by source length",
                "source tokens, at most",
                "median milliseconds",
                [_line(name, milliseconds(measured), lengths) for name, measured in times.items()],
            )
            for what, milliseconds in (
                ("Whole translation", lambda measured: measured["whole"]),
                ("First token", lambda measured: measured["first"]),
                ("Each further token", _each_further),
            )
        ],
    )


def _table(times: dict[str, dict[str, list[float]]]) -> Table:
    rows: list[list[Any]] = []
    for name, measured in times.items():
        rows.append(
            [
                name,
                statistics.median(measured["first"]),
                statistics.median(_each_further(measured)),
                statistics.median(measured["whole"]),
                statistics.quantiles(measured["whole"], n=20)[-1],
            ]
        )
    return Table(
        "One sentence, milliseconds (medians)", ["system", "first token", "each further", "whole", "whole, p95"], rows
    )


def _each_further(measured: dict[str, list[float]]) -> list[float]:
    columns = zip(measured["first"], measured["whole"], measured["tokens"], strict=True)
    return [(whole - first) / max(tokens - 1, 1) for first, whole, tokens in columns]


def _line(name: str, milliseconds: list[float], lengths: list[int]) -> Line:
    groups = {
        high: [taken for taken, length in zip(milliseconds, lengths, strict=True) if low < length <= high]
        for low, high in zip((0, *LENGTHS), LENGTHS, strict=False)
    }
    groups = {length: taken for length, taken in groups.items() if taken}
    return Line(name, list(groups), [statistics.median(taken) for taken in groups.values()])

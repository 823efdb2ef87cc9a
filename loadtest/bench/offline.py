"""All sentences are there at the start: tokens a second of every system at its own best setting."""

import contextlib
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sentencepiece

from loadtest.bench.findings import Findings, Table
from loadtest.bench.plan import Plan
from loadtest.bench.process import BenchError, Worker
from models.metrics import bleu
from models.seq2seq import EOS

OURS, THEIRS = "seq2serve-int8", "ctranslate2-int8"
SYSTEMS = (OURS, THEIRS, "ctranslate2-float32")
SEARCHES = {"greedy": 1, "beam4": 4}
MIN_BLEU_AGREEMENT = 90.0
"""Of a system's translations with ours as the reference: int8 of another kind changes a word here and there. That the
same weights are computed with is checked where they are converted, in fp32."""


def measure(plan: Plan) -> Findings:
    tokenizer = sentencepiece.SentencePieceProcessor(model_file="checkpoints/tokenizer.model")
    sources = [[*ids, EOS] for ids in tokenizer.encode(plan.texts())]
    with workers(SYSTEMS, 1, plan.folder) as systems:
        measured = {
            search: compare(systems, sources, beam_size, plan.rounds, tokenizer)
            for search, beam_size in SEARCHES.items()
        }
    return Findings(
        "Offline",
        f"{len(sources)} sentences, all there at the start, one core each, in {plan.rounds} rounds by turns; the "
        "setting is the number of rows, or of sentences of a batch, at which each was fastest.",
        {f"offline_{search}_int8": rate_ratio(results, OURS, THEIRS) for search, results in measured.items()},
        measured,
        [table(f"Offline, {search}", results) for search, results in measured.items()],
    )


@contextlib.contextmanager
def workers(names: Sequence[str], threads: int, folder: Path) -> Iterator[dict[str, Worker]]:
    systems: dict[str, Worker] = {}
    try:
        for name in names:
            systems[name] = Worker(name, threads, folder)
        yield systems
    finally:
        for worker in systems.values():
            worker.close()


def compare(
    systems: dict[str, Worker],
    sources: Sequence[list[int]],
    beam_size: int,
    rounds: int,
    tokenizer: sentencepiece.SentencePieceProcessor,
) -> dict[str, dict[str, Any]]:
    """Every system at its best setting. Raises BenchError for one that translates otherwise than the first."""
    best = {name: best_setting(worker, sources, beam_size) for name, worker in systems.items()}
    rates: dict[str, list[float]] = {name: [] for name in systems}
    results: dict[str, dict[str, Any]] = {}
    for number in range(rounds):
        for name in systems if number % 2 == 0 else reversed(systems):
            answer = systems[name].ask(sources=sources, beam_size=beam_size, setting=best[name])
            rates[name].append(sum(map(len, answer["outputs"])) / answer["seconds"])
            results[name] = answer
    first = tokenizer.decode(next(iter(results.values()))["outputs"])
    for name, answer in results.items():
        agreement = bleu(tokenizer.decode(answer["outputs"]), [[text] for text in first])
        if agreement < MIN_BLEU_AGREEMENT:
            raise BenchError(f"{name} translates otherwise: BLEU {agreement:.1f} against {next(iter(results))}")
        answer["agreement"] = agreement
    return {
        name: {
            "setting": best[name],
            "tokens_per_second": statistics.median(rates[name]),
            "by_round": rates[name],
            "peak_megabytes": results[name]["peak_megabytes"],
            "bleu_against_ours": results[name]["agreement"],
        }
        for name in systems
    }


def best_setting(worker: Worker, sources: Sequence[list[int]], beam_size: int) -> int:
    """The fastest of two tries each, in turns."""
    seconds: dict[int, list[float]] = {setting: [] for setting in worker.settings}
    for _ in range(2):
        for setting, taken in seconds.items():
            taken.append(worker.ask(sources=sources, beam_size=beam_size, setting=setting)["seconds"])
    return min(seconds, key=lambda setting: min(seconds[setting]))


def rate_ratio(results: dict[str, dict[str, Any]], ours: str, theirs: str) -> float:
    """More is better for ours."""
    return round(results[ours]["tokens_per_second"] / results[theirs]["tokens_per_second"], 3)


def table(title: str, results: dict[str, dict[str, Any]]) -> Table:
    return Table(
        title,
        ["system", "setting", "tokens/s", "lowest", "highest", "MB"],
        [
            [
                name,
                result["setting"],
                result["tokens_per_second"],
                min(result["by_round"]),
                max(result["by_round"]),
                result["peak_megabytes"],
            ]
            for name, result in results.items()
        ],
    )

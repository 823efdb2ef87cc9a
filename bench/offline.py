"""All sentences are there at the start: tokens a second of every system at its own best setting."""

import contextlib
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sentencepiece

from bench import made
from bench.findings import Findings, Table
from bench.plan import Plan
from bench.process import BenchError, Worker
from bench.worker import shipped
from models.metrics import bleu
from models.seq2seq import EOS

OURS, THEIRS = "seq2serve:transformer:int8", "ctranslate2:transformer:int8"
OURS_FLOAT, THEIRS_FLOAT = "seq2serve:transformer:float32", "ctranslate2:transformer:float32"
PYTORCH = ("pytorch:transformer:float32", "pytorch:transformer-without-cache:float32")
RECURRENT = ("rnn", "lstm", "lstm_attention")
SEARCHES = {"greedy": 1, "beam4": 4}
MIN_BLEU_AGREEMENT = 80.0
"""Least BLEU of a system's translations against ours: int8 changes a word here and there, most often of the RNN.
Whether both compute with the same weights is checked in fp32, where weights are converted."""


def measure(plan: Plan) -> Findings:
    tokenizer = made.tokenizer(made.SHIPPED)
    sources = [[*ids, EOS] for ids in tokenizer.encode(plan.texts())]
    # PyTorch is slow: a part of the sentences, evenly taken.
    some = sources[:: max(1, len(sources) // (50 if plan.quick else 400))]
    made.float32_repository(plan.folder)
    for precision in ("int8", "float32"):
        made.ctranslate2(plan.folder, precision)
    raw: dict[str, dict[str, Any]] = {}
    with workers((OURS, THEIRS, OURS_FLOAT, THEIRS_FLOAT, *PYTORCH), 1, plan.folder) as systems:
        four = {name: systems[name] for name in (OURS, THEIRS, OURS_FLOAT, THEIRS_FLOAT)}
        for search, beam_size in SEARCHES.items():
            compared = dict(list(four.items())[:2]) if beam_size > 1 and plan.quick else four
            raw[search] = compare(compared, sources, plan.rounds, tokenizer, beam_size=beam_size)
        eager = {name: systems[name] for name in (OURS_FLOAT, *PYTORCH)}
        raw["greedy, PyTorch eager"] = compare(eager, some, min(plan.rounds, 3), tokenizer, beam_size=1)
    for name in RECURRENT:
        with workers((f"seq2serve:{name}:int8", f"pytorch:{name}:float32"), 1, plan.folder) as systems:
            own = made.tokenizer(Path("checkpoints") / shipped(name))
            part = [[*ids, EOS] for ids in own.encode(plan.texts()[:: len(sources) // len(some)])]
            raw[f"greedy, {name}"] = compare(systems, part, min(plan.rounds, 3), own, beam_size=1)
    return Findings(
        "Offline",
        f"{len(sources)} sentences, all there at the start, one core each, in {plan.rounds} rounds by turns. The "
        "setting is the number of rows of our engine, or the number of sentences of a batch (of tokens, where it is "
        "below 0) of the others, at which each was fastest. PyTorch translates a part of the sentences.",
        {f"offline_{search}_int8": rate_ratio(raw[search], OURS, THEIRS) for search in SEARCHES},
        raw,
        [table(title, results) for title, results in raw.items()],
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
    rounds: int,
    tokenizer: sentencepiece.SentencePieceProcessor,
    **how: Any,
) -> dict[str, dict[str, Any]]:
    """Every system at its best setting. Raises BenchError for one that translates otherwise than the first. `how`: the
    rest of what `System.translate` is given."""
    best = {name: best_setting(worker, sources, **how) for name, worker in systems.items()}
    rates: dict[str, list[float]] = {name: [] for name in systems}
    results: dict[str, dict[str, Any]] = {}
    for name, worker in systems.items():
        worker.ask(sources=sources[:10], setting=best[name], **how)  # what is done once for a setting
    for number in range(rounds):
        for name in systems if number % 2 == 0 else reversed(systems):
            answer = systems[name].ask(sources=sources, setting=best[name], **how)
            rates[name].append(sum(map(len, answer["outputs"])) / answer["seconds"])
            results[name] = answer
    first = next(iter(results.values()))["outputs"]
    for name, answer in results.items():
        _check_agreement(name, answer["outputs"], first, tokenizer)
    return {
        name: {
            "setting": best[name],
            "tokens_per_second": statistics.median(rates[name]),
            "by_round": rates[name],
            "peak_megabytes": results[name]["peak_megabytes"],
            "sentences": len(sources),
        }
        for name in systems
    }


def _check_agreement(
    name: str, outputs: list[list[int]], first: list[list[int]], tokenizer: sentencepiece.SentencePieceProcessor
) -> None:
    agreement = bleu(tokenizer.decode(outputs), [[text] for text in tokenizer.decode(first)])
    if agreement < MIN_BLEU_AGREEMENT:
        raise BenchError(f"{name} translates otherwise: BLEU {agreement:.1f} against our translations")


def best_setting(worker: Worker, sources: Sequence[list[int]], **how: Any) -> int:
    """The setting that is fastest on a part of the sentences; each is tried three times, in turns."""
    part = sources[:: max(1, len(sources) // 200)]
    seconds: dict[int, list[float]] = {setting: [] for setting in worker.settings}
    for _ in range(3):
        for setting, taken in seconds.items():
            taken.append(worker.ask(sources=part, setting=setting, **how)["seconds"])
    return min(seconds, key=lambda setting: statistics.median(seconds[setting]))


def rate_ratio(results: dict[str, dict[str, Any]], ours: str, theirs: str) -> float:
    """Our tokens a second over another system's; more is better."""
    return round(results[ours]["tokens_per_second"] / results[theirs]["tokens_per_second"], 3)


def table(title: str, results: dict[str, dict[str, Any]]) -> Table:
    return Table(
        f"Offline, {title}",
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

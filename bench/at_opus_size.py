"""OPUS-MT's size, in process: tokens a second, and the time of one sentence, with a shortlist and without."""

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor

from bench import made
from bench.findings import Findings, Table
from bench.offline import SEARCHES, compare, rate_ratio, table, workers
from bench.plan import TEST_SETS, Plan
from bench.process import Worker
from models.data.corpora import read_tests
from models.metrics import bleu
from models.seq2seq import EOS

OURS, THEIRS = "seq2serve:opus-size:int8", "ctranslate2:opus-size:int8"
OURS_LISTED, THEIRS_LISTED = "seq2serve:opus-size-listed:int8", "ctranslate2:opus-size-listed:int8"
SYSTEMS = (OURS, THEIRS, OURS_LISTED, THEIRS_LISTED)

ROWS = 32
"""Rows that our engine has for one sentence at a time, as in a server."""


def measure(plan: Plan) -> Findings:
    tokenizer, texts = made.tokenizer(made.SMALL), plan.texts()
    sources = [[*ids, EOS] for ids in tokenizer.encode(texts)]
    made.opus_size(plan.folder, plan.data)
    rounds = min(plan.rounds, 5)
    raw: dict[str, dict[str, Any]] = {}
    with workers(SYSTEMS, 1, plan.folder) as systems:
        for search, beam_size in SEARCHES.items():
            some = sources[:: (2 if plan.quick else 1) * (1 if beam_size == 1 else 4)]
            raw[search] = compare(systems, some, rounds, tokenizer, beam_size=beam_size)
        one = one_by_one(systems, sources[:: max(1, len(sources) // (60 if plan.quick else 200))], rounds)
        lost = bleu_lost(systems, plan, tokenizer)
    engines = two_engines(plan.folder, sources[:: 4 if plan.quick else 2], rounds, raw["greedy"][OURS]["setting"])
    ratios = {"two_engines_over_one": _median_ratio(*engines.values()), "shortlist_bleu_lost_opus_size": lost}
    for search, results in raw.items():
        ratios |= {
            f"offline_{search}_int8_opus_size": rate_ratio(results, OURS, THEIRS),
            f"offline_{search}_int8_opus_size_listed": rate_ratio(results, OURS_LISTED, THEIRS_LISTED),
            f"shortlist_over_none_{search}_opus_size": rate_ratio(results, OURS_LISTED, OURS),
            f"one_sentence_{search}_opus_size": _time_ratio(one[search], OURS, THEIRS),
            f"one_sentence_{search}_opus_size_listed": _time_ratio(one[search], OURS_LISTED, THEIRS_LISTED),
            f"shortlist_sentence_{search}_opus_size": _time_ratio(one[search], OURS_LISTED, OURS),
        }
    return Findings(
        "At OPUS-MT's size",
        f"A small Transformer, widened so that it computes the same; {len(sources)} sentences, or every second or "
        f"fourth of them, in {rounds} rounds by turns, one core each. Listed: with a vocabulary shortlist, of the same "
        "tokens for both. The setting is the number of rows, or of sentences (tokens, where it is below 0) of a "
        "batch, at which each was fastest. Two engines are two processes, each with half of the sentences.",
        ratios,
        raw | {"one_sentence": one, "engines": engines},
        [
            *(table(f"{search}, OPUS-MT's size", results) for search, results in raw.items()),
            *(_times_table(search, times) for search, times in one.items()),
            _engines_table(engines),
        ],
    )


def one_by_one(
    systems: dict[str, Worker], sources: Sequence[list[int]], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of each sentence by itself, by search and system."""
    times: dict[str, dict[str, list[float]]] = {search: {name: [] for name in systems} for search in SEARCHES}
    for search, beam_size in SEARCHES.items():
        for number in range(rounds):
            for name in systems if number % 2 == 0 else reversed(systems):
                how = {"beam_size": beam_size, "setting": ROWS if name.startswith("seq2serve") else 1}
                systems[name].ask(sources=sources[:5], **how)  # what is done once
                answer = systems[name].ask(sources=sources, one_by_one=True, **how)
                times[search][name] += [seconds * 1e3 for seconds in answer["seconds"]]
    return times


def bleu_lost(systems: dict[str, Worker], plan: Plan, tokenizer: SentencePieceProcessor) -> float:
    """BLEU that our shortlist costs greedy translations of the test sets, taken together."""
    tests = [read_tests(plan.data)[name] for name in TEST_SETS]
    sources = [[*ids, EOS] for test in tests for ids in tokenizer.encode(list(test.sources))]
    references = [every for test in tests for every in test.references]
    scores = [
        bleu(tokenizer.decode(systems[name].ask(sources=sources, beam_size=1, setting=64)["outputs"]), references)
        for name in (OURS, OURS_LISTED)
    ]
    return round(scores[0] - scores[1], 2)


def two_engines(folder: Path, sources: Sequence[list[int]], rounds: int, setting: int) -> dict[str, list[float]]:
    """Tokens a second of one engine of OPUS-MT's size, and of two at once that share the sentences, by round."""

    def tokens_per_second(engines: Sequence[Worker]) -> float:
        started = time.perf_counter()
        parts = [sources[number :: len(engines)] for number in range(len(engines))]
        with ThreadPoolExecutor(len(engines)) as pool:
            answers = pool.map(
                lambda engine, part: engine.ask(sources=part, beam_size=1, setting=setting), engines, parts
            )
            num_tokens = sum(len(output) for answer in answers for output in answer["outputs"])
        return num_tokens / (time.perf_counter() - started)

    rates: dict[str, list[float]] = {"one engine": [], "two engines": []}
    with workers((OURS,), 1, folder) as first, workers((OURS,), 1, folder) as second:
        both = [first[OURS], second[OURS]]
        for engine in both:
            engine.ask(sources=sources[:10], beam_size=1, setting=setting)  # what is done once
        for _ in range(rounds):
            rates["one engine"].append(tokens_per_second(both[:1]))
            rates["two engines"].append(tokens_per_second(both))
    return rates


def _engines_table(rates: dict[str, list[float]]) -> Table:
    return Table(
        "Engines of OPUS-MT's size, greedy",
        ["", "tokens/s", "lowest", "highest"],
        [[name, statistics.median(by_round), min(by_round), max(by_round)] for name, by_round in rates.items()],
    )


def _times_table(search: str, times: dict[str, list[float]]) -> Table:
    return Table(
        f"One sentence, {search}, OPUS-MT's size, milliseconds",
        ["system", "median", "p95"],
        [[name, statistics.median(taken), statistics.quantiles(taken, n=20)[-1]] for name, taken in times.items()],
    )


def _time_ratio(times: dict[str, list[float]], ours: str, theirs: str) -> float:
    """Our median time over another's; less is better."""
    return round(statistics.median(times[ours]) / statistics.median(times[theirs]), 3)


def _median_ratio(one: list[float], two: list[float]) -> float:
    return round(statistics.median(second / first for first, second in zip(one, two, strict=True)), 3)

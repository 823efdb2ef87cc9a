"""Compare the engine offline with CTranslate2: `make bench`, or `make bench-quick` for a part of it.

All sentences are there at the start. Every system chooses its own best setting first; then all are measured in turns,
so that a slow minute of the machine meets them all. Writes medians, spreads and ratios to `build/bench.json`.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sentencepiece

from models.corpora import CorpusError, data_folder, read_tests
from models.metrics import bleu
from models.seq2seq import EOS

OURS = "seq2serve-int8"
PEERS = ("ctranslate2-int8", "ctranslate2-float32")
TEST_SETS = ("multi30k/test_2016_flickr", "tatoeba/test")
SEARCHES = {"greedy": 1, "beam4": 4}
MIN_BLEU_AGREEMENT = 90.0
"""Of a system's translations with ours as the reference: int8 of another kind changes a word here and there. That the
same weights are computed with is checked where they are converted, in fp32."""


class BenchError(Exception):
    """A system that ended, or does not translate as ours does."""


class Worker:
    """A system in its process; it waits, and takes no time, while others are measured."""

    def __init__(self, name: str, threads: int, folder: Path) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loadtest.bench.worker", name, str(threads), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.settings: list[int] = self._read()["settings"]

    def translate(self, sources: Sequence[list[int]], beam_size: int, setting: int) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"sources": sources, "beam_size": beam_size, "setting": setting}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"{self._name}: ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description="Compare with CTranslate2, offline.")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each (default: 7)")
    parser.add_argument("--sentences", type=int, default=0, help="of each test set; 0, the default: all")
    parser.add_argument("--file", type=Path, help="translate the lines of a file, and no test set")
    parser.add_argument("--threads", type=int, default=1, help="cores that each may use (default: 1)")
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file="checkpoints/tokenizer.model")
    try:
        texts = read_texts(arguments)
        sources = [[*ids, EOS] for ids in tokenizer.encode(texts)]
        with workers(arguments.threads, arguments.output.parent / "bench") as systems:
            measured = {
                search: measure(systems, sources, beam_size, arguments.rounds, tokenizer)
                for search, beam_size in SEARCHES.items()
            }
    except (BenchError, CorpusError, OSError) as error:
        sys.exit(f"error: {error}")
    report = {
        "ratios": ratios(measured),
        "offline": measured,
        "sentences": len(texts),
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "machine": {"processor": processor(), "cpus": os.cpu_count(), "python": platform.python_version()},
    }
    arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(table(measured))
    print(json.dumps(report["ratios"], indent=2))


def read_texts(arguments: argparse.Namespace) -> list[str]:
    if arguments.file:
        lines: list[str] = arguments.file.read_text(encoding="utf-8").splitlines()
        return lines
    tests = read_tests(data_folder(arguments.data))
    return [text for name in TEST_SETS for text in tests[name].sources[: arguments.sentences or None]]


@contextlib.contextmanager
def workers(threads: int, folder: Path) -> Iterator[dict[str, Worker]]:
    systems: dict[str, Worker] = {}
    try:
        for name in (OURS, *PEERS):
            systems[name] = Worker(name, threads, folder)
        yield systems
    finally:
        for worker in systems.values():
            worker.close()


def measure(
    systems: dict[str, Worker],
    sources: Sequence[list[int]],
    beam_size: int,
    rounds: int,
    tokenizer: sentencepiece.SentencePieceProcessor,
) -> dict[str, dict[str, Any]]:
    """Tokens a second of every system at its best setting. Raises BenchError for one that translates otherwise."""
    best = {name: best_setting(worker, sources, beam_size) for name, worker in systems.items()}
    rates: dict[str, list[float]] = {name: [] for name in systems}
    results: dict[str, dict[str, Any]] = {}
    for number in range(rounds):
        for name in systems if number % 2 == 0 else reversed(systems):
            answer = systems[name].translate(sources, beam_size, best[name])
            rates[name].append(sum(map(len, answer["outputs"])) / answer["seconds"])
            results[name] = answer
    ours = tokenizer.decode(results[OURS]["outputs"])
    for name, answer in results.items():
        agreement = bleu(tokenizer.decode(answer["outputs"]), [[text] for text in ours])
        if agreement < MIN_BLEU_AGREEMENT:
            raise BenchError(f"{name} translates otherwise: BLEU {agreement:.1f} against {OURS}")
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
            taken.append(worker.translate(sources, beam_size, setting)["seconds"])
    return min(seconds, key=lambda setting: min(seconds[setting]))


def ratios(measured: dict[str, dict[str, dict[str, Any]]]) -> dict[str, float]:
    """Ours to CTranslate2's int8, more is better for us."""
    return {
        f"offline_{search}_int8": round(
            systems[OURS]["tokens_per_second"] / systems["ctranslate2-int8"]["tokens_per_second"], 3
        )
        for search, systems in measured.items()
    }


def table(measured: dict[str, dict[str, dict[str, Any]]]) -> str:
    lines = [f"{'':8}{'system':22}{'setting':>8}{'tokens/s':>10}{'lowest':>8}{'highest':>9}{'MB':>6}"]
    for search, systems in measured.items():
        for name, result in systems.items():
            rates = result["by_round"]
            lines.append(
                f"{search:8}{name:22}{result['setting']:8}{result['tokens_per_second']:10.0f}"
                f"{min(rates):8.0f}{max(rates):9.0f}{result['peak_megabytes']:6.0f}"
            )
    return "\n".join(lines)


def processor() -> str:
    """Its name, and whether it multiplies int8 by VNNI."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    vnni = "with" if "vnni" in facts.get("flags", "") else "without"
    return f"{facts.get('model name', platform.machine())}, {vnni} VNNI"


if __name__ == "__main__":
    main()

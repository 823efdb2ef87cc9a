"""An imported checkpoint, beside what else translates with it, as one Markdown table.

    python -m bench.imported CHECKPOINT BUNDLE --text FILE

CHECKPOINT is a folder in Marian's or Hugging Face's layout, of one language pair; BUNDLE is what `python -m export
--import` has made of it; FILE has sentences of the source language, a line each. Peers, each in int8 with one core:
CTranslate2, by its own converter; `marian decode`, of Marian's layout, also in fp32 (the command of the variable
PYMARIAN); Optimum, of Hugging Face's layout (the variable OPTIMUM_PYTHON: Python of an environment with
optimum-onnx[onnxruntime], ctranslate2 and PyTorch, as both take an older transformers). A peer that is not there is
left out, and named. Behind gRPC: this project's server, and one around CTranslate2.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from bench.ctranslate2_checkpoint import convert
from bench.marian_decode import MarianDecode, to_int8
from bench.process import BenchError, Child
from loadtest.memory import memory_megabytes
from loadtest.running_server import ServerError, running_server, serve_command
from models.metrics import bleu
from seq2serve import AsyncClient
from server.bundle.manifest import BundleError, read_bundle
from server.text.bundle_tokenizers import open_tokenizers

OURS = "seq2serve"
SEARCHES = {"greedy": 1, "beam 4": 4}
CONCURRENCY = 64
"""Calls at once, of one sentence each, of the servers' tokens a second."""

COLUMNS = ("greedy tokens/s", "beam 4 tokens/s", "one, greedy ms", "one, beam 4 ms", "MB", "BLEU of ours")


class Asked(Protocol):
    """A system that runs, in this process or in another."""

    @property
    def settings(self) -> Sequence[int]: ...

    def ask(
        self, *, texts: Sequence[str], beam_size: int, setting: int, one_by_one: bool = False
    ) -> dict[str, Any]: ...

    def close(self) -> None: ...


class TextChild(Child):
    """A system in a process of its own, see `text_worker.py`."""

    def __init__(self, name: str, command: Sequence[str], python: str = sys.executable) -> None:
        super().__init__(name, command, {"OMP_NUM_THREADS": "1"}, python)
        self.settings: list[int] = self.read()["settings"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.imported", description="Compare an import with its peers.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("bundle", type=Path, help="e.g. model_repository/opus-mt-en-fr/1")
    parser.add_argument("--text", type=Path, required=True, help="source sentences, a line each")
    parser.add_argument("--sentences", type=int, default=1000, help="of them, at most (default: 1000)")
    parser.add_argument("--rounds", type=int, default=3, help="in which systems take turns (default: 3)")
    parser.add_argument("--folder", type=Path, default=Path("build/bench/imported"), help="for what is converted, once")
    arguments = parser.parse_args()
    texts = arguments.text.read_text(encoding="utf-8").splitlines()[: arguments.sentences]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    try:
        print(compare(arguments.checkpoint, arguments.bundle, arguments.folder, texts, arguments.rounds))
    except (BenchError, BundleError, ServerError) as error:
        sys.exit(f"error: {error}")


def compare(checkpoint: Path, bundle: Path, folder: Path, texts: Sequence[str], rounds: int) -> str:
    """The table, and which peers are missing from it. Raises BenchError."""
    missing: list[str] = []
    opened = read_bundle(bundle)
    tokenizer = open_tokenizers(opened).target

    def num_tokens(outputs: Sequence[str]) -> int:
        """Counted alike for all, with the ends of the sentences."""
        return sum(len(tokenizer.encode(output)) + 1 for output in outputs)

    systems = open_systems(checkpoint, bundle, folder, opened.manifest.has_shortlist, missing)
    try:
        rows = offline(systems, texts, rounds, num_tokens)
    finally:
        for system in systems.values():
            system.close()
    ours = serve_command(f"--model-repository={bundle.parent.parent}", f"--default-model={opened.manifest.name}")
    servers = {f"{OURS}, gRPC": ours}
    if (folder / "ctranslate2" / "model.bin").exists():
        command = [sys.executable, "-m", "bench.ctranslate2_server", str(folder / "ctranslate2")]
        servers["CTranslate2, gRPC"] = [*command, "--translators=1", "--max-batch=32"]
    for name, command in servers.items():
        rows[name] = served(command, opened.manifest.name, texts, folder, num_tokens)
    return markdown(rows, missing)


def open_systems(checkpoint: Path, bundle: Path, folder: Path, is_listed: bool, missing: list[str]) -> dict[str, Asked]:
    """The systems by name; `missing` gets what those lack which are left out."""
    systems: dict[str, Asked] = {OURS: TextChild(OURS, ["bench.text_systems", "seq2serve", str(bundle)])}
    if is_listed:
        listed = f"{OURS}, shortlist"
        systems[listed] = TextChild(listed, ["bench.text_systems", "seq2serve-listed", str(bundle)])
    python, pymarian = os.environ.get("OPTIMUM_PYTHON"), os.environ.get("PYMARIAN")
    marian = sorted(checkpoint.glob("*.npz"))
    made, texts = folder / "ctranslate2", "bench.text_systems"
    with left_out("CTranslate2", missing):
        convert(checkpoint, made, python)
        systems["CTranslate2"] = TextChild("CTranslate2", [texts, "ctranslate2", str(made)])
    with left_out("marian decode", missing):
        if not marian or not pymarian:
            raise BenchError("no variable PYMARIAN" if marian else "not Marian's layout")
        vocabularies = sorted(checkpoint.glob("*.vocab.yml")) or sorted(checkpoint.glob("*.spm"))
        pair = [vocabularies[0], vocabularies[-1]]
        systems["marian decode, fp32"] = MarianDecode(pymarian, marian[0], pair)
        systems["marian decode"] = MarianDecode(pymarian, to_int8(pymarian, marian[0], folder), pair)
    with left_out("Optimum", missing):
        if marian or not python:
            raise BenchError("not Hugging Face's layout" if marian else "no variable OPTIMUM_PYTHON")
        command = ["bench.optimum_worker", str(checkpoint), str(folder / "optimum")]
        systems["Optimum"] = TextChild("Optimum", command, python)
    return systems


@contextlib.contextmanager
def left_out(name: str, missing: list[str]) -> Iterator[None]:
    """Note why a peer cannot be compared."""
    try:
        yield
    except (BenchError, subprocess.CalledProcessError, ValueError) as error:
        missing.append(f"{name}: {error}")


def offline(
    systems: dict[str, Asked], texts: Sequence[str], rounds: int, num_tokens: Callable[[Sequence[str]], int]
) -> dict[str, list[float]]:
    """The figures of every system: medians over the rounds, each search at the setting that is fastest on a part of
    the sentences."""
    some = texts[:: max(1, len(texts) // 100)]
    rows: dict[str, list[float]] = {name: [] for name in systems}
    peaks = dict.fromkeys(systems, 0.0)
    outputs: dict[str, list[str]] = {}
    for beam_size in SEARCHES.values():
        part = texts if beam_size == 1 else texts[::4]
        best = {name: fastest(system, some, beam_size) for name, system in systems.items()}
        rates: dict[str, list[float]] = {name: [] for name in systems}
        for number in range(rounds):
            for name in systems if number % 2 == 0 else reversed(systems):
                answer = systems[name].ask(texts=part, beam_size=beam_size, setting=best[name])
                rates[name].append(num_tokens(answer["outputs"]) / answer["seconds"])
                peaks[name] = max(peaks[name], answer["peak_megabytes"])
                if beam_size == 1:
                    outputs[name] = answer["outputs"]
        for name, by_round in rates.items():
            rows[name].append(statistics.median(by_round))
    for beam_size in SEARCHES.values():
        for name, system in systems.items():
            setting = 32 if name.startswith(OURS) else 1
            system.ask(texts=some[:20], beam_size=beam_size, setting=setting)  # what is done once
            answer = system.ask(texts=some, beam_size=beam_size, setting=setting, one_by_one=True)
            rows[name].append(statistics.median(answer["seconds"]) * 1e3)
    for name, row in rows.items():
        row += [peaks[name], bleu(outputs[name], [[text] for text in outputs[OURS]])]
    return rows


def fastest(system: Asked, texts: Sequence[str], beam_size: int) -> int:
    return min(
        system.settings,
        key=lambda setting: float(system.ask(texts=texts, beam_size=beam_size, setting=setting)["seconds"]),
    )


def served(
    command: Sequence[str], model: str, texts: Sequence[str], folder: Path, num_tokens: Callable[[Sequence[str]], int]
) -> list[float]:
    """Greedy figures of a server: tokens a second at CONCURRENCY calls, the median time of single calls, and memory."""
    with running_server(command, folder / "server.log") as server:
        outputs, seconds, alone = asyncio.run(_call(server.address, model, texts))
        memory = memory_megabytes(server.pid)["VmHWM"]
    nothing = float("nan")
    return [num_tokens(outputs) / seconds, nothing, statistics.median(alone) * 1e3, nothing, memory, nothing]


async def _call(address: str, model: str, texts: Sequence[str]) -> tuple[list[str], float, list[float]]:
    """Translations, the seconds that all took together, and the seconds of single calls, one after the other."""
    async with AsyncClient(address, timeout=600) as client:

        async def translate(text: str) -> str:
            return (await client.translate(text, model=model, split_sentences="none")).translated_text

        async def translate_every(number: int) -> list[str]:
            return [await translate(text) for text in texts[number::CONCURRENCY]]

        await asyncio.gather(*map(translate, texts[:CONCURRENCY]))  # what is done once
        started = time.perf_counter()
        by_caller = await asyncio.gather(*map(translate_every, range(CONCURRENCY)))
        seconds = time.perf_counter() - started
        alone = []
        for text in texts[:: max(1, len(texts) // 100)]:
            began = time.perf_counter()
            await translate(text)
            alone.append(time.perf_counter() - began)
    return [output for outputs in by_caller for output in outputs], seconds, alone


def markdown(rows: dict[str, list[float]], missing: Sequence[str]) -> str:
    lines = [["", *COLUMNS], ["---", *["--:"] * len(COLUMNS)]]
    for name, row in rows.items():
        lines.append(
            [name, *("" if value != value else f"{value:.0f}" if value >= 100 else f"{value:.1f}" for value in row)]
        )
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return "\n".join([table, *(f"\nleft out: {reason}" for reason in missing)])


if __name__ == "__main__":
    main()

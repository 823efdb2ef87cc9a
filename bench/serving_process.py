"""The server as a process: how soon it translates, and how much memory it holds, with all four models."""

import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from bench.findings import Findings, Table
from bench.plan import Plan
from loadtest.memory import memory_megabytes
from loadtest.running_server import running_server, serve_command
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc

REPOSITORY = Path("model_repository")
SENTENCES = Path("loadtest/sentences/en.txt")
CALLS_AT_ONCE = 16


def measure(plan: Plan) -> Findings:
    plan.folder.mkdir(parents=True, exist_ok=True)
    log = plan.folder / "server.log"
    starts = [_seconds_to_first_translation(log) for _ in range(3 if plan.quick else 7)]
    memory = _memory(log)
    return Findings(
        "The serving process",
        "From starting `python -m server` to the first translation that a client has received, and its memory after "
        f"every model has translated {SENTENCES} with {CALLS_AT_ONCE} calls in flight.",
        {
            "start_to_first_translation_s": round(statistics.median(starts), 3),
            "resident_mb": round(memory["Pss"], 1),
        },
        {"start_seconds": starts, "memory_mb": memory, "slowest_imports": _slowest_imports()},
        [
            Table(
                "Start, seconds",
                ["", "median", "lowest", "highest"],
                [["start to first translation", statistics.median(starts), min(starts), max(starts)]],
            ),
            Table(
                "Memory of all processes, MB",
                ["resident, what is shared once", "and in each process", "peak, in each"],
                [[memory["Pss"], memory["VmRSS"], memory["VmHWM"]]],
            ),
        ],
    )


def _seconds_to_first_translation(log: Path) -> float:
    started = time.perf_counter()
    with (
        running_server(serve_command(f"--model-repository={REPOSITORY}"), log) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        request = pb.TranslateRequest(contents=["A man is reading."])
        pb_grpc.TranslationServiceStub(channel).Translate(request, timeout=30)
        return time.perf_counter() - started


def _memory(log: Path) -> dict[str, float]:
    """Memory in MB, by Linux's name for it."""
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()
    with (
        running_server(serve_command(f"--model-repository={REPOSITORY}"), log) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = pb_grpc.TranslationServiceStub(channel)
        models = [model.name for model in stub.ListModels(pb.ListModelsRequest(), timeout=30).models]

        def translate(model: str, text: str) -> None:
            stub.Translate(pb.TranslateRequest(model=model, contents=[text]), timeout=60)

        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            for model in models:
                list(pool.map(translate, [model] * len(lines), lines))
        return memory_megabytes(server.pid)


def _slowest_imports() -> list[str]:
    """The slowest imports of a start, as `python -X importtime` writes them: a module's time includes what it
    imports."""
    command = [sys.executable, "-X", "importtime", "-m", "server", "--help"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    timed = [line for line in lines if line.startswith("import time:") and "[us]" not in line]
    return sorted(timed, key=lambda line: -int(line.split("|")[1]))[:20]

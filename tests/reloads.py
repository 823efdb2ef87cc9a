"""Reload a model a hundred times while clients call it, and see whether an answer is lost or mixed, and memory grows.

python -m tests.reloads
python -m tests.reloads --number 1000 --models rnn-en-fr lstm-en-fr
python -m tests.reloads --minutes 10 --busy 0.7
"""

import argparse
import asyncio
import dataclasses
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import grpc

from loadtest.running_server import ServerError, running_server, serve_command
from seq2serve.pb import model_admin_pb2 as admin_pb
from seq2serve.pb import model_admin_pb2_grpc as admin_grpc
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.bundle.manifest import read_bundle
from tests.e2e.processes import children
from tests.reloading import Caller, read_texts
from tests.versions import write_version

_NAME = "reloaded"
_NUM_CALLERS = 4
_WARM_UP_SECONDS = 60.0
_AVERAGED = 4
"""Reloads over which memory is averaged."""
_MAX_GROWTH = 0.05
_LOAD_SECONDS = 300.0
"""Time that a reload may take."""


@dataclasses.dataclass
class Outcome:
    answered: Counter[str] = dataclasses.field(default_factory=Counter)
    """Answers by version."""
    problems: list[str] = dataclasses.field(default_factory=list)
    """What was lost or mixed, and what the server said of reloads."""
    resident: list[int] = dataclasses.field(default_factory=list)
    """Bytes of the server's processes after each reload, once no more than one engine is left."""
    seconds: list[float] = dataclasses.field(default_factory=list)
    """From the first reload to each of these."""


async def reload_under_load(
    address: str, repository: Path, name: str, pid: int, number: int, seconds: float = 0.0, busy: float = 1.0
) -> Outcome:
    """Let the server `pid` serve the versions 1 and 2 of its only model in turn, so many times and for so long at
    least, while it is called by clients that wait for answers for a share of the time, `busy`."""
    policy = repository / name / "model.toml"
    outcome = Outcome()
    async with grpc.aio.insecure_channel(address) as channel:
        admin = admin_grpc.ModelAdminServiceStub(channel)

        async def serve(versions: str) -> None:
            policy.write_text(f"versions = {versions}", encoding="utf-8")
            answer = await admin.ReloadModels(admin_pb.ReloadModelsRequest(), timeout=_LOAD_SECONDS)
            outcome.problems += answer.problems

        await serve("[1, 2]")
        texts = await read_texts(pb_grpc.TranslationServiceStub(channel), name, ("1", "2"))
        await serve("[1]")
        callers = [Caller(address, name, texts, busy) for _ in range(_NUM_CALLERS)]
        tasks = [asyncio.create_task(caller.call_until_stopped()) for caller in callers]
        started = time.monotonic()
        for index in itertools.count():
            if index >= number and time.monotonic() >= started + seconds:
                break
            await serve(f"[{2 - index % 2}]")
            await _wait_for_one_engine(pid)
            outcome.resident.append(resident_bytes(pid))
            outcome.seconds.append(time.monotonic() - started)
        for caller in callers:
            caller.stop()
        await asyncio.gather(*tasks)
    for caller in callers:
        outcome.answered += caller.answered
        outcome.problems += caller.problems
    return outcome


async def _wait_for_one_engine(pid: int) -> None:
    async with asyncio.timeout(_LOAD_SECONDS):
        while len(children(pid)) > 1:
            await asyncio.sleep(0.05)


def resident_bytes(pid: int) -> int:
    """Memory of a process and of those that it has started."""
    return sum(
        int(Path(f"/proc/{one}/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for one in (pid, *children(pid))
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.reloads", description="Reload a model under load.")
    parser.add_argument("--number", type=int, default=100, help="of reloads, at least (default: 100)")
    parser.add_argument("--minutes", type=float, default=0.0, help="at least; memory is held to its bound then")
    parser.add_argument("--busy", type=float, default=1.0, help="share of the time that clients call in (default: 1)")
    parser.add_argument(
        "--models", nargs=2, default=["transformer-en-fr", "lstm-en-fr"], help="that are its two versions"
    )
    parser.add_argument("--log", type=Path, default=Path("build/reloads-server.log"), help="of the server")
    arguments = parser.parse_args()
    arguments.log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, model in enumerate(arguments.models, start=1):
            write_version(read_bundle(Path("model_repository") / model / "1"), Path(folder), _NAME, str(number))
        command = serve_command(f"--model-repository={folder}", f"--default-model={_NAME}")
        try:
            with running_server(command, arguments.log) as server:
                started = time.monotonic()
                outcome = asyncio.run(
                    reload_under_load(
                        server.address,
                        Path(folder),
                        _NAME,
                        server.pid,
                        arguments.number,
                        60 * arguments.minutes,
                        arguments.busy,
                    )
                )
        except ServerError as error:
            sys.exit(f"error: {error}")
    if arguments.minutes:
        outcome.problems += growth_problems(outcome)
    report(outcome, time.monotonic() - started)
    sys.exit(bool(outcome.problems))


def growth_problems(outcome: Outcome) -> list[str]:
    """Whether memory has grown by more than may be since the first minute, or the first fifth of a short run: by what
    it was on average after a few reloads, as the two versions take turns."""
    warm_up = min(_WARM_UP_SECONDS, outcome.seconds[-1] / 5)
    settled = [size for second, size in zip(outcome.seconds, outcome.resident, strict=True) if second >= warm_up]
    if len(settled) < 2 * _AVERAGED:
        return [f"{2 * _AVERAGED} reloads after the first {warm_up:.0f} s expected, got {len(settled)}"]
    first, last = statistics.fmean(settled[:_AVERAGED]), statistics.fmean(settled[-_AVERAGED:])
    print(f"memory after {warm_up:.0f} s and at the end: {first / 1e6:.1f} and {last / 1e6:.1f} MB")
    return [f"memory has grown by {last / first - 1:.1%}"] if last > (1 + _MAX_GROWTH) * first else []


def report(outcome: Outcome, seconds: float) -> None:
    answered = ", ".join(f"{number} by version {version}" for version, number in sorted(outcome.answered.items()))
    print(f"{len(outcome.resident)} reloads in {seconds:.0f} s; answers: {answered}")
    half = len(outcome.resident) // 2
    halves = [sum(part) / len(part) / 1e6 for part in (outcome.resident[:half], outcome.resident[half:]) if part]
    print(f"memory in the first and the second half, on average: {' and '.join(f'{one:.1f} MB' for one in halves)}")
    print(f"{len(outcome.problems)} answers lost or mixed, and other problems")
    for problem, number in Counter(outcome.problems).most_common(10):
        print(f"  {number} times: {problem}")


if __name__ == "__main__":
    main()

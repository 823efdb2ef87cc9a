"""Send a gateway requests that nobody would send, on many connections, and see that none fails, that all are answered,
that an honest client beside them is answered all the time, and that memory, files and running requests do not grow.

python -m tests.fuzz.over_http
python -m tests.fuzz.over_http --connections 500 --seed 7
python -m tests.fuzz.over_http --connection 7000000123
"""

import argparse
import asyncio
import contextlib
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from loadtest.memory import memory_megabytes
from loadtest.running_server import ServerError, free_port, running_server, serve_command
from tests.e2e.processes import is_running
from tests.fuzz.http_requests import Sent, sent_by
from tests.fuzz.wire_messages import MODEL

_AT_ONCE = 8
_ANSWER_SECONDS = 20.0
"""After which an answer that is due counts as hanging."""
_QUIET_SECONDS = 0.05
"""That a connection waits for more, once it has what is due."""
_HONEST_PAUSE_SECONDS = 0.05
_MAX_GROWTH = 0.1
"""Of memory, from a tenth of all connections to the end."""
_SPARE_FILES = 20
"""Open ones, more than before, that are no leak."""

_STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) ")
"""No text that is sent has such a line."""
_HONEST = (
    b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b'Content-Length: 51\r\n\r\n{"q": "A dog sleeps.", "source":"en","target":"fr"}'
)


class Target(NamedTuple):
    """A gateway that runs."""

    port: int
    pid: int
    running: Callable[[], float]
    """Requests that it is answering now."""


class Outcome:
    """What came of a run."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        """Of all answers."""
        self.num_honest = 0
        self.slowest_ms = 0.0
        """Of the honest client's answers."""
        self.megabytes: list[float] = []
        """Of the gateway, after every tenth of the connections."""
        self.problems: list[str] = []


async def send_all(target: Target, seed: int, num_connections: int) -> Outcome:
    """Open so many connections, a few at a time, beside an honest client."""
    first = seed * 10**9
    return await send_each(target, range(first, first + num_connections))


async def send_each(target: Target, numbers: Sequence[int]) -> Outcome:
    outcome = Outcome()
    expected = await _honest_answer(target.port)
    num_files = _num_files(target.pid)
    rest = iter(enumerate(numbers))

    async def connect_on() -> None:
        for place, number in rest:
            if place >= len(numbers) / 10 * (1 + len(outcome.megabytes)):
                outcome.megabytes.append(memory_megabytes(target.pid)["VmRSS"])
            statuses, problem = await _send(target.port, sent_by(number))
            outcome.statuses.update(statuses)
            problem = problem or next((f"answered with {one}" for one in statuses if one in ("500", "503")), "")
            if problem:
                outcome.problems.append(f"{problem}: python -m tests.fuzz.over_http --connection {number}")

    honest = asyncio.create_task(_ask_on(target.port, expected, outcome))
    await asyncio.gather(*(connect_on() for _ in range(_AT_ONCE)))
    honest.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await honest
    await _check_end(target, outcome, num_files)
    return outcome


async def _check_end(target: Target, outcome: Outcome, num_files: int) -> None:
    """What has to be true a moment after the last connection."""
    if not is_running(target.pid):
        outcome.problems.append("the gateway has ended")
        return
    give_up = time.monotonic() + _ANSWER_SECONDS
    while (num_running := await asyncio.to_thread(target.running)) and time.monotonic() < give_up:
        await asyncio.sleep(0.1)
    if num_running:
        outcome.problems.append(f"{num_running:g} requests are still running")
    if (more := _num_files(target.pid) - num_files) > _SPARE_FILES:
        outcome.problems.append(f"{more} more files are open than before")
    first, last = next(iter(outcome.megabytes), 0.0), next(reversed(outcome.megabytes), 0.0)
    if last > (1 + _MAX_GROWTH) * first:
        outcome.problems.append(f"memory: {first:.0f} MB after a tenth, {last:.0f} MB at the end")
    if not outcome.num_honest:
        outcome.problems.append("the honest client was never answered")


async def _send(port: int, sent: Sent) -> tuple[list[str], str]:
    """Returns the statuses of all answers, and what is wrong with them."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        return [], f"no connection: {error}"
    answered = bytearray()
    try:
        reading = asyncio.create_task(_read(reader, answered, 0 if sent.is_left else sent.num_answers))
        with contextlib.suppress(OSError):  # it may close a connection before all is sent
            for piece in sent.pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(sent.pause)
        is_closed = False if sent.is_left else await reading
    except TimeoutError:
        return _statuses(answered), f"{len(_statuses(answered))} of {sent.num_answers} answers, and then nothing more"
    finally:
        reading.cancel()
        writer.transport.abort()
    statuses = _statuses(answered)
    if not sent.is_left and is_closed and len(statuses) < sent.num_answers:
        return statuses, f"{len(statuses)} of {sent.num_answers} answers, and then the connection was closed"
    return statuses, ""


async def _read(reader: asyncio.StreamReader, answered: bytearray, num_answers: int) -> bool:
    """Until as many answers as are due have begun, and a little longer. Returns whether the connection was closed.
    Raises TimeoutError where nothing comes any more."""
    while True:
        is_enough = len(_statuses(answered)) >= num_answers
        try:
            async with asyncio.timeout(_QUIET_SECONDS if is_enough else _ANSWER_SECONDS):
                if not (more := await reader.read(65_536)):
                    return True
                answered += more
        except TimeoutError:
            if not is_enough:
                raise
            return False
        except OSError:
            return True


def _statuses(answered: bytearray) -> list[str]:
    return [status.decode() for status in _STATUS.findall(answered) if status != b"100"]


async def _ask_on(port: int, expected: bytes, outcome: Outcome) -> None:
    while True:
        began = time.monotonic()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answered = await _honest_answer(port)
            if answered != expected:
                outcome.problems.append(f"honest client: {expected!r} expected, got {answered!r}")
            outcome.num_honest += 1
            outcome.slowest_ms = max(outcome.slowest_ms, 1000 * (time.monotonic() - began))
        except (OSError, TimeoutError) as error:
            outcome.problems.append(f"honest client: {error!r}")
        await asyncio.sleep(_HONEST_PAUSE_SECONDS)


async def _honest_answer(port: int) -> bytes:
    """The body of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_HONEST)
        answered = await reader.read()
    finally:  # also where it takes too long, or the run is over
        writer.close()
    return answered.partition(b"\r\n\r\n")[2]


def _num_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@contextlib.contextmanager
def running_gateway(server: str, log: Path) -> Iterator[Target]:
    """A gateway in a process of its own, before a server. Raises ServerError."""
    metrics = free_port()
    command = [sys.executable, "-m", "gateway", f"--server={server}", "--listen=127.0.0.1:0"]
    command += [f"--metrics-listen=127.0.0.1:{metrics}", "--max-file-kilobytes=1024"]

    def running() -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics") as page:
            found = re.search(r"^seq2serve_gateway_running_requests (.+)$", page.read().decode(), re.MULTILINE)
        assert found
        return float(found[1])

    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout
            line = process.stdout.readline()
            match = re.fullmatch(r"serving on http://127\.0\.0\.1:([0-9]+)/\n", line)
            if not match:
                raise ServerError(f"the gateway did not start; {log} has: {log.read_text()[-500:]}")
            yield Target(int(match[1]), process.pid, running)
        finally:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.over_http", description="Send a gateway any requests.")
    parser.add_argument("--connections", type=int, default=100_000, help="(default: 100000)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="(default: another each time)")
    parser.add_argument("--connection", type=int, help="the number that an earlier run has printed: it alone")
    parser.add_argument("--log", type=Path, default=Path("build/http-gateway.log"), help="of the gateway")
    arguments = parser.parse_args()
    arguments.log.parent.mkdir(parents=True, exist_ok=True)
    numbers: Sequence[int] = range(arguments.seed * 10**9, arguments.seed * 10**9 + arguments.connections)
    if arguments.connection is not None:
        numbers = [arguments.connection]
        print(*sent_by(arguments.connection).pieces, sep="\n")
    print(f"{len(numbers)} connections, seed {arguments.seed}", flush=True)
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / MODEL).symlink_to((Path("model_repository") / MODEL).resolve())
            command = serve_command(f"--model-repository={folder}", f"--default-model={MODEL}")
            with (
                running_server(command, arguments.log.with_suffix(".server.log")) as server,
                running_gateway(server.address, arguments.log) as target,
            ):
                outcome = asyncio.run(send_each(target, numbers))
    except ServerError as error:
        sys.exit(f"error: {error}")
    outcome.problems += failures_in(arguments.log)
    print(f"{outcome.statuses.total()} answers in {time.monotonic() - started:.0f} s")
    print(", ".join(f"{number} of {status}" for status, number in outcome.statuses.most_common()))
    print(f"honest client: {outcome.num_honest} answers, the slowest after {outcome.slowest_ms:.0f} ms")
    print("memory, by tenths: " + " ".join(f"{one:.0f}" for one in outcome.megabytes) + " MB")
    print(*outcome.problems[:50], f"{len(outcome.problems)} problems", sep="\n")
    sys.exit(bool(outcome.problems))


def failures_in(log: Path) -> list[str]:
    """The last line of each traceback of a gateway's log."""
    found = []
    is_inside = False
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("Traceback"):
            is_inside = True
        elif is_inside and not line.startswith((" ", "\t")) and line:
            found.append(f"in the log: {line[:200]}")
            is_inside = False
    return found


if __name__ == "__main__":
    main()

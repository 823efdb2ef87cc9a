"""What it costs that somebody watches the running batches: python -m bench.watched.

A server is watched by nobody, by one client, and by one page through a gateway, in turns: while it has nothing to do,
and under closed loops. What is told is the processor time of the server's processes, which other work on the machine
changes less than rates. Takes two minutes.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from loadtest.running_server import running_server, serve_command
from seq2serve.client import Client

SENTENCES = (
    "A dog sleeps.",
    "Two men are playing guitar in the park.",
    "The woman in the red coat is reading a book while she waits for the train.",
)
CALLERS = 4
CONTENTS = 48
"""Of each call, so that rows and queue are never empty."""
_TICKS = os.sysconf("SC_CLK_TCK")

Watching = Callable[[], AbstractContextManager[None]]


class Round(NamedTuple):
    sentences: int
    seconds: float
    server_seconds: float
    """Of processor time."""
    gateway_seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.watched")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a round")
    parser.add_argument("--model", default="transformer-en-fr")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = serve_command()
        with running_server(command, Path(folder) / "server.log") as server, gateway(server.address) as (url, pid):
            kinds: dict[str, Watching] = {
                "nobody": contextlib.nullcontext,
                "a client": lambda: client_watching(server.address),
                "a page": lambda: page_watching(url),
            }
            rounds: dict[str, list[Round]] = {kind: [] for kind in kinds}
            work(server.address, arguments.model, arguments.seconds)  # to warm up
            idle = {}
            for kind, watching in kinds.items():
                with watching():
                    idle[kind] = used(server.pid, pid, lambda: pause(arguments.seconds))
            for _ in range(arguments.rounds):
                for kind, watching in kinds.items():
                    with watching():
                        one = used(server.pid, pid, lambda: work(server.address, arguments.model, arguments.seconds))
                        rounds[kind].append(one)
    report(idle, rounds)


def used(server: int, gateway: int, work: Callable[[], int]) -> Round:
    """What two processes use in the time that the work takes."""
    before = processor_seconds(server), processor_seconds(gateway)
    began = time.monotonic()
    sentences = work()
    passed = time.monotonic() - began
    return Round(sentences, passed, processor_seconds(server) - before[0], processor_seconds(gateway) - before[1])


def pause(seconds: float) -> int:
    time.sleep(seconds)
    return 0


def report(idle: dict[str, Round], rounds: dict[str, list[Round]]) -> None:
    for kind, one in idle.items():
        server, gateway = (100 * used / one.seconds for used in (one.server_seconds, one.gateway_seconds))
        print(f"idle, watched by {kind}: the server takes {server:.2f} % of a core, the gateway {gateway:.2f} %")
    nobody = rounds["nobody"]
    print("watched by  sentences/s  server's ms/sentence  to nobody's, by rounds: median (least to most)  gateway")
    for kind, those in rounds.items():
        cost = [1000 * one.server_seconds / one.sentences for one in those]
        ratios = [
            (one.server_seconds / one.sentences) / (other.server_seconds / other.sentences)
            for one, other in zip(those, nobody, strict=True)
        ]
        rate = statistics.median(one.sentences / one.seconds for one in those)
        own = 100 * statistics.median(one.gateway_seconds / one.seconds for one in those)
        spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        print(f"{kind:10}  {rate:11.0f}  {statistics.median(cost):20.3f}  {spread:46}  {own:.1f} % of a core")


def work(address: str, model: str, seconds: float) -> int:
    """Callers in closed loops. Returns the number of sentences that were translated."""
    counts = [0] * CALLERS

    def call(number: int) -> None:
        ends = time.monotonic() + seconds
        contents = [SENTENCES[index % len(SENTENCES)] for index in range(CONTENTS)]
        with Client(address) as client:
            while time.monotonic() < ends:
                counts[number] += len(client.translate(contents, model=model))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


@contextlib.contextmanager
def client_watching(address: str) -> Iterator[None]:
    """A client that reads all states."""
    with Client(address) as client:
        states = client.watch_batches()
        next(states)
        reading = threading.Thread(target=_exhaust, args=(states,))
        reading.start()
        yield
    reading.join()


def _exhaust(states: Iterator[object]) -> None:
    with contextlib.suppress(Exception):  # its client is closed
        for _ in states:
            pass


@contextlib.contextmanager
def page_watching(url: str) -> Iterator[None]:
    """What a page does: it reads the gateway's events."""
    with urllib.request.urlopen(f"{url}page/batches") as events:
        is_over = threading.Event()

        def read() -> None:
            while not is_over.is_set() and events.readline():
                pass

        reading = threading.Thread(target=read)
        reading.start()
        yield
        is_over.set()
        reading.join()


@contextlib.contextmanager
def gateway(server: str) -> Iterator[tuple[str, int]]:
    """Its URL, and its process."""
    command = [sys.executable, "-m", "gateway", f"--server={server}", "--listen=127.0.0.1:0", "--metrics-listen="]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().removeprefix("serving on ").strip(), process.pid
        finally:
            process.terminate()


def processor_seconds(pid: int) -> float:
    """That a process and its children have used so far."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    total = 0.0
    for one in (str(pid), *children):
        fields = Path(f"/proc/{one}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total


if __name__ == "__main__":
    main()

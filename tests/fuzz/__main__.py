"""Translate texts that nobody has thought of, under all options together, and check what is true of every answer.

python -m tests.fuzz
python -m tests.fuzz --cases 500 --seed 7
python -m tests.fuzz --case '[{"contents": ["A dog 😊"]}, {"contents": ["A dog 😊"]}, 0]'
"""

import argparse
import contextlib
import itertools
import multiprocessing
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from loadtest.running_server import ServerError, running_server, serve_command
from tests.fuzz.cases import Case
from tests.fuzz.rounds import Failure, Round, connected, run_round

_SHOWN_EVERY = 15.0
"""Seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description="Translate any texts, and check the answers."
    )
    parser.add_argument("--cases", type=int, default=20_000, help="contents under options (default: 20000)")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10**6), help="of all cases (default: another each time)"
    )
    parser.add_argument("--processes", type=int, default=2, help="that write and check cases (default: 2)")
    parser.add_argument("--server", help="address of a running one (default: start one)")
    parser.add_argument("--model-repository", type=Path, default=Path("model_repository"), help="that is served")
    parser.add_argument("--case", help="a line that an earlier run has printed: this case alone")
    parser.add_argument("--log", type=Path, default=Path("build/fuzz-server.log"), help="of a server that is started")
    arguments = parser.parse_args()
    try:
        with _server(arguments.server, arguments.model_repository, arguments.log) as address:
            if arguments.case:
                problem = connected(address, arguments.model_repository).problem(Case.parse(arguments.case))
                print(problem or "all is well")
                sys.exit(bool(problem))
            failures = fuzz(address, arguments.model_repository, arguments.cases, arguments.seed, arguments.processes)
    except ServerError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(f"{len(failures)} kinds of failures")
    sys.exit(bool(failures))


@contextlib.contextmanager
def _server(address: str | None, repository: Path, log: Path) -> Iterator[str]:
    if address:
        yield address
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with running_server(serve_command(f"--model-repository={repository}"), log) as server:
        yield server.address


def fuzz(address: str, repository: Path, num_cases: int, seed: int, num_processes: int) -> dict[str, Failure]:
    """At least so many cases, in rounds. Returns the smallest failure of each kind; it is printed when it is found."""
    print(f"{num_cases} cases, seed {seed}", flush=True)
    failures: dict[str, Failure] = {}
    numbers = itertools.count(seed * 1_000_000)
    num_done, started = 0, time.monotonic()
    shown = started
    with ProcessPoolExecutor(num_processes, multiprocessing.get_context("spawn")) as pool:
        running: set[Future[Round]] = set()
        while num_done < num_cases:
            while len(running) < num_processes:
                running.add(pool.submit(run_round, address, repository, next(numbers)))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                num_in_round, failure = future.result()
                num_done += num_in_round
                if failure and (failure.kind not in failures or len(failure.line) < len(failures[failure.kind].line)):
                    failures[failure.kind] = failure
                    print(
                        f"FAILED: {failure.problem}\n  python -m tests.fuzz --case {_quoted(failure.line)}", flush=True
                    )
            if time.monotonic() > shown + _SHOWN_EVERY:
                shown = time.monotonic()
                print(f"{num_done} cases, {shown - started:.0f} s", flush=True)
    print(f"{num_done} cases in {time.monotonic() - started:.0f} s")
    return failures


def _quoted(line: str) -> str:
    """As one word of a shell."""
    return "'" + line.replace("'", "'\\''") + "'"


if __name__ == "__main__":
    main()

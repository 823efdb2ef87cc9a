"""A server in a process of its own, so that it shares no interpreter with those who load it.

It reads the SEQ2SERVE_ variables of its settings itself, as any server does; flags win over them.
"""

import contextlib
import socket
import subprocess
import sys
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

_START_SECONDS = 120.0
STOP_SECONDS = 30.0
"""Seconds for the server to end; longer than its own grace."""


class ServerError(Exception):
    """The server did not start."""


class RunningServer(NamedTuple):
    address: str
    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.process.pid


def add_server_arguments(parser: ArgumentParser) -> None:
    """The settings of a server to be started that say what it serves."""
    parser.add_argument(
        "--model-repository",
        type=Path,
        action="append",
        default=[],
        help="that is served; may be given several times (default: as the server's)",
    )
    parser.add_argument("--default-model", help="the server's (default: as the server's)")


def server_flags(arguments: Namespace) -> list[str]:
    """Flags for `serve_command`, of the arguments that were given."""
    flags = [f"--model-repository={folder}" for folder in arguments.model_repository]
    if arguments.default_model is not None:
        flags.append(f"--default-model={arguments.default_model}")
    return flags


def serve_command(*flags: str) -> list[str]:
    """The command that starts this project's server at a free port."""
    return [sys.executable, "-m", "server", "--listen=127.0.0.1:0", "--metrics-listen=", *flags]


def free_port() -> int:
    """A TCP port of this machine that nobody listens on just now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def running_server(command: Sequence[str], log: Path) -> Iterator[RunningServer]:
    """Start a server that writes `serving on <address>` when it does, and stop it. Raises ServerError."""
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None  # for mypy: it is piped
        timer = threading.Timer(_START_SECONDS, process.kill)  # ends the wait for its line
        try:
            timer.start()
            line = process.stdout.readline()
            timer.cancel()
            if not line.startswith("serving on "):
                raise ServerError(f"the server did not start; {log} ends with: {log.read_text()[-500:].strip()}")
            yield RunningServer(line.split()[2].rstrip(";"), process)
        finally:
            timer.cancel()
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()

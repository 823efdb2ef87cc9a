"""`python -m server` and `python -m seq2serve` as a user starts them."""

import fcntl
import re
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fakes import PATIENCE

ROOT = Path(__file__).parents[2]
DEFAULT_MODEL = "rnn-en-fr"

Completed = subprocess.CompletedProcess[str]


class ServerProcess:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.process = process
        line = process.stdout.readline()
        match = re.fullmatch(r"serving on (.+); translate a sentence with:\n", line)
        assert match, f"{line!r} {process.stderr.read() if process.stderr else ''}"
        self.address = match[1]
        self.example = process.stdout.readline().strip()
        """The command that it suggests."""

    def client(self, *arguments: str, stdin: str = "") -> Completed:
        return run("seq2serve", "--server", self.address, *arguments, stdin=stdin)

    def end(self, signal: int) -> tuple[int, str]:
        """Exit code and what it wrote to standard error."""
        self.process.send_signal(signal)
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors


def server_arguments(repository: Path, listen: str = "127.0.0.1:0", **more: str) -> list[str]:
    settings = {
        "listen": listen,
        "metrics-listen": "",
        "model-repository": str(repository),
        "default-model": DEFAULT_MODEL,
    } | more
    return [f"--{name}={value}" for name, value in settings.items()]


@contextmanager
def server_process(repository: Path, **settings: str) -> Iterator[ServerProcess]:
    with _started(server_arguments(repository, **settings)) as server:
        yield server


@contextmanager
def server_in_terminal(terminal: int, repository: Path) -> Iterator[ServerProcess]:
    """A server that was started in the terminal of this descriptor, and ends with it."""
    with _started(
        server_arguments(repository),
        pass_fds=[terminal],
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0),
    ) as server:
        yield server


@contextmanager
def _started(arguments: list[str], **how: Any) -> Iterator[ServerProcess]:
    command = [sys.executable, "-m", "server", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=pipe, stderr=pipe, **how) as process:
        try:
            yield ServerProcess(process)
        finally:
            process.kill()


def engines(server: ServerProcess, model: str) -> list[int]:
    """The processes that decode a model."""
    names = {pid: Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8") for pid in children(server.process.pid)}
    return [pid for pid, name in names.items() if name.endswith(f"\0{model}\0")]


def children(pid: int) -> list[int]:
    """The processes that a process has started, as Linux lists them."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for children in lists for child in children.read_text(encoding="utf-8").split()]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # ended, and nobody has asked how


def run(module: str, *arguments: str, stdin: str = "") -> Completed:
    """To its end."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )

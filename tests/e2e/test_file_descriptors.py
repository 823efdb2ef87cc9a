"""A server with more connections than it has file descriptors."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.processes import ROOT, ServerProcess, server_arguments
from tests.e2e.waiting import eventually, serves
from tests.fakes import PATIENCE


def limited_server(repository: Path, soft: int, hard: int) -> list[str]:
    limit = f'ulimit -S -n {soft}; ulimit -H -n {hard}; exec "$@"'
    return ["sh", "-c", limit, "sh", sys.executable, "-m", "server", *server_arguments(repository)]


@contextmanager
def limited_server_process(repository: Path, soft: int, hard: int) -> Iterator[ServerProcess]:
    command = limited_server(repository, soft, hard)
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield ServerProcess(process)
        finally:
            process.kill()


def test_connections_that_no_descriptor_is_left_for_are_refused_and_logged(rnn_repository: Path) -> None:
    with limited_server_process(rnn_repository, 64, 64) as server:
        host, _, port = server.address.rpartition(":")
        accepted: list[socket.socket] = []
        num_refused = 0
        for _ in range(200):
            caller = socket.create_connection((host, int(port)), PATIENCE)
            try:
                is_accepted = bool(caller.recv(1))  # HTTP/2's settings, or an end
            except ConnectionError:
                is_accepted = False
            if is_accepted:
                accepted.append(caller)
            else:
                caller.close()
                num_refused += 1
        assert 10 <= len(accepted) < 64
        assert num_refused == 200 - len(accepted)
        assert not serves(server.address)
        time.sleep(1.5)  # the watch looks once a second
        for caller in accepted:
            caller.close()
        eventually(lambda: serves(server.address), "it does not serve again")
        code, errors = server.end(signal.SIGTERM)
    assert code == 0
    lines = [line for line in errors.splitlines() if "new ones are refused" in line]
    assert len(lines) == 1
    assert f"{len(accepted)} connections are open, as many as the limit of 64 open files" in lines[0]


def test_a_soft_limit_is_raised_to_the_hard_one(rnn_repository: Path) -> None:
    with limited_server_process(rnn_repository, 40, 400) as server:
        limits = Path(f"/proc/{server.process.pid}/limits").read_text(encoding="utf-8")
        [line] = [line for line in limits.splitlines() if line.startswith("Max open files")]
        assert line.split()[3:5] == ["400", "400"]


def test_a_limit_that_leaves_no_connection_is_one_line(model_repository: Path) -> None:
    ended = subprocess.run(
        limited_server(model_repository, 24, 24), cwd=ROOT, text=True, capture_output=True, timeout=2 * PATIENCE
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: at least ")
    assert ended.stderr.endswith(" open files needed, the limit (ulimit -n) is 24\n")

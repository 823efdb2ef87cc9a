"""Clients that send heads or read answers too slowly, or not at all, hold no connection for long."""

import socket
import time
from pathlib import Path

import pytest

from tests.fakes import PATIENCE
from tests.fuzz.over_http import running_gateway


@pytest.mark.nightly
@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET"])
def test_a_head_that_does_not_come_to_its_end_is_given_up(tmp_path: Path, sent: bytes) -> None:
    with (
        running_gateway("127.0.0.1:1", tmp_path / "log") as target,
        socket.create_connection(("127.0.0.1", target.port), PATIENCE) as connection,
    ):
        connection.sendall(sent)
        began = time.monotonic()
        while connection.recv(65_536):
            pass
        assert 4 < time.monotonic() - began < 20


@pytest.mark.nightly
def test_an_answer_that_nobody_reads_is_given_up(tmp_path: Path) -> None:
    """So large a one that no buffer on the way takes it: many behind each other."""
    with running_gateway("127.0.0.1:1", tmp_path / "log") as target, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", target.port))
        connection.settimeout(1)
        request = b"GET /spec HTTP/1.1\r\nHost: x\r\n\r\n"
        with pytest.raises((TimeoutError, ConnectionError)):
            send_on(connection, request * 100, 0)
        assert target.running() <= 1
        connection.settimeout(90)
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            send_on(connection, b"G", 1)
        assert 20 < time.monotonic() - began < 80
        assert target.running() == 0


def send_on(connection: socket.socket, sent: bytes, pause: float) -> None:
    while True:
        connection.sendall(sent)
        time.sleep(pause)

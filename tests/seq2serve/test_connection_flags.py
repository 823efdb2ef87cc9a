"""TLS and keys on the command line."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from seq2serve.connection_flags import add_connection_arguments, read_connection
from tests.e2e.processes import run


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"ca.pem": "CA", "c.pem": "C", "c.key": "K", "web.key": " s2s_a\n", "empty": "\n"}.items():
        Path(name).write_text(text)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], {}),
        (["--tls"], {"tls": True}),
        (["--authorities=ca.pem"], {"tls": b"CA"}),
        (["--tls", "--authorities=ca.pem"], {"tls": b"CA"}),
        (["--api-key-file=web.key"], {"api_key": "s2s_a"}),
        (
            ["--client-certificate=c.pem", "--client-key=c.key", "--server-name=x"],
            {"client_certificate": b"C", "client_key": b"K", "server_name": "x"},
        ),
    ],
)
def test_files_are_read(files: None, flags: list[str], expected: dict[str, Any]) -> None:
    parser = argparse.ArgumentParser()
    add_connection_arguments(parser)
    assert read_connection(parser.parse_args(flags)) == {"server_name": ""} | expected


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--api-key-file=/nowhere"], "No such file or directory: '/nowhere'"),
        (["--authorities=/nowhere"], "No such file or directory: '/nowhere'"),
        (["--api-key-file=/dev/null"], "--api-key-file: a key expected, got an empty file, /dev/null"),
        (["--authorities=/dev/null"], "tls: the authorities' certificates expected, got no bytes"),
        (["--server-name=x"], "server_name: only certificates have one; tls expected as well"),
    ],
)
def test_what_cannot_be_used_is_one_line(flags: list[str], problem: str) -> None:
    ended = run("seq2serve", *flags, "A dog sleeps.")
    assert ended.returncode
    assert problem in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_key_is_not_sent_in_plain_to_another_machine_nor_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s2s_do-not-show")
    ended = run("seq2serve", "--server=192.0.2.1:1", f"--api-key-file={tmp_path}/key", "A dog sleeps.")
    assert ended.returncode
    assert "everybody on the way could read the key" in ended.stderr
    assert "do-not-show" not in ended.stderr

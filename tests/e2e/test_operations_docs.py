"""The commands of docs/operations.md that set up TLS and keys, as they are printed there."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.processes import ROOT, ServerProcess
from tests.fakes import PATIENCE

PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## TLS and keys in five commands\n")[2].partition("\n## ")[0]
PORT, MODEL = "50443", "transformer-en-fr"


@pytest.fixture
def commands(tmp_path: Path) -> list[str]:
    """In a folder where they find what a checkout has."""
    for name in (".venv", "log_format", "server", "seq2serve"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "model_repository").mkdir()
    (tmp_path / "model_repository" / MODEL).symlink_to(ROOT / "model_repository" / MODEL)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    block = SECTION.split("```\n")[1]
    return [line.replace(PORT, str(port)) for line in block.splitlines()]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, shell=True, cwd=folder, text=True, capture_output=True, timeout=2 * PATIENCE, check=False
    )


@contextmanager
def served(command: str, folder: Path) -> Iterator[ServerProcess]:
    environment = os.environ | {"SEQ2SERVE_METRICS_LISTEN": ""}
    with subprocess.Popen(
        f"exec {command}",
        shell=True,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield ServerProcess(process)
        finally:
            process.kill()


def test_the_five_commands_make_a_server_with_tls_and_keys(commands: list[str], tmp_path: Path) -> None:
    certificate, first_key, serve, translate, second_key = commands
    for command in (certificate, first_key):
        ended = run(command, tmp_path)
        assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "web.key").stat().st_mode & 0o077 == 0
    assert run(first_key, tmp_path).returncode == 1, "the key would be lost"
    with served(serve, tmp_path) as server:
        assert " --authorities FILE --api-key-file FILE " in server.example
        ended = run(translate, tmp_path)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "Un chien dort.\n", "")
        without_key = re.sub(r" --api-key-file \S+", "", translate)
        assert run(without_key, tmp_path).stderr.startswith("error: UNAUTHENTICATED: no key was sent; ")
        without_tls = re.sub(r" --authorities \S+", "", without_key) + " --timeout 1"
        assert run(without_tls, tmp_path).returncode == 1

        assert run(second_key, tmp_path).returncode == 0
        later = translate.replace("web.key", "night.key")
        give_up = time.monotonic() + PATIENCE
        while (ended := run(later, tmp_path)).returncode:
            assert ended.stderr.startswith("error: UNAUTHENTICATED: the key that was sent is not known; ")
            assert time.monotonic() < give_up
        assert ended.stdout == "Un chien dort.\n"
        code, errors = server.end(signal.SIGTERM)
        assert code == 0
        for key in ("web.key", "night.key"):
            assert (tmp_path / key).read_text().strip() not in errors
            assert (tmp_path / key).read_text().strip() not in (tmp_path / "keys.toml").read_text()
        assert "A dog sleeps" not in errors


def test_the_table_that_is_shown_is_what_the_last_command_makes(commands: list[str], tmp_path: Path) -> None:
    assert run(commands[-1], tmp_path).returncode == 0
    made = (tmp_path / "keys.toml").read_text()
    shown = SECTION.split("```toml\n")[1].partition("```")[0]
    digest = re.compile(r"[0-9a-f]{64}")
    assert digest.sub("", shown).replace("burst_source_tokens = 20000\n", "") == digest.sub("", made)


def test_without_certificates_the_server_refuses_to_listen_for_others(commands: list[str], tmp_path: Path) -> None:
    ended = run(re.sub(r" --tls-\S+ \S+", "", commands[2]), tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: listen: :")
    assert ended.stderr.count("\n") == 1

"""Every command of docs/gateway.md and of README's section about HTTP answers what is printed there, and starts what it
says that it does."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
import trustme

from tests.e2e.processes import ROOT, server_process
from tests.fakes import PATIENCE
from tests.gateway.running import GatewayProcess
from tests.integration.shipped import one_model

DOCS = (ROOT / "docs/gateway.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## In a browser and over HTTP\n")[2].partition("\n## ")[0]

BLOCK = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SCORE = re.compile(r"-\d+\.\d+")
HOST = "localhost:5000"
ELSEWHERE = "translate.example.org:50051"

STARTS = f".venv/bin/python -m gateway --server {ELSEWHERE} --tls"
TRIED_ELSEWHERE = {"make page", ".venv/bin/python -m bench.gateway"}
"""Commands without an answer beside them."""


class Shown(NamedTuple):
    command: str
    answer: str


def shown(page: str) -> Iterator[Shown]:
    """Commands with their answers; one alone has none."""
    for block in BLOCK.finditer(page):
        if not block["text"].startswith("$ "):
            yield from (Shown(line, "") for line in block["text"].splitlines() if not block["kind"])
        for entry in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
            yield Shown(*entry.split("\n", 1))


PAGES = [*shown(DOCS), *shown(SECTION)]
CALLS = [each for each in PAGES if each.answer]


def test_every_command_is_tried() -> None:
    assert {each.command for each in PAGES if not each.answer} <= {STARTS, *TRIED_ELSEWHERE}
    assert STARTS in {each.command for each in PAGES}
    assert len(CALLS) >= 8


@pytest.mark.parametrize("call", CALLS, ids=[each.command[:60] for each in CALLS])
def test_a_command_answers_what_is_printed(call: Shown, url: str) -> None:
    assert HOST in call.command
    command = call.command.replace(HOST, url.removeprefix("http://"))
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    if "data: " in call.answer:
        assert told(done.stdout) == told(call.answer)
    else:
        assert SCORE.sub("", done.stdout).strip() == SCORE.sub("", call.answer).strip()
        assert scores(done.stdout) == pytest.approx(scores(call.answer), abs=0.001)


def scores(answer: str) -> list[float]:
    return list(map(float, SCORE.findall(answer)))


def told(events: str) -> tuple[str, set[str], list[str]]:
    """The first word of what is told, its fields, and the events' names: how text is parted depends on who reads."""
    data: list[dict[str, Any]] = [json.loads(line) for line in re.findall(r"^data: (.*)$", events, re.MULTILINE)]
    text = "".join(each.get("textDelta", "") for each in data)
    return text.split()[0], set(data[0]), re.findall(r"^event: (.*)$", events, re.MULTILINE)


def test_the_gateway_before_a_server_elsewhere_calls_it_by_tls(tmp_path: Path) -> None:
    """Of an authority that gRPC knows, as the printed command says nothing of it."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "server.key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    files = {"tls-certificate": str(tmp_path / "server.pem"), "tls-key": str(tmp_path / "server.key")}
    environment = os.environ | {
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tmp_path / "authority.pem"),
        "SEQ2SERVE_GATEWAY_LISTEN": "127.0.0.1:0",
        "SEQ2SERVE_GATEWAY_METRICS_LISTEN": "",
    }
    with server_process(one_model(tmp_path), **files) as server:
        command = STARTS.replace(ELSEWHERE, f"localhost:{server.address.rpartition(':')[2]}")
        with subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                gateway = GatewayProcess(process)
                assert requests.get(f"{gateway.url}/ready", timeout=PATIENCE).json() == {"status": "ok"}
            finally:
                process.kill()

"""JavaScript's clients of other services and of the contract, as their makers publish them; versions and hashes are in
node/package-lock.json."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import ROOT

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="node and npm are not here"),
]

CHIEN = "Un chien dort."
SOURCES = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clients, installed."""
    folder = tmp_path_factory.mktemp("node") / "clients"
    shutil.copytree(SOURCES, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


def told_by(folder: Path, script: str, *arguments: str) -> Any:
    """What a script prints."""
    command = ["node", script, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("transport", ["connect", "grpc-web"])
def test_connect_web(folder: Path, url: str, tmp_path: Path, transport: str) -> None:
    contract = tmp_path / "contract.bin"
    wanted = ["--include_imports", f"--descriptor_set_out={contract}", "translation.proto"]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto/translation/v1'}"]
    subprocess.run([*protoc, *wanted], check=True, timeout=60)
    told = told_by(folder, "connect.js", url, transport, str(contract))
    assert told["translated"] == told["streamed"] == CHIEN
    assert told["models"] == ["transformer-en-fr", "transformer-fr-en"]
    assert told["wrong"]["code"] == "InvalidArgument"
    assert told["wrong"]["message"] == "contents[0]: at most 10000 characters expected, got 10001"
    assert "google.rpc.BadRequest" in told["wrong"]["details"]
    assert told["unknown"]["code"] == "NotFound"
    assert told["late"] == "DeadlineExceeded"


def test_deepl_node(folder: Path, url: str) -> None:
    told = told_by(folder, "deepl.js", url)
    assert (told["one"], told["detected"]) == (CHIEN, "en")
    assert told["several"] == [CHIEN, f"<p>{CHIEN}</p>"]
    assert (told["languages"], told["targets"]) == (["en", "fr"], ["fr", "en-GB", "en-US"])
    assert "toutou" in told["withGlossary"]
    assert (told["entries"], told["left"]) == ({"dog": "toutou"}, 0)
    assert told["count"] > 0
    assert "Value for 'target_lang' not supported" in told["problem"]


def test_libretranslate(folder: Path, url: str) -> None:
    told = told_by(folder, "libretranslate.js", url)
    assert told["translated"] == told["detected"] == CHIEN
    assert told["unknown"].startswith("This language was not found")

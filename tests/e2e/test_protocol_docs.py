"""Every program of docs/protocols.md, with the models that are served by default."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.processes import ROOT, ServerProcess, server_process
from tests.fakes import PATIENCE
from tests.integration.test_reflection import call_by_reflection

PAGE = (ROOT / "docs/protocols.md").read_text(encoding="utf-8")
RECIPES = {section.partition("\n")[0]: section for section in PAGE.split("\n## ")[1:]}

EXPECTED = {
    "Triton's client": ["True\nUn chien dort. -0.", "\nUn homme joue de la guitare. -0."],
    "Streams of Triton's client": ["Deux jeunes hommes jouent de la guitare dans le parc."],
    "Google's client": [
        "Un chien dort. projects/any/locations/global/models/transformer-en-fr\n<p>Le chien <b>noir</b> court.</p>",
        "'fr'",
    ],
    "Many requests on one stream": [
        "A dog sleeps. -> Un chien dort.\n",
        "INVALID_REQUEST contents[0] contents[0]: at most 10000 characters expected, got 20000\n",
    ],
}
"""What each program prints, in part."""

IN_THE_SHELL = "From the command line"


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with server_process(ROOT / "model_repository", **{"default-model": "transformer-en-fr"}) as process:
        yield process


def test_there_is_an_expectation_of_every_recipe() -> None:
    assert list(RECIPES) == [*EXPECTED, IN_THE_SHELL]


@pytest.mark.parametrize("recipe", EXPECTED)
def test_a_recipe_does_what_it_says(recipe: str, server: ServerProcess) -> None:
    """In a process of its own: a foreign client and the server's stubs define the same messages."""
    [program] = [part.partition("\n```")[0] for part in RECIPES[recipe].split("```python\n")[1:]]
    program = program.replace("localhost:50051", server.address)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    for part in EXPECTED[recipe]:
        assert part in done.stdout


def test_the_command_of_the_shell_sends_a_request_that_is_answered(server: ServerProcess) -> None:
    """By what reflection says, as grpcurl does it, which need not be installed."""
    [command] = [part.partition("\n```")[0] for part in RECIPES[IN_THE_SHELL].split("```sh\n")[1:]]
    shell = shutil.which("sh")
    assert shell
    echo = command.replace("grpcurl -plaintext -d", "printf '%s'").partition(" \\\n")[0]
    written = subprocess.run([shell, "-c", echo], capture_output=True, text=True, check=True).stdout
    service = re.search(r"localhost:50051 (\S+)/(\S+)", command)
    assert service
    answer = call_by_reflection(server.address, json.loads(written), service[1], service[2])
    [text] = [output for output in answer["outputs"] if output["name"] == "text_output"]
    assert text["contents"]["bytesContents"] == ["VW4gY2hpZW4gZG9ydC4="]  # Un chien dort.

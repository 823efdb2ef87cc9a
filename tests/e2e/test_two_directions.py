"""A server of two model repositories, as a user starts it, and the command line that chooses by languages."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import SmallModels
from tests.e2e.processes import DEFAULT_MODEL, ROOT, ServerProcess, run, server_arguments
from tests.opposite_direction import write_opposite
from tests.small_models import SENTENCES

OPPOSITE = "rnn-fr-en"
TEXT = SENTENCES[0]


class Started(NamedTuple):
    server: ServerProcess
    more_models: Path
    """The second repository."""


@pytest.fixture(scope="module")
def started(small_model: SmallModels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Two models from English and one from French; the server is told by its environment."""
    repository, more_models = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("more_models")
    for name in ("rnn", "lstm"):
        bundle = small_model(name).bundle
        (repository / bundle.manifest.name).symlink_to(bundle.folder.parent)
    write_opposite(small_model("rnn").bundle, more_models)
    command = [sys.executable, "-m", "server", "--listen=127.0.0.1:0", "--metrics-listen=", "--grace-seconds=1"]
    variables = {
        "SEQ2SERVE_MODEL_REPOSITORY": f"{repository}{os.pathsep}{more_models}",
        "SEQ2SERVE_DEFAULT_MODEL": DEFAULT_MODEL,
    }
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | variables
    ) as process:
        try:
            yield Started(ServerProcess(process), more_models)
        finally:
            process.kill()


@pytest.fixture
def server(started: Started) -> ServerProcess:
    return started.server


def by(server: ServerProcess, *arguments: str) -> str:
    ended = server.client(*arguments, TEXT)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def compared(server: ServerProcess, *arguments: str) -> list[str]:
    """The models that `--all-models` shows."""
    return [line.split()[0] for line in by(server, "--all-models", *arguments).splitlines()[1:]]


def test_all_models_of_the_default_model_s_languages_are_compared_or_of_those_that_are_named(
    server: ServerProcess,
) -> None:
    assert compared(server) == [DEFAULT_MODEL, "lstm-en-fr"]
    assert compared(server, "--from", "en-GB") == [DEFAULT_MODEL, "lstm-en-fr"]
    assert compared(server, "--to=en") == [OPPOSITE]
    assert compared(server, "--from=fr-CA", "--to=en-GB") == [OPPOSITE]


def test_languages_reach_every_kind_of_call(server: ServerProcess) -> None:
    """What is refused for its languages has carried them: the two models have the same weights."""
    wrong = ["--from=de", "--to=fr"]
    for arguments in ([], ["--stream"], ["--all-models"], ["--num-hypotheses=2", "--beam-size=2"]):
        ended = server.client(*arguments, *wrong, TEXT)
        assert ended.returncode == 1
        assert ended.stderr == (
            "error: INVALID_ARGUMENT: source_language_code: the language pairs served here are en-fr, fr-en, got 'de'\n"
        )
    scored = server.client("--score", "--from=fr", "--to=fr", stdin=f"{TEXT}\t{TEXT}\n")
    assert scored.stderr.endswith("the language pairs served here are en-fr, fr-en, got 'fr' to 'fr'\n")
    assert by(server, "--from=fr") == by(server, "--model", OPPOSITE)


def test_a_model_that_does_not_serve_the_languages_is_named(server: ServerProcess) -> None:
    ended = server.client("--model=lstm-en-fr", "--from=fr", TEXT)
    assert ended.returncode == 1
    assert ended.stderr.endswith("source_language_code: model 'lstm-en-fr' serves en-fr, got 'fr'\n")


def test_models_of_one_name_and_folders_without_a_bundle_stop_the_start_by_one_line(
    started: Started, small_model: SmallModels, tmp_path: Path
) -> None:
    here = small_model("rnn").bundle.folder.parent.parent
    write_opposite(small_model("rnn").bundle, tmp_path)
    arguments = [*server_arguments(here), f"--model-repository={started.more_models}"]
    twice = run("server", *arguments, f"--model-repository={tmp_path}")
    both = f"{started.more_models / OPPOSITE} and {tmp_path / OPPOSITE}"
    assert (twice.returncode, twice.stdout) == (1, "")
    assert twice.stderr == f"error: {both}: two models of one name; only one of them can be served\n"
    (tmp_path / OPPOSITE / "2").mkdir()
    empty = run("server", *server_arguments(here), f"--model-repository={tmp_path}")
    assert (empty.returncode, empty.stdout) == (1, "")
    folder = tmp_path / OPPOSITE / "2"
    assert empty.stderr == f"error: {folder}: the folder is empty; remove it, or put a bundle into it\n"

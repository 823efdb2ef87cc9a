"""Versions of a model, and models that come and go, as clients of other protocols see them."""

from pathlib import Path
from typing import Any

import pytest

from server.serving.protocols.pb import inference_pb2, inference_pb2_grpc
from tests.conftest import SmallModels
from tests.fakes import PATIENCE
from tests.integration.served import serving
from tests.protocols import google_calls as google
from tests.protocols import triton_calls as triton
from tests.protocols.clients import ClientProcess
from tests.small_models import SENTENCES
from tests.versions import remove_version, write_version

NAME = "versioned"
DONE = ("", "")
TO_FRENCH = {"target_language_code": "fr", "mime_type": "text/plain"}


@pytest.fixture
def repository(small_model: SmallModels, tmp_path: Path) -> Path:
    """A model whose versions 1 and 2 are two architectures, each of which has half of the requests that name none."""
    repository = tmp_path / "repository"
    for version, architecture in ("1", "rnn"), ("2", "lstm"):
        write_version(small_model(architecture).bundle, repository, NAME, version)
    say(repository, 'labels = {old = "1", new = "2"}\nsplit = {old = 1, new = 1}')
    return repository


def say(repository: Path, policy: str) -> None:
    (repository / NAME / "model.toml").write_text(policy, encoding="utf-8")


async def test_a_version_or_a_label_is_asked_and_says_which_it_is(foreign: ClientProcess, repository: Path) -> None:
    async with serving(repository, default_model=NAME) as served:
        for model, version, answers in (
            (NAME, "1", "1"),
            (NAME, "2", "2"),
            (NAME, "old", "1"),
            (f"{NAME}@new", "", "2"),
            ("", "1", "1"),
            ("", "new", "2"),
        ):
            [expected] = (await served.translate(SENTENCES[0], model=f"{NAME}@{answers}")).translations
            answer = await foreign.run(triton.infer, served.address, model, SENTENCES[:1], model_version=version)
            assert (answer["model"], answer["version"]) == (NAME, answers)
            assert answer["outputs"]["text_output"] == [expected.translated_text]
        for model, version in ((NAME, "3"), (NAME, "none"), (f"{NAME}@1", "1"), ("", "3")):
            code, message = await foreign.run(triton.infer_refused, served.address, model, ["a"], model_version=version)
            assert code == "StatusCode.NOT_FOUND"
            assert f"no model '{model or NAME}@{version}' is served here" in message


async def test_descriptions_tell_the_versions_apart(foreign: ClientProcess, repository: Path) -> None:
    async with serving(repository, default_model=NAME) as served:
        for version, number in ("1", 2), ("2", 3):
            for _ in range(number):
                await foreign.run(triton.infer, served.address, NAME, SENTENCES[:1], model_version=version)
        told = await foreign.run(triton.versions, served.address, NAME)
        assert told == {
            "metadata": ["1", "2"],
            "ready": ["", "1", "2", "old"],
            "index": ["1", "2"],
            "answered": {"1": 2, "2": 3},
        }
        of_one = await foreign.run(triton.describe, served.address, f"{NAME}@new")
        assert [one["version"] for one in of_one["statistics"]] == ["2"]


async def test_a_model_is_loaded_and_unloaded(foreign: ClientProcess, repository: Path) -> None:
    async with serving(repository, default_model=NAME) as served:
        refused = await foreign.run(triton.load, served.address, "other")
        assert refused == ("StatusCode.NOT_FOUND", "model 'other' is in no repository")
        code, message = await foreign.run(triton.unload, served.address, NAME)
        assert code == "StatusCode.FAILED_PRECONDITION"
        assert "is a default model" in message
        say(repository, 'versions = ["1"]')
        assert await foreign.run(triton.load, served.address, NAME) == DONE
        assert (await foreign.run(triton.versions, served.address, NAME))["index"] == ["1"]
        assert await foreign.run(triton.load, served.address, f"{NAME}@2") == DONE
        assert (await foreign.run(triton.versions, served.address, NAME))["index"] == ["1", "2"]
        assert await foreign.run(triton.unload, served.address, f"{NAME}@1") == DONE
        told = await foreign.run(triton.versions, served.address, NAME)
        assert (told["index"], told["ready"]) == (["2"], ["", "2"])
        refused = await foreign.run(triton.load, served.address, NAME, config="{}")
        assert refused == ("StatusCode.INVALID_ARGUMENT", "parameters: none expected, got 'config'")
        remove_version(repository, NAME, "1")
        code, _ = await foreign.run(triton.load, served.address, f"{NAME}@1")
        assert code == "StatusCode.NOT_FOUND"


async def test_what_lies_in_a_repository_is_listed_whether_it_is_loaded_or_not(repository: Path) -> None:
    say(repository, 'versions = ["2"]')
    async with serving(repository, default_model=NAME) as served:
        for version in "10", "9":
            (repository / "other" / version).mkdir(parents=True)
        (repository / ".hidden" / "1").mkdir(parents=True)
        stub = inference_pb2_grpc.GRPCInferenceServiceStub(served.channel)
        listed = await stub.RepositoryIndex(inference_pb2.RepositoryIndexRequest(), timeout=PATIENCE)
        reason = "it lies in the repository and is not loaded"
        assert [(one.name, one.version, one.state, one.reason) for one in listed.models] == [
            (NAME, "1", "UNAVAILABLE", reason),
            (NAME, "2", "READY", ""),
            ("other", "9", "UNAVAILABLE", reason),
            ("other", "10", "UNAVAILABLE", reason),
        ]
        ready = await stub.RepositoryIndex(inference_pb2.RepositoryIndexRequest(ready=True), timeout=PATIENCE)
        assert [(one.name, one.version) for one in ready.models] == [(NAME, "2")]


async def test_where_anybody_may_call_nobody_loads_or_unloads(foreign: ClientProcess, repository: Path) -> None:
    async with serving(repository, default_model=NAME, listen="0.0.0.0:0", insecure_listen=True) as served:
        for change in (triton.load, triton.unload):
            code, message = await foreign.run(change, served.address, NAME)
            assert code == "StatusCode.UNIMPLEMENTED"
            assert "where the server has keys, or listens on its own machine alone" in message


async def test_texts_with_and_without_a_glossary_are_of_one_version(foreign: ClientProcess, repository: Path) -> None:
    glossaries = repository / NAME / "glossaries"
    glossaries.mkdir()
    (glossaries / "none.tsv").write_text("zebra\tzèbre\n", encoding="utf-8")
    async with serving(repository, default_model=NAME) as served:
        fields: dict[str, Any] = {"contents": SENTENCES[:3], "glossary_config": {"glossary": "none"}} | TO_FRENCH
        drawn = set()
        for _ in range(24):
            answer = await foreign.run(google.translate, served.address, **fields)
            plain, with_terms = ([one[0] for one in answer[kind]] for kind in ("translations", "glossary_translations"))
            assert plain == with_terms
            drawn.add(tuple(plain))
        assert len(drawn) == 2


async def test_a_model_of_a_full_name_may_have_a_version(foreign: ClientProcess, repository: Path) -> None:
    async with serving(repository, default_model=NAME) as served:
        for version in ("1", "2", "old"):
            model = f"{NAME}@{version}"
            [expected] = (await served.translate(SENTENCES[0], model=model)).translations
            fields = {"contents": [SENTENCES[0]], "model": f"{google.PARENT}/models/{model}"} | TO_FRENCH
            [told] = (await foreign.run(google.translate, served.address, **fields))["translations"]
            assert told[0] == expected.translated_text

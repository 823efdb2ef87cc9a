"""Versions of models that come and go while clients call."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from seq2serve.pb import model_admin_pb2 as admin_pb
from seq2serve.pb import model_admin_pb2_grpc as admin_grpc
from tests.conftest import SmallModels
from tests.fakes import PATIENCE
from tests.integration.served import Served, refusal, serving
from tests.small_models import SENTENCES
from tests.versions import write_version

NAME = "versioned"


@pytest.fixture
def repository(small_model: SmallModels, tmp_path: Path) -> Path:
    """A model whose versions 1 and 2 are two architectures, so that a translation says which of them wrote it. Version
    1 is served, until a test asks for more."""
    repository = tmp_path / "repository"
    for version, architecture in ("1", "rnn"), ("2", "lstm"):
        write_version(small_model(architecture).bundle, repository, NAME, version)
    (repository / NAME / "model.toml").write_text('versions = ["1"]')
    return repository


def admin(served: Served) -> Any:
    return admin_grpc.ModelAdminServiceStub(served.channel)


async def load(served: Served, version: str = "", name: str = NAME) -> list[str]:
    request = admin_pb.LoadModelRequest(model=name, version=version)
    return list((await admin(served).LoadModel(request, timeout=PATIENCE)).versions)


async def unload(served: Served, version: str = "", name: str = NAME) -> None:
    await admin(served).UnloadModel(admin_pb.UnloadModelRequest(model=name, version=version), timeout=PATIENCE)


async def version_of(served: Served, model: str = NAME) -> str:
    return (await served.translate(SENTENCES[0], model=model)).model_version


async def test_a_version_is_loaded_and_unloaded_by_a_call(repository: Path) -> None:
    async with serving(repository, default_model=NAME) as served:
        assert await version_of(served) == "1"
        assert (await refusal(served.translate("a", model=f"{NAME}@2")))[0] == grpc.StatusCode.NOT_FOUND
        assert await load(served, "2") == ["1", "2"]
        assert [await version_of(served, model) for model in (NAME, f"{NAME}@1", f"{NAME}@2")] == ["2", "1", "2"]
        await unload(served, "1")
        assert await version_of(served) == "2"
        assert (await refusal(served.translate("a", model=f"{NAME}@1")))[0] == grpc.StatusCode.NOT_FOUND


async def test_a_running_call_ends_with_the_version_that_it_began_with(repository: Path) -> None:
    async with serving(repository, default_model=NAME, gated=True) as served:
        plain = asyncio.ensure_future(served.translate(*SENTENCES[:3]))
        stream = asyncio.ensure_future(served.stream(*SENTENCES[:3]))
        await served.held()
        served.gate.open()
        expected = [translation.translated_text for translation in (await plain).translations]
        await stream

"""One server with both directions, and one gateway before it, for all tests that change neither."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import ROOT, ServerProcess, server_process
from tests.gateway.running import gateway_process

MODELS = ("transformer-en-fr", "transformer-fr-en")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    repository: Path = tmp_path_factory.mktemp("gateway") / "models"
    repository.mkdir()
    for name in MODELS:
        (repository / name).symlink_to(ROOT / "model_repository" / name)
    with server_process(repository, **{"default-model": ",".join(MODELS)}) as process:
        yield process


@pytest.fixture(scope="session")
def url(server: ServerProcess) -> Iterator[str]:
    with gateway_process(server.address) as gateway:
        yield gateway.url

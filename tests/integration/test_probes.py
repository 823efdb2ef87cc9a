"""Health checks at an address of their own."""

import asyncio
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.serving.rpc.probes import MAX_CONNECTIONS
from tests.e2e.processes import run
from tests.fakes import PATIENCE
from tests.integration.served import eventually, refusal, request, serving
from tests.integration.shipped import one_model
from tests.integration.test_tls import Files


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0", "unix:{}/health"])
async def test_a_probe_without_tls_or_key_learns_the_health_and_gets_nothing_else(
    tmp_path: Path, listen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Files(tmp_path)
    files.want_clients_of(files.authority)
    (tmp_path / "keys.toml").write_text("")
    settings: dict[str, Any] = files.settings | {"keys": str(tmp_path / "keys.toml")}
    async with serving(one_model(tmp_path), health_listen=listen.format(tmp_path), **settings) as served:
        assert served.app.probes
        address = served.app.probes.address
        async with grpc.aio.insecure_channel(address.target) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            translation = pb_grpc.TranslationServiceStub(channel)
            code, _, _ = await refusal(translation.Translate(request("a"), timeout=PATIENCE))
            assert code is grpc.StatusCode.UNIMPLEMENTED
            code, _, _ = await refusal(stub.Check(health_pb2.HealthCheckRequest(service="a" * 20_000)))
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def is_accepted(reader: asyncio.StreamReader) -> bool:
    """Whether HTTP/2's settings come, and not an end."""
    try:
        return bool(await asyncio.wait_for(reader.read(1), PATIENCE))
    except ConnectionError:
        return False


async def test_connections_of_probes_are_few_and_take_none_from_others(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path), health_listen="127.0.0.1:0") as served:
        assert served.app.probes
        address = served.app.probes.address
        opened = [await asyncio.open_connection(address.host, address.port) for _ in range(MAX_CONNECTIONS + 10)]
        accepted = [await is_accepted(reader) for reader, _ in opened]
        assert accepted.count(True) == MAX_CONNECTIONS
        assert (await served.translate("a")).translations
        for _, writer in opened:
            writer.close()

        async def is_free() -> bool:
            async with grpc.aio.insecure_channel(address.target) as channel:
                stub: Any = health_pb2_grpc.HealthStub(cast(Any, channel))
                code = await stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE).code()
                return code is grpc.StatusCode.OK

        await eventually(is_free)


async def test_the_health_check_of_the_image_asks_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQ2SERVE_LISTEN", "127.0.0.1:1")
    async with serving(one_model(tmp_path), health_listen="127.0.0.1:0", **Files(tmp_path).settings) as served:
        assert served.app.probes
        monkeypatch.setenv("SEQ2SERVE_HEALTH_LISTEN", str(served.app.probes.address))
        healthy = await asyncio.to_thread(run, "deploy.healthcheck")
        assert (healthy.returncode, healthy.stderr) == (0, "")

"""What the server asks for before it listens for other machines, and what it tells them."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from seq2serve.pb import model_admin_pb2, model_admin_pb2_grpc
from server.config import ServerConfig
from server.serving.app import App
from tests.fakes import PATIENCE
from tests.integration.keyed import bearer, key, write_keys
from tests.integration.served import refusal, serving
from tests.integration.shipped import one_model
from tests.integration.test_reflection import call_by_reflection
from tests.small_models import SENTENCES

EXPOSED = ["0.0.0.0:0", ":0", "[::]:0", "10.0.0.1:50051", "example.org:50051"]


@pytest.mark.parametrize("listen", EXPOSED)
@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({}, "tls_certificate and tls_key, and keys or tls_client_authorities expected"),
        ({"keys": "k"}, ": tls_certificate and tls_key expected"),
        ({"tls_certificate": "c", "tls_key": "k"}, ": keys or tls_client_authorities expected"),
        ({"keys": "k", "tls_certificate": "c", "tls_key": "k"}, None),
        ({"tls_client_authorities": "a", "tls_certificate": "c", "tls_key": "k"}, None),
        ({"insecure_listen": True}, None),
        ({"insecure_listen": True, "keys": "k"}, None),
    ],
)
async def test_other_machines_are_listened_for_with_tls_and_keys_or_by_a_flag(
    listen: str, settings: dict[str, Any], missing: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    config = ServerConfig(listen=listen, **settings)
    if missing is None:
        App(config)
        warning = f"listen: {listen} can be reached from other machines, without tls_certificate and tls_key"
        assert (warning in caplog.text) == config.insecure_listen
        return
    with pytest.raises(ValueError, match="can be reached from other machines: ") as raised:
        App(config)
    assert missing in str(raised.value)
    assert str(raised.value).startswith("listen: ")
    assert "or insecure_listen where" in str(raised.value)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0", "localhost:0", "unix:/tmp/x", "127.9.9.9:1"])
async def test_this_machine_is_listened_for_without_anything(listen: str) -> None:
    App(ServerConfig(listen=listen))


async def test_beyond_this_machine_reflection_is_by_flag(tmp_path: Path) -> None:
    model_repository = one_model(tmp_path)
    sentence = {"contents": [SENTENCES[0]]}
    async with serving(model_repository, listen="0.0.0.0:0", insecure_listen=True) as served:
        with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
            await asyncio.to_thread(call_by_reflection, served.address, sentence)
        assert await served.translate(SENTENCES[0])
    async with serving(model_repository, listen="0.0.0.0:0", insecure_listen=True, reflection=True) as served:
        assert await asyncio.to_thread(call_by_reflection, served.address, sentence)


async def test_beyond_this_machine_models_are_changed_by_calls_where_there_are_keys(tmp_path: Path) -> None:
    model_repository = one_model(tmp_path)
    keys = write_keys(tmp_path, key("admin"), key("translator"))
    for setting, code in (("", grpc.StatusCode.UNIMPLEMENTED), (keys, grpc.StatusCode.NOT_FOUND)):
        async with serving(model_repository, listen="0.0.0.0:0", insecure_listen=True, keys=setting) as served:
            admin: Any = model_admin_pb2_grpc.ModelAdminServiceStub(served.channel)
            model = model_admin_pb2.LoadModelRequest(model="none")
            call = admin.LoadModel(model, metadata=bearer("admin"), timeout=PATIENCE)
            assert (await refusal(call))[0] is code
            if setting:
                call = admin.LoadModel(model, metadata=bearer("translator"), timeout=PATIENCE)
                assert (await refusal(call))[0] is grpc.StatusCode.PERMISSION_DENIED

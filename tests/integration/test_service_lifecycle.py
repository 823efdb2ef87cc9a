"""Starting, being watched, and draining."""

import asyncio
import shutil
import socket
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from models.tokenizer import train_tokenizer
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.bundle.manifest import TOKENIZER, BundleError, read_bundle, write_manifest
from server.config import ServerConfig
from server.serving.app import PROTOCOLS, SERVICE, App
from server.serving.rpc.model_admin import MODEL_ADMIN
from server.serving.rpc.operations import OPERATIONS
from tests.conftest import Repositories
from tests.fakes import PATIENCE
from tests.integration.served import DEFAULT_MODEL, Served, eventually, refusal, request, serving
from tests.raw_http2 import UnreadingClient
from tests.small_models import SENTENCES

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def health_stub(served: Served) -> Any:
    return health_pb2_grpc.HealthStub(cast(Any, served.channel))  # typed for the synchronous API alone


async def is_refused(served: Served) -> bool:
    """On a connection of its own, as a client would come now."""
    async with grpc.aio.insecure_channel(served.address) as channel:
        try:
            await pb_grpc.TranslationServiceStub(channel).ListModels(pb.ListModelsRequest(), timeout=PATIENCE)
        except grpc.aio.AioRpcError as error:
            return error.code() == grpc.StatusCode.UNAVAILABLE
    return False


@pytest.mark.parametrize("service", ["", *PROTOCOLS])
async def test_a_started_server_is_serving_as_a_whole_and_by_its_services(rnn_repository: Path, service: str) -> None:
    async with serving(rnn_repository) as served:
        answer = await health_stub(served).Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == SERVING


async def test_the_health_of_an_unknown_service_is_not_found(rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        call = health_stub(served).Check(health_pb2.HealthCheckRequest(service="other.Service"))
        assert (await refusal(call))[0] == grpc.StatusCode.NOT_FOUND
        await served.wait_for_metric(1, "grpc_server_handled_total", grpc_method="Check", grpc_code="NotFound")


async def test_draining_tells_health_finishes_what_runs_and_refuses_what_comes(rnn_repository: Path) -> None:
    async with serving(rnn_repository, gated=True) as served:
        watch = health_stub(served).Watch(health_pb2.HealthCheckRequest())
        states = aiter(watch)
        assert (await anext(states)).status == SERVING
        plain = asyncio.ensure_future(served.translate(SENTENCES[0]))
        stream = asyncio.ensure_future(served.stream(SENTENCES[1]))
        await served.held()
        await served.wait_for_metric(1, "grpc_server_started_total", grpc_method="StreamTranslate")
        stopping = asyncio.ensure_future(served.stop())
        assert (await anext(states)).status == NOT_SERVING
        watch.cancel()
        await eventually(lambda: is_refused(served))
        assert not plain.done()
        assert not stopping.done()
        served.gate.open()
        assert (await plain).translations[0].translated_text
        assert (await stream)[-1].translation.translated_text
        assert await stopping, "all was well"
        assert (await refusal(served.translate(SENTENCES[0])))[0] == grpc.StatusCode.UNAVAILABLE


async def test_an_idle_connection_does_not_hold_up_a_stop(rnn_repository: Path) -> None:
    async with serving(rnn_repository, grace_seconds=1000) as served:
        await served.translate(SENTENCES[0])
        assert await asyncio.wait_for(served.stop(), PATIENCE)


async def test_an_open_health_watch_does_not_hold_up_a_stop(rnn_repository: Path) -> None:
    async with serving(rnn_repository, grace_seconds=1000) as served:
        watch = health_stub(served).Watch(health_pb2.HealthCheckRequest())
        states = aiter(watch)
        assert (await anext(states)).status == SERVING
        stopping = asyncio.ensure_future(served.stop())
        assert (await anext(states)).status == NOT_SERVING
        assert await asyncio.wait_for(stopping, PATIENCE)


async def test_a_health_watch_that_takes_no_message_does_not_hold_up_a_stop(rnn_repository: Path) -> None:
    async with serving(rnn_repository, grace_seconds=1000) as served, UnreadingClient(served.address) as unreading:
        for service in ("", SERVICE):
            await unreading.call("/grpc.health.v1.Health/Watch", health_pb2.HealthCheckRequest(service=service))
        assert await asyncio.wait_for(served.stop(), PATIENCE)


async def test_what_outlasts_the_grace_is_cut(rnn_repository: Path) -> None:
    async with serving(rnn_repository, gated=True, grace_seconds=1) as served:
        call = asyncio.ensure_future(served.translate(SENTENCES[0]))
        await served.held()
        stopping = asyncio.ensure_future(served.stop())
        code, _, _ = await refusal(call)
        assert code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        served.gate.open()
        assert await asyncio.wait_for(stopping, PATIENCE)


async def test_reflection_lists_the_services(rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast(Any, served.channel))
        asked = cast(Any, reflection_pb2).ServerReflectionRequest(list_services="")
        [answer] = [message async for message in stub.ServerReflectionInfo(iter([asked]))]
        names = {service.name for service in answer.list_services_response.service}
        others = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
        assert names == {*PROTOCOLS, MODEL_ADMIN, OPERATIONS, *others}


async def test_metrics_count_calls_rows_and_tokens_by_closed_sets_of_labels(repository_of: Repositories) -> None:
    async with serving(repository_of("rnn", "lstm")) as served:
        [first, second] = (await served.translate(*SENTENCES[:2])).translations
        await served.stream(SENTENCES[2], model="lstm-en-fr", max_output_tokens=5)
        await refusal(served.translate("x" * 10_001))
        rpc = {"grpc_service": SERVICE, "grpc_method": "Translate", "grpc_type": "unary"}
        await served.wait_for_metric(2, "grpc_server_handling_seconds_count", **rpc)
        assert await served.metric("grpc_server_started_total", **rpc) == 2
        assert await served.metric("seq2serve_request_seconds_count", model=DEFAULT_MODEL, outcome="ok") == 1
        assert await served.metric("grpc_server_handled_total", **rpc, grpc_code="OK") == 1
        assert await served.metric("grpc_server_handled_total", **rpc, grpc_code="InvalidArgument") == 1
        stream = {"grpc_method": "StreamTranslate", "grpc_type": "server_stream", "grpc_code": "OK"}
        await served.wait_for_metric(1, "grpc_server_handled_total", **stream)
        written = first.output_token_count + second.output_token_count + 2  # both ended with EOS
        expected = {
            "rows_joined_total": 2,
            "rows_left_total": 2,
            "active_rows": 0,
            "waiting": 0,
            "batch_rows_sum": written,
        }
        for name, value in expected.items():
            assert await served.metric(f"seq2serve_{name}", model=DEFAULT_MODEL) == value
        assert await served.metric("seq2serve_queue_seconds_count", model=DEFAULT_MODEL) == 2
        assert await served.metric("seq2serve_time_to_first_token_seconds_count", model=DEFAULT_MODEL) == 2
        tokens = {"model": DEFAULT_MODEL, "direction": "source"}
        read = first.source_token_count + second.source_token_count
        assert await served.metric("seq2serve_tokens_total", **tokens) == read
        assert await served.metric("seq2serve_tokens_total", model="lstm-en-fr", direction="output") == 5


@pytest.mark.parametrize("setting", ["listen", "metrics_listen"])
async def test_an_address_in_use_is_refused_by_setting_and_address(rnn_repository: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = ServerConfig(
            model_repository=(rnn_repository,),
            default_model=DEFAULT_MODEL,
            listen=address if setting == "listen" else "127.0.0.1:0",
            metrics_listen=address if setting == "metrics_listen" else "",
        )
        with pytest.raises(OSError, match=f"^{setting}: cannot listen on {address}"):
            await App(config).start()


async def test_a_default_model_that_is_not_there_is_refused(rnn_repository: Path) -> None:
    config = ServerConfig(
        model_repository=(rnn_repository,), listen="127.0.0.1:0", metrics_listen="", default_model="x"
    )
    with pytest.raises(BundleError, match="default_model: no model 'x' is served"):
        await App(config).start()


async def test_without_metrics_the_server_serves_all_the_same(rnn_repository: Path) -> None:
    config = ServerConfig(
        model_repository=(rnn_repository,), listen="127.0.0.1:0", metrics_listen="", default_model=DEFAULT_MODEL
    )
    app = App(config)
    await app.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        answer = await pb_grpc.TranslationServiceStub(channel).Translate(request(SENTENCES[0]))
    assert answer.translations[0].translated_text
    assert await app.stop()


@pytest.mark.parametrize(
    ("damage", "problem"), [("nonsense", ""), ("another", "70 pieces, the manifest's source_vocabulary")]
)
async def test_a_tokenizer_that_is_not_the_model_s_is_refused(
    rnn_repository: Path, tmp_path: Path, damage: str, problem: str
) -> None:
    folder = tmp_path / DEFAULT_MODEL / "1"
    shutil.copytree(rnn_repository / DEFAULT_MODEL / "1", folder)
    if damage == "another":
        train_tokenizer(SENTENCES, folder / TOKENIZER, 70)
    else:
        (folder / TOKENIZER).write_bytes(b"nonsense")
    write_manifest(folder, read_bundle(rnn_repository / DEFAULT_MODEL / "1").manifest)
    config = ServerConfig(
        model_repository=(tmp_path,), listen="127.0.0.1:0", metrics_listen="", default_model=DEFAULT_MODEL
    )
    with pytest.raises(BundleError, match=rf"tokenizer\.model: {problem}"):
        await App(config).start()

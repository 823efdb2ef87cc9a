"""What surrounds every call, around a service that can be made to do anything."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RequestInfo

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.errors import (
    DeadlineExceeded,
    EngineFailed,
    InvalidRequest,
    NotServing,
    QueueFull,
    SentenceFailed,
    UnknownModel,
)
from server.serving.app import SERVICE
from server.serving.metrics import Metrics
from server.serving.rpc.calls import RpcInterceptor
from tests.fakes import PATIENCE
from tests.integration.served import eventually, refusal

SECRET = "password of the database"


class Failing(pb_grpc.TranslationServiceServicer):
    """Raises `error` in every method, or aborts by itself where there is none."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    async def Translate(self, request: Any, context: Any) -> pb.TranslateResponse:
        await self.fail(context)
        return pb.TranslateResponse()

    async def StreamTranslate(self, request: Any, context: Any) -> AsyncIterator[pb.StreamTranslateResponse]:
        yield pb.StreamTranslateResponse(text_delta="before it fails")
        await self.fail(context)

    async def fail(self, context: Any) -> None:
        if self.error:
            raise self.error
        await context.abort(grpc.StatusCode.DATA_LOSS, "by itself")


class Surrounded:
    def __init__(self, service: Failing, metrics: Metrics, address: str, channel: grpc.aio.Channel) -> None:
        self.service = service
        self.address = address
        self.metrics = metrics
        self._stub = pb_grpc.TranslationServiceStub(channel)

    def call(self, method: str, request_id: str = "") -> Awaitable[Any]:
        metadata = (("x-request-id", request_id),) if request_id else ()
        if method == "Translate":
            unary: Awaitable[Any] = self._stub.Translate(pb.TranslateRequest(), metadata=metadata, timeout=PATIENCE)
            return unary
        return self._read(metadata)

    async def _read(self, metadata: Any) -> list[Any]:
        stream = self._stub.StreamTranslate(pb.TranslateRequest(), metadata=metadata, timeout=PATIENCE)
        return [message async for message in stream]

    async def was_handled(self, method: str, code: str) -> bool:
        """The call is counted a moment after its answer is sent."""
        kind = "unary" if method == "Translate" else "server_stream"
        labels = {"grpc_type": kind, "grpc_service": "translation.v1.TranslationService", "grpc_method": method}

        async def is_counted() -> bool:
            value = self.metrics.registry.get_sample_value("grpc_server_handling_seconds_count", labels)
            return value == 1

        await eventually(is_counted)
        return self.metrics.registry.get_sample_value("grpc_server_handled_total", labels | {"grpc_code": code}) == 1


@pytest.fixture
async def surrounded() -> AsyncIterator[Surrounded]:
    service, metrics = Failing(), Metrics()
    server = grpc.aio.server(interceptors=[RpcInterceptor(metrics, SERVICE)])
    pb_grpc.add_TranslationServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    address = f"127.0.0.1:{port}"
    async with grpc.aio.insecure_channel(address) as channel:
        yield Surrounded(service, metrics, address, channel)
    await server.stop(None)


methods = pytest.mark.parametrize("method", ["Translate", "StreamTranslate"])


@methods
async def test_an_unexpected_error_hides_its_inside_and_is_found_in_the_log_by_request_id(
    surrounded: Surrounded, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    surrounded.service.error = RuntimeError(SECRET)
    code, message, details = await refusal(surrounded.call(method, "abc-123"))
    assert (code, message) == (grpc.StatusCode.INTERNAL, "internal error; request id abc-123")
    assert details == {"RequestInfo": RequestInfo(request_id="abc-123")}
    assert await surrounded.was_handled(method, "Internal")
    assert "request abc-123 failed" in caplog.text
    assert SECRET in caplog.text


async def test_a_request_without_an_id_is_given_one(surrounded: Surrounded) -> None:
    surrounded.service.error = RuntimeError(SECRET)
    _, message, details = await refusal(surrounded.call("Translate"))
    request_info = details["RequestInfo"]
    assert isinstance(request_info, RequestInfo)
    assert len(request_info.request_id) == 36
    assert message == f"internal error; request id {request_info.request_id}"


@methods
@pytest.mark.parametrize(
    ("error", "code", "label", "details"),
    [
        (InvalidRequest("contents", "wrong"), grpc.StatusCode.INVALID_ARGUMENT, "InvalidArgument", {"BadRequest"}),
        (UnknownModel("x", ["y"]), grpc.StatusCode.NOT_FOUND, "NotFound", {"ErrorInfo"}),
        (QueueFull(1, 2, 3), grpc.StatusCode.RESOURCE_EXHAUSTED, "ResourceExhausted", {"RetryInfo"}),
        (NotServing(), grpc.StatusCode.UNAVAILABLE, "Unavailable", {"RetryInfo"}),
        (DeadlineExceeded("here"), grpc.StatusCode.DEADLINE_EXCEEDED, "DeadlineExceeded", set()),
        (SentenceFailed(), grpc.StatusCode.INTERNAL, "Internal", set()),
        (EngineFailed(), grpc.StatusCode.INTERNAL, "Internal", set()),
    ],
)
async def test_every_error_of_the_domain_has_its_status_message_and_details(
    surrounded: Surrounded, method: str, error: Exception, code: grpc.StatusCode, label: str, details: set[str]
) -> None:
    surrounded.service.error = error
    actual_code, message, actual_details = await refusal(surrounded.call(method))
    assert (actual_code, message) == (code, str(error))
    assert actual_details.keys() == {"RequestInfo", *details}
    assert await surrounded.was_handled(method, label)


async def test_a_refused_call_may_be_repeated_by_grpc_itself(surrounded: Surrounded) -> None:
    """Which it does not once the server has sent anything."""
    policy = {"maxAttempts": 4, "initialBackoff": "0.01s", "maxBackoff": "0.01s", "backoffMultiplier": 1}
    method = {"name": [{}], "retryPolicy": {**policy, "retryableStatusCodes": ["UNAVAILABLE"]}}
    options = [("grpc.service_config", json.dumps({"methodConfig": [method]}))]
    surrounded.service.error = NotServing()
    async with grpc.aio.insecure_channel(surrounded.address, options=options) as channel:
        stub = pb_grpc.TranslationServiceStub(channel)
        await refusal(stub.Translate(pb.TranslateRequest(), timeout=PATIENCE))
    labels = {"grpc_type": "unary", "grpc_service": SERVICE, "grpc_method": "Translate"}
    assert surrounded.metrics.registry.get_sample_value("grpc_server_started_total", labels) == 4


async def test_a_call_that_begins_when_all_seemed_idle_is_waited_for() -> None:
    interceptor, labels = RpcInterceptor(Metrics(), SERVICE), ("unary", SERVICE, "Translate")
    waiting = asyncio.ensure_future(interceptor.wait_until_idle(0))
    await asyncio.sleep(0)  # it has seen that nothing is running, and looks once more
    interceptor._count_running(labels, +1)
    for _ in range(9):
        await asyncio.sleep(0)
    assert not waiting.done()
    interceptor._count_running(labels, -1)
    await asyncio.wait_for(waiting, PATIENCE)


async def test_calls_of_other_services_do_not_keep_it_waiting() -> None:
    interceptor = RpcInterceptor(Metrics(), SERVICE)
    interceptor._count_running(("unary", "grpc.health.v1.Health", "Watch"), +1)
    await asyncio.wait_for(interceptor.wait_until_idle(0), PATIENCE)


async def test_an_overlong_request_id_is_replaced(surrounded: Surrounded) -> None:
    surrounded.service.error = NotServing()
    _, _, details = await refusal(surrounded.call("Translate", "x" * 2000))
    request_info = details["RequestInfo"]
    assert isinstance(request_info, RequestInfo)
    assert len(request_info.request_id) == 36


@methods
async def test_a_status_that_a_method_aborts_with_by_itself_is_passed_on(surrounded: Surrounded, method: str) -> None:
    code, message, _ = await refusal(surrounded.call(method))
    assert (code, message) == (grpc.StatusCode.DATA_LOSS, "by itself")
    assert await surrounded.was_handled(method, "DataLoss")

"""What surrounds every call, around a service that can be made to do anything."""

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncIterator, Awaitable
from typing import Any, cast

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
from server.serving.requests.admission import Admission
from server.serving.rpc.call import current_call
from server.serving.rpc.calls import Calls
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
    def __init__(
        self, service: Failing, metrics: Metrics, calls: Calls, address: str, channel: grpc.aio.Channel
    ) -> None:
        self.service = service
        self.calls = calls
        self.channel = channel
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


def around(service: pb_grpc.TranslationServiceServicer, metrics: Metrics, max_seconds: float = PATIENCE) -> Calls:
    calls = Calls(metrics, Admission(max_calls=10, max_bytes=1000), SERVICE, max_seconds)
    pb_grpc.add_TranslationServiceServicer_to_server(service, cast(grpc.aio.Server, calls))
    return calls


@pytest.fixture
async def surrounded() -> AsyncIterator[Surrounded]:
    service, metrics = Failing(), Metrics()
    calls = around(service, metrics)
    server = grpc.aio.server(handlers=[calls])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    address = f"127.0.0.1:{port}"
    async with grpc.aio.insecure_channel(address) as channel:
        yield Surrounded(service, metrics, calls, address, channel)
    await server.stop(None)


methods = pytest.mark.parametrize("method", ["Translate", "StreamTranslate"])


@methods
async def test_an_unexpected_error_hides_its_inside_and_is_found_in_the_log_by_request_id(
    surrounded: Surrounded, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    surrounded.service.error = RuntimeError(SECRET)
    code, message, details = await refusal(surrounded.call(method, "abc-123"))
    assert (code, message) == (grpc.StatusCode.INTERNAL, "internal error; request id abc-123")
    assert details == {"RequestInfo": RequestInfo(request_id="abc-123")}  # no reason: it is nobody's business
    assert await surrounded.was_handled(method, "Internal")
    assert "request abc-123 failed" in caplog.text
    assert SECRET in caplog.text


async def test_a_request_without_an_id_is_given_one(surrounded: Surrounded) -> None:
    surrounded.service.error = RuntimeError(SECRET)
    _, message, details = await refusal(surrounded.call("Translate"))
    request_info = details["RequestInfo"]
    assert isinstance(request_info, RequestInfo)
    assert len(request_info.request_id) == 32
    assert message == f"internal error; request id {request_info.request_id}"


@methods
@pytest.mark.parametrize(
    ("error", "code", "label", "details"),
    [
        (
            InvalidRequest("contents", "wrong"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "InvalidArgument",
            {"ErrorInfo", "BadRequest"},
        ),
        (UnknownModel("x", ["y"]), grpc.StatusCode.NOT_FOUND, "NotFound", {"ErrorInfo"}),
        (QueueFull(1, 2, 3), grpc.StatusCode.RESOURCE_EXHAUSTED, "ResourceExhausted", {"ErrorInfo", "RetryInfo"}),
        (NotServing(), grpc.StatusCode.UNAVAILABLE, "Unavailable", {"ErrorInfo", "RetryInfo"}),
        (DeadlineExceeded("here"), grpc.StatusCode.DEADLINE_EXCEEDED, "DeadlineExceeded", {"ErrorInfo"}),
        (SentenceFailed(), grpc.StatusCode.INTERNAL, "Internal", {"ErrorInfo"}),
        (EngineFailed(), grpc.StatusCode.INTERNAL, "Internal", {"ErrorInfo"}),
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


async def test_a_call_that_begins_when_all_seemed_idle_is_waited_for(surrounded: Surrounded) -> None:
    calls = surrounded.calls
    waiting = asyncio.ensure_future(calls.wait_until_idle(0))
    await asyncio.sleep(0)  # it has seen that nothing is running, and looks once more
    calls.count_running(+1)
    for _ in range(9):
        await asyncio.sleep(0)
    assert not waiting.done()
    calls.count_running(-1)
    await asyncio.wait_for(waiting, PATIENCE)


async def test_an_overlong_request_id_is_replaced(surrounded: Surrounded) -> None:
    surrounded.service.error = NotServing()
    _, _, details = await refusal(surrounded.call("Translate", "x" * 2000))
    request_info = details["RequestInfo"]
    assert isinstance(request_info, RequestInfo)
    assert len(request_info.request_id) == 32


@methods
async def test_a_status_that_a_method_aborts_with_by_itself_is_passed_on(surrounded: Surrounded, method: str) -> None:
    code, message, _ = await refusal(surrounded.call(method))
    assert (code, message) == (grpc.StatusCode.DATA_LOSS, "by itself")
    assert await surrounded.was_handled(method, "DataLoss")


def sample(surrounded: Surrounded, code: str, method: str = "Translate", service: str = SERVICE) -> float:
    labels = {"grpc_type": "unary", "grpc_service": service, "grpc_method": method, "grpc_code": code}
    return surrounded.metrics.registry.get_sample_value("grpc_server_handled_total", labels) or 0.0


@pytest.mark.parametrize("message", [b"\xff\xff\xff", b"\x0a\x02\xc3\x28"], ids=["malformed", "not UTF-8"])
async def test_a_message_that_cannot_be_parsed_is_an_invalid_request_of_one_log_line(
    surrounded: Surrounded, message: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "server")
    call: Any = surrounded.channel.unary_unary(f"/{SERVICE}/Translate")
    code, text, details = await refusal(call(message, timeout=PATIENCE, metadata=(("x-request-id", "bad-1"),)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "request: a message of the contract expected" in text
    assert details["RequestInfo"] == RequestInfo(request_id="bad-1")
    assert sample(surrounded, "InvalidArgument") == 1
    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("server")]
    assert "bad-1" in line
    assert "Traceback" not in caplog.text


async def test_a_call_without_a_message_is_an_invalid_request(surrounded: Surrounded) -> None:
    call: Any = surrounded.channel.stream_unary(f"/{SERVICE}/Translate")
    code, _, _ = await refusal(call(iter(()), timeout=PATIENCE))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_method_is_refused_and_counted_under_no_name_of_the_client_s(surrounded: Surrounded) -> None:
    for method in (f"/{SERVICE}/Nope", "/no.Service/Nope"):
        code, _, _ = await refusal(cast(Any, surrounded.channel.unary_unary(method))(b"", timeout=PATIENCE))
        assert code is grpc.StatusCode.UNIMPLEMENTED
    assert sample(surrounded, "Unimplemented", "unknown", "unknown") == 2


async def test_a_method_that_the_service_does_not_have_is_unimplemented(surrounded: Surrounded) -> None:
    code, _, _ = await refusal(cast(Any, surrounded.channel.unary_unary(f"/{SERVICE}/Score"))(b"", timeout=PATIENCE))
    assert code is grpc.StatusCode.UNIMPLEMENTED


async def test_while_draining_a_call_is_unavailable_once_connections_are_told(surrounded: Surrounded) -> None:
    surrounded.calls.is_draining = True
    call = asyncio.ensure_future(surrounded.call("Translate"))
    await surrounded.calls.wait_until_none_begins(PATIENCE)
    assert not call.done()
    surrounded.calls.connections_are_told.set()
    code, _, details = await refusal(call)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "RetryInfo" in details


class Waiting(pb_grpc.TranslationServiceServicer):
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.num_begun = 0
        self.callers: set[str] = set()

    async def Translate(self, request: Any, context: Any) -> pb.TranslateResponse:
        self.num_begun += 1
        self.callers.add(current_call.get().caller)
        await self.may_answer.wait()
        return pb.TranslateResponse()


async def test_calls_beyond_the_limit_are_refused_and_the_rest_is_answered() -> None:
    service, metrics = Waiting(), Metrics()
    server = grpc.aio.server(handlers=[around(service, metrics)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as one,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as other,
    ):
        stub = pb_grpc.TranslationServiceStub(one)
        calls = [stub.Translate(pb.TranslateRequest(), timeout=PATIENCE) for _ in range(30)]
        ended = asyncio.as_completed([call.code() for call in calls])
        for code in itertools.islice(ended, 22):
            assert await code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert service.num_begun == 8  # four for each that is free
        another = pb_grpc.TranslationServiceStub(other).Translate(pb.TranslateRequest(), timeout=PATIENCE)

        async def has_begun() -> bool:
            return service.num_begun == 9

        await eventually(has_begun)
        service.may_answer.set()
        await another
        assert sorted({(await call.code()).name for call in calls}) == ["OK", "RESOURCE_EXHAUSTED"]
        assert len(service.callers) == 2  # each connection is one
    await server.stop(None)


async def test_a_call_without_a_deadline_gets_the_server_s() -> None:
    server = grpc.aio.server(handlers=[around(Waiting(), Metrics(), max_seconds=0.05)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = pb_grpc.TranslationServiceStub(channel).Translate(pb.TranslateRequest())
        code, _, _ = await refusal(call)
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    await server.stop(None)


async def test_a_call_that_is_over_already_logs_nothing(
    surrounded: Surrounded, caplog: pytest.LogCaptureFixture
) -> None:
    gate = asyncio.Event()
    begun = asyncio.Event()

    class Late(pb_grpc.TranslationServiceServicer):
        async def Translate(self, request: Any, context: Any) -> pb.TranslateResponse:
            begun.set()
            try:
                await gate.wait()
            except asyncio.CancelledError:
                raise InvalidRequest("contents", "found when nobody waits any more") from None
            return pb.TranslateResponse()

    pb_grpc.add_TranslationServiceServicer_to_server(Late(), cast(grpc.aio.Server, surrounded.calls))
    call: Any = surrounded.call("Translate")
    await asyncio.wait_for(begun.wait(), PATIENCE)
    call.cancel()

    async def is_counted() -> bool:
        return sample(surrounded, "InvalidArgument") == 1

    await eventually(is_counted)
    assert caplog.text == ""

"""How a call ends, whatever its service does: status, details, request id, metrics and log."""

import asyncio
import gc
import json
import logging
import time
import weakref
from collections.abc import AsyncIterator
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
from server.serving.rpc.call import current_call
from tests.fakes import PATIENCE
from tests.integration.served import eventually, refusal
from tests.serving.surrounded import SECRET, Surrounded, sample, surrounding


@pytest.fixture
async def surrounded() -> AsyncIterator[Surrounded]:
    async with surrounding() as made:
        yield made


async def was_counted(
    surrounded: Surrounded, code: str, method: str = "Translate", service: str = SERVICE, number: int = 1
) -> None:
    """A call is counted a moment after its answer is sent."""

    async def is_counted() -> bool:
        return sample(surrounded, code, method, service) == number

    await eventually(is_counted)


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


@pytest.mark.parametrize(("length", "is_taken"), [(0, False), (1, True), (100, True), (101, False), (2000, False)])
async def test_an_empty_and_an_overlong_request_id_are_replaced(
    surrounded: Surrounded, length: int, is_taken: bool
) -> None:
    surrounded.service.error = NotServing()
    own = "x" * length
    method: Any = surrounded.channel.unary_unary(f"/{SERVICE}/Translate")
    call = method(b"", metadata=(("x-request-id", own),))
    _, _, details = await refusal(call)
    request_info = details["RequestInfo"]
    assert isinstance(request_info, RequestInfo)
    assert (request_info.request_id == own) == is_taken
    assert is_taken or len(request_info.request_id) == 32
    assert dict(await call.trailing_metadata())["x-request-id"] == request_info.request_id


async def test_time_that_runs_out_inside_a_method_before_the_deadline_is_an_error_of_the_server(
    surrounded: Surrounded,
) -> None:
    surrounded.service.error = TimeoutError()
    assert (await refusal(surrounded.call("Translate")))[0] is grpc.StatusCode.INTERNAL


async def test_what_a_failed_call_had_in_memory_is_freed_without_the_garbage_collector(surrounded: Surrounded) -> None:
    class Content:
        pass

    freed = asyncio.Event()

    async def fail(request: bytes, context: Any) -> bytes:
        content = Content()
        weakref.finalize(content, freed.set)
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise InvalidRequest("contents", "wrong") from error

    surrounded.serve("freeing.Service", fail)
    gc.disable()
    try:
        await refusal(surrounded.plain_call("freeing.Service"))
        await asyncio.wait_for(freed.wait(), PATIENCE)
    finally:
        gc.enable()


async def test_the_request_id_is_sent_back_with_an_answer_as_well(surrounded: Surrounded) -> None:
    async def answer(request: bytes, context: Any) -> bytes:
        return b""

    surrounded.serve("answering.Service", answer)
    method: Any = surrounded.channel.unary_unary("/answering.Service/Method")
    call = method(b"", metadata=(("x-request-id", "mine"),), timeout=PATIENCE)
    assert dict(await call.trailing_metadata())["x-request-id"] == "mine"


@pytest.mark.parametrize("ending", ["OK", "Canceled", "DeadlineExceeded"])
async def test_a_call_is_counted_by_how_it_ended(surrounded: Surrounded, ending: str) -> None:
    begun = asyncio.Event()

    async def answer(request: bytes, context: Any) -> bytes:
        begun.set()
        if ending != "OK":
            await asyncio.Event().wait()
        return b""

    surrounded.serve("waiting.Service", answer)
    method: Any = surrounded.channel.unary_unary("/waiting.Service/Method")
    call = method(b"", timeout=0.3 if ending == "DeadlineExceeded" else PATIENCE)
    await asyncio.wait_for(begun.wait(), PATIENCE)
    if ending == "Canceled":
        call.cancel()

    await was_counted(surrounded, ending, "Method", "waiting.Service")


async def test_a_stream_that_is_cancelled_while_a_message_is_sent_is_counted_as_cancelled(
    surrounded: Surrounded,
) -> None:
    class Endless(pb_grpc.TranslationServiceServicer):
        async def StreamTranslate(self, request: Any, context: Any) -> AsyncIterator[pb.StreamTranslateResponse]:
            while True:
                yield pb.StreamTranslateResponse(text_delta="x" * 100_000)

    pb_grpc.add_TranslationServiceServicer_to_server(Endless(), cast(grpc.aio.Server, surrounded.calls))
    call = pb_grpc.TranslationServiceStub(surrounded.channel).StreamTranslate(pb.TranslateRequest(), timeout=PATIENCE)
    await anext(aiter(call))
    await asyncio.sleep(0.1)  # in which what nobody reads fills all buffers
    call.cancel()
    assert await surrounded.was_handled("StreamTranslate", "Canceled")


async def test_a_method_knows_until_when_its_call_is_waited_for(surrounded: Surrounded) -> None:
    async def remaining(request: bytes, context: Any) -> bytes:
        return str(current_call.get().deadline - time.monotonic()).encode()

    surrounded.serve("clock.Service", remaining)
    assert float(await surrounded.plain_call("clock.Service")) == pytest.approx(PATIENCE, abs=PATIENCE / 2)


@methods
async def test_a_status_that_a_method_aborts_with_by_itself_is_passed_on(surrounded: Surrounded, method: str) -> None:
    code, message, _ = await refusal(surrounded.call(method))
    assert (code, message) == (grpc.StatusCode.DATA_LOSS, "by itself")
    assert await surrounded.was_handled(method, "DataLoss")


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
    await was_counted(surrounded, "InvalidArgument")
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
    await was_counted(surrounded, "Unimplemented", "unknown", "unknown", number=2)


async def test_a_method_that_the_service_does_not_have_is_unimplemented(surrounded: Surrounded) -> None:
    code, _, _ = await refusal(cast(Any, surrounded.channel.unary_unary(f"/{SERVICE}/Score"))(b"", timeout=PATIENCE))
    assert code is grpc.StatusCode.UNIMPLEMENTED


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

    await was_counted(surrounded, "InvalidArgument")
    await asyncio.sleep(0.05)  # gRPC would log after that what the call has raised
    assert caplog.text == ""

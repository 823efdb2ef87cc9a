"""What surrounds every call, around a service that can be made to do anything."""

import asyncio
import contextlib
import gc
import itertools
import json
import logging
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
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
    Overloaded,
    QueueFull,
    SentenceFailed,
    UnknownModel,
)
from server.serving.app import SERVICE
from server.serving.metrics import Metrics
from server.serving.requests.admission import Admission
from server.serving.rpc.call import current_call
from server.serving.rpc.calls import Calls
from server.serving.rpc.listen import METADATA_BYTES
from tests.fakes import PATIENCE
from tests.integration.served import eventually, refusal

SECRET = "password of the database"

Method = Callable[[bytes, Any], Awaitable[bytes]]


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

    def serve(self, service: str, method: Method, parse: Callable[[bytes], bytes] = bytes) -> None:
        """Add another service, whose only method takes and gives bytes."""
        handler = grpc.unary_unary_rpc_method_handler(cast(Any, method), parse, bytes)
        self.calls.add_registered_method_handlers(service, {"Method": handler})

    def plain_call(self, service: str, message: bytes = b"") -> Awaitable[bytes]:
        call: Any = self.channel.unary_unary(f"/{service}/Method")(message, timeout=PATIENCE)
        answer: Awaitable[bytes] = call
        return answer

    async def was_handled(self, method: str, code: str) -> bool:
        """The call is counted a moment after its answer is sent."""
        kind = "unary" if method == "Translate" else "server_stream"
        labels = {"grpc_type": kind, "grpc_service": "translation.v1.TranslationService", "grpc_method": method}

        async def is_counted() -> bool:
            value = self.metrics.registry.get_sample_value("grpc_server_handling_seconds_count", labels)
            return value == 1

        await eventually(is_counted)
        return self.metrics.registry.get_sample_value("grpc_server_handled_total", labels | {"grpc_code": code}) == 1


def around(
    service: pb_grpc.TranslationServiceServicer,
    metrics: Metrics,
    max_seconds: float = PATIENCE,
    max_bytes: int = 1000,
) -> Calls:
    calls = Calls(metrics, Admission(max_calls=10, max_bytes=max_bytes), SERVICE, max_seconds)
    pb_grpc.add_TranslationServiceServicer_to_server(service, cast(grpc.aio.Server, calls))
    return calls


@asynccontextmanager
async def surrounding(
    max_seconds: float = PATIENCE, max_bytes: int = 1000, grpc_options: Sequence[tuple[str, int]] = ()
) -> AsyncIterator[Surrounded]:
    service, metrics = Failing(), Metrics()
    calls = around(service, metrics, max_seconds, max_bytes)
    server = grpc.aio.server(handlers=[calls], options=grpc_options)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    address = f"127.0.0.1:{port}"
    async with grpc.aio.insecure_channel(address) as channel:
        yield Surrounded(service, metrics, calls, address, channel)
    await server.stop(None)


@pytest.fixture
async def surrounded() -> AsyncIterator[Surrounded]:
    async with surrounding() as made:
        yield made


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


async def test_a_call_that_begins_and_one_that_begins_and_ends_meanwhile_are_waited_for(surrounded: Surrounded) -> None:
    calls = surrounded.calls
    calls.count_running(+1)
    waiting = asyncio.ensure_future(calls.wait_until_idle(0.1))
    await asyncio.sleep(0)
    calls.count_running(-1)
    calls.count_running(+1)
    await asyncio.sleep(0.15)
    assert not waiting.done(), "one is running"
    calls.count_running(-1)
    await asyncio.sleep(0.05)
    calls.count_running(+1)
    calls.count_running(-1)
    ended = time.monotonic()
    await asyncio.wait_for(waiting, PATIENCE)
    assert time.monotonic() - ended >= 0.09, "its answer may still be on its way"


async def test_calls_that_go_on_beginning_are_waited_for_but_not_for_ever(surrounded: Surrounded) -> None:
    async def begin_calls() -> None:
        while True:
            surrounded.calls.count_running(+1)
            await asyncio.sleep(0.05)

    beginning = asyncio.ensure_future(begin_calls())
    began = time.monotonic()
    await asyncio.wait_for(surrounded.calls.wait_until_none_begins(0.6), PATIENCE)
    assert time.monotonic() - began >= 0.6
    beginning.cancel()


@pytest.mark.parametrize(("length", "is_taken"), [(0, False), (1, True), (100, True), (101, False), (2000, False)])
async def test_an_empty_and_an_overlong_request_id_are_replaced(
    surrounded: Surrounded, length: int, is_taken: bool
) -> None:
    surrounded.service.error = NotServing()
    own = "x" * length
    call: Any = surrounded.channel.unary_unary(f"/{SERVICE}/Translate")(b"", metadata=(("x-request-id", own),))
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


async def test_calls_of_a_service_that_is_not_bounded_are_neither_refused_nor_ended_nor_waited_for() -> None:
    may_answer = asyncio.Event()

    async def answer(request: bytes, context: Any) -> bytes:
        await may_answer.wait()
        return request

    async with surrounding(max_seconds=0.05, max_bytes=10) as surrounded:
        surrounded.serve("health.Service", answer)
        surrounded.calls.admission.enter("another", 10)
        call = asyncio.ensure_future(surrounded.plain_call("health.Service", b"well?"))
        await surrounded.calls.wait_until_idle(0.2)
        assert not call.done()
        may_answer.set()
        assert await call == b"well?"
        await asyncio.sleep(0.05)  # in which it is counted
        await asyncio.wait_for(surrounded.calls.wait_until_idle(0), PATIENCE)


async def test_a_call_beyond_the_limit_is_refused_before_its_message_has_come(surrounded: Surrounded) -> None:
    while True:
        try:
            surrounded.calls.admission.enter("another", 1)
        except Overloaded:
            break
    for number in range(10):
        with contextlib.suppress(Overloaded):
            surrounded.calls.admission.enter(str(number), 1)

    async def never() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    call: Any = surrounded.channel.stream_unary(f"/{SERVICE}/Translate")
    code, _, _ = await refusal(call(never(), timeout=PATIENCE))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


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

    async def is_counted() -> bool:
        return sample(surrounded, ending, "Method", "waiting.Service") == 1

    await eventually(is_counted)


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


async def test_large_messages_are_parsed_one_at_a_time_and_the_event_loop_turns_in_between() -> None:
    turn, parsed_at = 0, []

    async def count_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    def parse(message: bytes) -> bytes:
        parsed_at.append(turn)
        time.sleep(0.01)  # in which other messages and other timers come to their end
        return message

    async def answer(request: bytes, context: Any) -> bytes:
        return b""

    async with surrounding() as surrounded:
        surrounded.serve("large.Service", answer, parse)
        counting = asyncio.ensure_future(count_turns())
        await asyncio.gather(*(surrounded.plain_call("large.Service", b"x" * 150_000) for _ in range(3)))
        counting.cancel()
    gaps = [later - earlier for earlier, later in itertools.pairwise(parsed_at)]
    assert min(gaps) > 0
    assert max(gaps) > 8, "one of them may be short where the machine does other things"


async def test_metadata_is_refused_by_its_size_which_is_that_of_names_and_values() -> None:
    async with surrounding(grpc_options=(("grpc.max_metadata_size", 60_000),)) as surrounded:
        surrounded.service.error = NotServing()
        call: Any = surrounded.channel.unary_unary(f"/{SERVICE}/Translate")

        async def refused(size: int) -> tuple[grpc.StatusCode, str]:
            metadata = (("x" * 1000, "y" * 1000), ("z", "z" * size))
            return (await refusal(call(b"", metadata=metadata, timeout=PATIENCE)))[:2]

        code, message = await refused(METADATA_BYTES)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        got = int(message.rpartition(" ")[2])
        assert message == f"metadata: at most {METADATA_BYTES} bytes expected, got {got}"
        assert got >= METADATA_BYTES + 2001
        largest = 2 * METADATA_BYTES - got
        assert (await refused(largest))[0] is grpc.StatusCode.UNAVAILABLE, "which is the service's own answer"
        assert (await refused(largest + 1))[1].endswith(f" got {METADATA_BYTES + 1}")


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
    await asyncio.sleep(0.05)  # gRPC would log after that what the call has raised
    assert caplog.text == ""

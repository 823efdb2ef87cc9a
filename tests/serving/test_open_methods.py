"""Methods that are open to everybody, whichever service has them, and streams that nobody reads."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
import pytest

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.serving.access.caller import Caller
from server.serving.metrics import Metrics
from server.serving.requests.admission import Admission
from server.serving.rpc import running
from server.serving.rpc.calls import Calls
from server.serving.rpc.intake import QUICK_PLACES
from tests.fakes import PATIENCE
from tests.integration.served import eventually, refusal
from tests.serving.surrounded import Surrounded, surrounding

TRITON = "inference.GRPCInferenceService"


async def echo(request: bytes, context: Any) -> bytes:
    return request


@pytest.mark.parametrize("is_draining", [False, True])
async def test_probes_of_a_service_that_translates_are_answered_whatever_there_is_to_do(is_draining: bool) -> None:
    calls = Calls(Metrics(), Admission(max_calls=1, max_bytes=10), [TRITON], PATIENCE)
    handler = grpc.unary_unary_rpc_method_handler(cast(Any, echo), bytes, bytes)
    calls.add_registered_method_handlers(TRITON, {"ServerReady": handler, "ModelInfer": handler})
    calls.admission.enter(Caller("another"), 10)
    calls.is_draining = is_draining
    calls.connections_are_told.set()
    server = grpc.aio.server(handlers=[calls])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:

        def call(method: str) -> Any:
            return cast(Any, channel.unary_unary(f"/{TRITON}/{method}"))(b"well?", timeout=PATIENCE)

        assert await call("ServerReady") == b"well?"
        code, _, _ = await refusal(call("ModelInfer"))
        expected = grpc.StatusCode.UNAVAILABLE if is_draining else grpc.StatusCode.RESOURCE_EXHAUSTED
        assert code is expected
    await server.stop(None)


async def test_messages_of_open_methods_that_do_not_come_keep_no_other_from_its_place() -> None:
    async with surrounding() as surrounded:
        handler = grpc.unary_unary_rpc_method_handler(cast(Any, echo), bytes, bytes)
        surrounded.calls.add_registered_method_handlers(TRITON, {"ServerLive": handler})
        surrounded.serve("other.Service", echo)

        async def never() -> AsyncIterator[bytes]:
            await asyncio.Event().wait()
            yield b""

        opened: Any = surrounded.channel.stream_unary(f"/{TRITON}/ServerLive")
        slow = [opened(never(), timeout=PATIENCE) for _ in range(QUICK_PLACES)]
        intakes = surrounded.calls.open_intake, surrounded.calls.intake

        async def have_begun() -> bool:
            return len(intakes[0]._quick) + len(intakes[0]._slow) > 0

        await eventually(have_begun)
        assert not intakes[1]._quick
        assert not intakes[1]._slow
        assert await surrounded.plain_call("other.Service", b"mine") == b"mine"
        for call in slow:
            call.cancel()


class Endless(pb_grpc.TranslationServiceServicer):
    """Answers for ever, and says when an answer has ended."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def StreamTranslate(self, request: Any, context: Any) -> AsyncIterator[pb.StreamTranslateResponse]:
        try:
            while True:
                yield pb.StreamTranslateResponse(text_delta="x" * 100_000)
        finally:
            self.ended.set()


def is_over(surrounded: Surrounded) -> Any:
    async def none_runs() -> bool:
        return not surrounded.calls._num_running

    return eventually(none_runs)


async def test_a_client_that_did_not_read_is_told_the_deadline_when_it_does() -> None:
    async with surrounding(max_seconds=0.3) as surrounded:
        service = Endless()
        pb_grpc.add_TranslationServiceServicer_to_server(service, cast(grpc.aio.Server, surrounded.calls))
        call = pb_grpc.TranslationServiceStub(surrounded.channel).StreamTranslate(pb.TranslateRequest())
        await asyncio.wait_for(service.ended.wait(), PATIENCE)

        async def rest() -> list[Any]:
            return [answer async for answer in call]

        code, message, _ = await refusal(rest())
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "that the server sets" in message
        assert await surrounded.was_handled("StreamTranslate", "DeadlineExceeded")


async def test_a_client_that_never_reads_holds_a_call_no_longer_than_its_status_may_take(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(running, "_STATUS_SECONDS", 0.2)
    async with surrounding(max_seconds=0.3) as surrounded:
        service = Endless()
        pb_grpc.add_TranslationServiceServicer_to_server(service, cast(grpc.aio.Server, surrounded.calls))
        call = pb_grpc.TranslationServiceStub(surrounded.channel).StreamTranslate(pb.TranslateRequest())
        await asyncio.wait_for(service.ended.wait(), PATIENCE)
        await asyncio.wait_for(is_over(surrounded), PATIENCE)
        assert await surrounded.was_handled("StreamTranslate", "DeadlineExceeded")
        assert not surrounded.calls.admission.num_calls
        call.cancel()
    assert caplog.text == ""

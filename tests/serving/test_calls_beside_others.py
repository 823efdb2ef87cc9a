"""Calls beside each other: which are refused, which wait, and which are waited for."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.errors import (
    NotServing,
    Overloaded,
)
from server.serving.access.caller import Caller
from server.serving.app import SERVICE
from server.serving.metrics import Metrics
from server.serving.rpc.call import current_call
from server.serving.rpc.listen import METADATA_BYTES
from tests.fakes import PATIENCE
from tests.integration.served import eventually, refusal
from tests.serving.surrounded import Surrounded, around, surrounding


@pytest.fixture
async def surrounded() -> AsyncIterator[Surrounded]:
    async with surrounding() as made:
        yield made


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


async def test_calls_of_a_service_that_is_not_bounded_are_neither_refused_nor_ended_nor_waited_for() -> None:
    may_answer = asyncio.Event()

    async def answer(request: bytes, context: Any) -> bytes:
        await may_answer.wait()
        return request

    async with surrounding(max_seconds=0.05, max_bytes=10) as surrounded:
        surrounded.serve("health.Service", answer)
        surrounded.calls.admission.enter(Caller("another"), 10)
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
            surrounded.calls.admission.enter(Caller("another"), 1)
        except Overloaded:
            break
    for number in range(10):
        with contextlib.suppress(Overloaded):
            surrounded.calls.admission.enter(Caller(str(number)), 1)

    async def never() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    call: Any = surrounded.channel.stream_unary(f"/{SERVICE}/Translate")
    code, _, _ = await refusal(call(never(), timeout=PATIENCE))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


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
        for number in range(3):
            async with surrounded.calls.parsing:
                large = [surrounded.plain_call("large.Service", b"x" * 150_000) for _ in range(2)]
                await asyncio.sleep(0.1)
                assert len(parsed_at) == 2 * number
            await asyncio.gather(*large)
        counting.cancel()
    gaps = [later - earlier for earlier, later in zip(parsed_at[::2], parsed_at[1::2], strict=True)]
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
        self.callers.add(current_call.get().caller.name)
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

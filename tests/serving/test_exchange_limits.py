"""Streams of many requests at their limits: what is refused, what waits, what is kept, and how a drain ends them."""

import asyncio
import contextlib
import gc
import sys
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from server.errors import NotServing, Overloaded
from server.keys.key_file import TRANSLATE, Key
from server.serving.access.caller import Caller, KeyHolder
from server.serving.rpc.call import Call, current_call
from server.serving.rpc.exchange import MAX_IN_FLIGHT, MAX_STREAMS
from tests.fakes import PATIENCE
from tests.serving.asked import Asked, turns


def as_caller(name: str) -> None:
    current_call.set(Call("id of the call", Caller(name), float("inf"), TRANSLATE))


async def test_only_so_many_streams_are_open_and_no_caller_has_all() -> None:
    asked = Asked()
    asked.hold("held")
    streams = []

    async def open_all(caller: str) -> int:
        as_caller(caller)
        number = 0
        with contextlib.suppress(Overloaded):
            while True:
                stream = asked.answers(asked.requests("one", "held"))
                assert await anext(stream) == "one"
                streams.append(stream)
                number += 1
        return number

    assert await open_all("one") == MAX_STREAMS * 4 // 5 + 1
    assert 0 < await open_all("another") < MAX_STREAMS // 5
    while len(streams) < MAX_STREAMS:
        await open_all(str(len(streams)))
    as_caller("late")
    with pytest.raises(Overloaded, match="64 streams of many requests are open, 1 more would exceed the limit of 64"):
        await anext(asked.answers(asked.requests("one")))
    await streams.pop().aclose()
    assert await anext(asked.answers(asked.requests("one"))) == "one"
    for stream in streams:
        await stream.aclose()


async def test_refusals_that_nobody_reads_keep_their_requests_counted() -> None:
    asked = Asked()
    answers = asked.answers(asked.requests(*(f"bad {number}" for number in range(100))))
    await anext(answers)
    await turns(200)
    # one more is refused than is counted: its refusal has left
    assert asked.admission.num_calls == MAX_IN_FLIGHT
    assert asked.admission.num_bytes == sum(StringValue(value=name).ByteSize() for name in asked.begun[-MAX_IN_FLIGHT:])
    await answers.aclose()
    assert asked.is_free()


async def test_who_does_not_take_refusals_is_not_read_from() -> None:
    asked = Asked(max_bytes=10)
    answers = asked.answers(asked.requests(*["x" * 100] * 50))
    await anext(answers)
    await turns(200)
    assert asked.num_read <= 3  # taken, in the queue, and not admitted
    assert len([answer async for answer in answers]) == 49


class Requests(AsyncIterator[StringValue]):
    """Remembers what it has given, and then gives nothing for ever."""

    def __init__(self, *names: str) -> None:
        self._names = list(names)
        self.given: list[StringValue] = []

    async def __anext__(self) -> StringValue:
        if not self._names:
            await asyncio.Event().wait()
        self.given.append(StringValue(value=self._names.pop(0)))
        return self.given[-1]


async def test_nothing_is_left_of_a_request_that_was_answered() -> None:
    asked = Asked(max_bytes=100)
    requests = Requests("one", "bad", "x" * 200)
    answers = asked.answers(requests)
    gc.disable()
    try:
        for _ in range(3):
            await anext(answers)
        await turns()
        assert [sys.getrefcount(requests.given[at]) for at in range(3)] == [2, 2, 2]  # the list's and the argument's
    finally:
        gc.enable()
    await answers.aclose()


@pytest.mark.parametrize("num_held", [1, 5])
async def test_a_half_closed_stream_is_answered_while_the_server_ends(num_held: int) -> None:
    asked = Asked()
    names = list(map(str, range(num_held)))
    asked.hold(*names)
    answers = asked.answers(asked.requests(*names))
    first = asyncio.ensure_future(anext(answers))
    await turns()
    asked.draining.set()
    await turns()
    for event in asked.may_end.values():
        event.set()

    async def rest() -> list[str]:
        return [await first, *[answer async for answer in answers]]

    assert sorted(await asyncio.wait_for(rest(), PATIENCE)) == names
    assert asked.is_free()


async def test_a_stream_whose_last_answer_is_not_read_ends_in_a_drain() -> None:
    asked = Asked()
    answers = asked.answers(asked.requests("one", "two"))
    got = [await anext(answers)]
    await turns()  # now the end waits for room behind the second answer
    asked.draining.set()
    await turns()

    async def rest() -> list[str]:
        return [answer async for answer in answers]

    assert got + await asyncio.wait_for(rest(), PATIENCE) == ["one", "two"]


async def test_a_stream_that_waits_for_a_place_when_the_server_ends_takes_no_more() -> None:
    asked = Asked()
    names = list(map(str, range(MAX_IN_FLIGHT + 1)))
    asked.hold(*names)
    answers = asked.answers(asked.requests(*names))
    first = asyncio.ensure_future(anext(answers))
    await turns(100)
    asked.draining.set()
    await turns()
    for event in asked.may_end.values():
        event.set()
    got = [await asyncio.wait_for(first, PATIENCE)]
    while len(got) < MAX_IN_FLIGHT:
        got.append(await anext(answers))
    with pytest.raises(NotServing):
        await anext(answers)
    assert sorted(got) == sorted(names[:-1])


async def test_a_stream_that_is_left_in_the_moment_of_a_drain_is_cancelled() -> None:
    asked = Asked()
    asked.hold("one")
    answers = asked.answers(asked.requests("one", for_ever=True))
    waiting = asyncio.ensure_future(anext(answers))
    await turns()
    asked.draining.set()
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait_for(asyncio.gather(waiting, return_exceptions=True), PATIENCE)
    assert asked.cancelled == ["one"]
    assert asked.is_free()


@pytest.mark.parametrize("limits", [(2, 1_000_000), (1000, 200)], ids=["calls", "bytes"])
async def test_requests_without_an_id_are_refused_in_their_order_as_well(limits: tuple[int, int]) -> None:
    asked = Asked(*limits)
    first, second = "first", "second" + "y" * 80
    asked.hold(first, second)
    names = [first, second, "x" * 200, "bad"]
    answers = asked.exchange.answers(
        asked.requests(*names), asked.answer, lambda request, error: f"{request.value}: {error}", lambda _: False
    )
    got = [asyncio.ensure_future(anext(answers))]
    await turns(50)
    asked.may_end[second].set()
    await turns(50)
    assert not got[0].done()
    asked.may_end[first].set()
    told = [await got[0], *[answer async for answer in answers]]
    assert [answer.partition(":")[0] for answer in told] == names
    assert "limit" in told[2]


async def test_a_key_with_one_call_is_answered_one_request_after_another_on_all_its_streams() -> None:
    asked = Asked()
    holder = KeyHolder(Key(name="night", sha256=b"", roles=frozenset({TRANSLATE}), max_calls=1))
    current_call.set(Call("id of the call", holder, float("inf"), TRANSLATE))
    running: list[int] = []
    order: list[str] = []

    async def answer(request: StringValue) -> AsyncGenerator[str, None]:
        running.append(holder.usage.num_running)
        order.append(request.value)
        await turns(5)
        yield request.value

    def stream(*names: str) -> AsyncGenerator[str, None]:
        return asked.exchange.answers(asked.requests(*names), answer, lambda request, error: f"refused {error}")

    async def all_of(answers: AsyncGenerator[str, None]) -> list[str]:
        return [one async for one in answers]

    one, other = stream("a1", "a2", "a3"), stream("b1", "b2", "b3")
    got = await asyncio.wait_for(asyncio.gather(all_of(one), all_of(other)), PATIENCE)
    assert list(got) == [["a1", "a2", "a3"], ["b1", "b2", "b3"]]
    assert order == ["a1", "a2", "b1", "a3", "b2", "b3"], "those that wait have their turns as they came"
    assert set(running) == {1}
    assert not holder.usage.num_running
    assert asked.is_free()


async def test_a_stream_that_is_left_while_it_waits_for_its_key_leaves_the_turn_to_others() -> None:
    asked = Asked()
    holder = KeyHolder(Key(name="night", sha256=b"", roles=frozenset({TRANSLATE}), max_calls=1))
    current_call.set(Call("id of the call", holder, float("inf"), TRANSLATE))
    asked.hold("held")
    one, left, other = (asked.answers(asked.requests(name)) for name in ("held", "left", "other"))
    waiting = [asyncio.ensure_future(anext(stream)) for stream in (one, left, other)]
    await turns()
    waiting[1].cancel()
    await turns()
    asked.may_end["held"].set()
    assert await asyncio.wait_for(waiting[0], PATIENCE) == "held"
    assert await asyncio.wait_for(waiting[2], PATIENCE) == "other"


async def test_what_waits_for_its_key_counts_among_the_bytes_as_what_is_answered() -> None:
    asked = Asked(max_bytes=300)
    holder = KeyHolder(Key(name="night", sha256=b"", roles=frozenset({TRANSLATE}), max_calls=1))
    current_call.set(Call("id of the call", holder, float("inf"), TRANSLATE))
    asked.hold("held")
    held, long, too_long = "held", "x" * 200, "y" * 200
    streams = [asked.answers(asked.requests(name)) for name in (held, long, too_long)]
    waiting = [asyncio.ensure_future(anext(stream)) for stream in streams]
    await turns()
    assert asked.admission.num_bytes == sum(StringValue(value=name).ByteSize() for name in (held, long))
    assert "bytes of messages are being answered" in waiting[2].result()
    waiting[1].cancel()
    await turns()
    assert asked.admission.num_bytes == StringValue(value=held).ByteSize()
    waiting[1] = asyncio.ensure_future(anext(asked.answers(asked.requests(long))))
    await turns()
    asked.may_end[held].set()
    assert await asyncio.wait_for(asyncio.gather(*waiting[:2]), PATIENCE) == [held, long]
    await turns()
    assert not asked.admission.num_calls
    for stream in streams:
        await stream.aclose()


async def test_refused_requests_are_counted_and_logged_as_refused_calls_are(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked(max_bytes=100)
    holder = KeyHolder(Key(name="night", sha256=b"", roles=frozenset({TRANSLATE})))
    current_call.set(Call("id of the call", holder, float("inf"), TRANSLATE))

    async def answer(request: StringValue) -> AsyncGenerator[str, None]:
        holder.is_known = False
        holder.check(1)
        yield "never"

    def refused(reason: str) -> float | None:
        return asked.metrics.registry.get_sample_value("seq2serve_refused_calls_total", {"reason": reason})

    answers = asked.exchange.answers(asked.requests("x" * 200, "one"), answer, lambda _, error: str(error))
    assert len([one async for one in answers]) == 2
    assert (refused("unauthenticated"), refused("overloaded")) == (1, 1)
    assert "request id of the call of key night is refused" in caplog.text

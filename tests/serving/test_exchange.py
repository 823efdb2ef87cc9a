"""Many requests on one stream, whatever the protocol: taken as places are free, answered when ready, ended as one."""

import asyncio
from contextlib import aclosing

import pytest

from server.errors import NotServing, Unreadable
from server.serving.rpc.exchange import MAX_IN_FLIGHT
from tests.serving.asked import Asked, turns


async def test_answers_come_as_they_are_ready() -> None:
    asked = Asked()
    asked.hold("first")
    got = []
    async for answer in asked.answers(asked.requests("first", "second", "third")):
        got.append(answer)
        if answer == "third":
            asked.may_end["first"].set()
    assert got == ["second", "third", "first"]
    assert asked.is_free()


async def test_a_stream_without_requests_has_no_answers() -> None:
    asked = Asked()
    assert [answer async for answer in asked.answers(asked.requests())] == []


async def test_a_wrong_request_is_answered_with_its_error_and_the_others_with_answers() -> None:
    asked = Asked()
    got = {answer async for answer in asked.answers(asked.requests("one", "bad", "two"))}
    assert got == {"one", "bad: name: a good one expected", "two"}
    assert asked.is_free()


async def test_an_unexpected_error_is_logged_and_the_stream_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked()
    got = [answer async for answer in asked.answers(asked.requests("broken", "one"))]
    assert len(got) == 2
    assert "request id of the call failed" in caplog.text


async def test_no_more_requests_are_read_than_may_be_in_work() -> None:
    asked = Asked()
    names = [str(number) for number in range(3 * MAX_IN_FLIGHT)]
    asked.hold(*names)
    answers = asked.answers(asked.requests(*names))
    first = asyncio.ensure_future(anext(answers))
    await turns(100)
    assert len(asked.begun) == MAX_IN_FLIGHT == asked.num_read
    asked.may_end["5"].set()
    assert await first == "5"
    asked.may_end["6"].set()
    assert await anext(answers) == "6"
    await turns(100)
    assert asked.num_read == MAX_IN_FLIGHT + 2
    await answers.aclose()


async def test_who_does_not_take_answers_is_not_read_from() -> None:
    asked = Asked()
    answers = asked.answers(asked.requests(*map(str, range(500))))
    await anext(answers)
    await turns(500)
    assert asked.num_read <= MAX_IN_FLIGHT + 2
    assert len([answer async for answer in answers]) == 499
    assert asked.is_free()


@pytest.mark.parametrize("num_taken", [0, 1])
async def test_a_stream_that_is_left_cancels_all_its_requests(num_taken: int) -> None:
    asked = Asked()
    asked.hold("a", "b", "c")
    answers = asked.answers(asked.requests("z", "a", "b", "c", for_ever=True))
    async with aclosing(answers):
        await anext(answers)
        await turns()
        if not num_taken:  # while it waits for an answer
            waiting = asyncio.ensure_future(anext(answers))
            await turns()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
    assert sorted(asked.cancelled) == ["a", "b", "c"]
    assert asked.is_free()


async def test_a_stream_whose_client_fails_answers_what_it_has_taken_and_ends_with_the_error() -> None:
    asked = Asked()
    answers = asked.answers(asked.requests("one", "two", then=Unreadable("3 bytes that are none")))
    assert sorted([await anext(answers), await anext(answers)]) == ["one", "two"]
    with pytest.raises(Unreadable):
        await anext(answers)
    assert asked.is_free()


async def test_a_server_that_ends_answers_what_it_has_taken_and_ends_the_stream() -> None:
    asked = Asked()
    asked.hold("one")
    answers = asked.answers(asked.requests("one", "two", for_ever=True))
    assert await anext(answers) == "two"
    asked.draining.set()
    await turns()
    asked.may_end["one"].set()
    assert await anext(answers) == "one"
    with pytest.raises(NotServing):
        await anext(answers)
    assert asked.is_free()


async def test_each_request_is_admitted_as_a_call_is() -> None:
    asked = Asked(max_calls=1)
    asked.hold("one")
    answers = asked.answers(asked.requests("one", "two", "three", "four"))
    refused = [await anext(answers) for _ in range(3)]
    assert refused == [
        f"{name}: 1 calls are running, 1 more would exceed the limit of 1" for name in ("two", "three", "four")
    ]
    asked.may_end["one"].set()
    assert [answer async for answer in answers] == ["one"]
    assert asked.is_free()


async def test_requests_are_admitted_by_their_size() -> None:
    asked = Asked(max_bytes=100)
    [refused] = [answer async for answer in asked.answers(asked.requests("x" * 101))]
    assert "exceed the limit of 100" in refused

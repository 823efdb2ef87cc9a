"""Messages that are received a few at a time."""

import asyncio
from typing import Any

import pytest

from server.errors import DeadlineExceeded, Overloaded
from server.serving.rpc import intake as module
from server.serving.rpc.intake import QUICK_PLACES, SLOW_PLACES, Intake
from tests.fakes import PATIENCE


class Sender:
    """Sends its message when it is told to."""

    def __init__(self) -> None:
        self.has_begun = False
        self.may_send = asyncio.Event()

    async def receive(self) -> bytes:
        self.has_begun = True
        await self.may_send.wait()
        return b"message"


def begin(intake: Intake, caller: str) -> tuple[Sender, "asyncio.Task[bytes]"]:
    sender = Sender()
    return sender, asyncio.ensure_future(intake.receive(caller, sender.receive))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_messages_come_in_at_once_than_there_are_places() -> None:
    intake = Intake()
    begun = [begin(intake, str(number)) for number in range(QUICK_PLACES + 5)]
    await settle()
    assert sum(sender.has_begun for sender, _ in begun) == QUICK_PLACES
    for sender, _ in begun:
        sender.may_send.set()
    assert await asyncio.wait_for(asyncio.gather(*(task for _, task in begun)), PATIENCE) == [b"message"] * len(begun)


async def test_a_caller_with_one_message_is_not_behind_all_of_another_s() -> None:
    intake = Intake()
    many = [begin(intake, "many") for _ in range(QUICK_PLACES + 50)]
    await settle()
    one, task = begin(intake, "one")
    await settle()
    assert not one.has_begun
    for sender, _ in many[:2]:
        sender.may_send.set()
    await settle()
    assert one.has_begun
    for sender, _ in [*many, (one, task)]:
        sender.may_send.set()
    await asyncio.wait_for(asyncio.gather(task, *(task for _, task in many)), PATIENCE)


async def test_slow_senders_leave_the_places_of_the_quick_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUICK_SECONDS", 0.01)
    intake = Intake()
    slow = [begin(intake, f"slow {number}") for number in range(QUICK_PLACES)]
    await settle()
    quick, task = begin(intake, "quick")
    quick.may_send.set()
    assert await asyncio.wait_for(task, PATIENCE) == b"message"
    for sender, _ in slow:
        sender.may_send.set()
    results = await asyncio.gather(*(task for _, task in slow), return_exceptions=True)
    assert results.count(b"message") == SLOW_PLACES


async def test_callers_whose_messages_do_not_come_have_their_turns_after_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "QUICK_SECONDS", 0.02)
    intake = Intake()
    late = [begin(intake, f"late {number}") for number in range(QUICK_PLACES)]
    await settle()
    while not any(task.done() for _, task in late):  # one of them too many for the slow places
        await asyncio.sleep(0.002)
    again = [begin(intake, f"late {number}") for number in range(QUICK_PLACES) for _ in range(5)]
    await settle()
    other, task = begin(intake, "other")
    other.may_send.set()
    assert await asyncio.wait_for(task, PATIENCE) == b"message"
    assert sum(sender.has_begun for sender, _ in again) <= 2 * QUICK_PLACES  # before it, and when it was done
    for sender, _ in [*late, *again]:
        sender.may_send.set()
    await asyncio.gather(*(task for _, task in [*late, *again]), return_exceptions=True)


async def test_of_more_slow_senders_than_there_are_places_for_the_oldest_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "QUICK_SECONDS", 0.005)
    intake = Intake()
    slow = [begin(intake, f"slow {number}") for number in range(2 * QUICK_PLACES + 3)]
    await asyncio.wait([task for _, task in slow], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    while sum(task.done() for _, task in slow) < len(slow) - SLOW_PLACES:
        await asyncio.sleep(0.005)
    for _, task in slow[: len(slow) - SLOW_PLACES]:
        assert isinstance(task.exception(), Overloaded)
    for sender, _ in slow:
        sender.may_send.set()
    results = await asyncio.gather(*(task for _, task in slow), return_exceptions=True)
    assert results.count(b"message") == SLOW_PLACES


async def test_a_message_that_never_ends_ends_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUICK_SECONDS", 0.01)
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.05)
    _, task = begin(Intake(), "slow")
    with pytest.raises(DeadlineExceeded):
        await asyncio.wait_for(task, PATIENCE)


async def test_of_more_calls_than_may_wait_those_of_whoever_has_most_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    intake = Intake()
    many = [begin(intake, "many") for _ in range(QUICK_PLACES + 3)]
    await settle()
    with pytest.raises(Overloaded):
        await intake.receive("many", Sender().receive)
    others = [begin(intake, "other") for _ in range(2)]
    for sender, _ in [*many, *others]:
        sender.may_send.set()
    ended = await asyncio.gather(*(task for _, task in [*many, *others]), return_exceptions=True)
    assert [isinstance(end, Overloaded) for end in ended] == [*[False] * (QUICK_PLACES + 2), True, False, True]


async def test_calls_that_are_cancelled_wherever_they_are_leave_their_places() -> None:
    intake = Intake()
    for number in range(100):
        begun = [begin(intake, str(index % 7)) for index in range(2 * QUICK_PLACES)]
        for _ in range(number % 5):
            await asyncio.sleep(0)
        begun[3][0].may_send.set()
        tasks: list[Any] = [task for _, task in begun]
        for task in tasks[number % 3 :: 2]:
            task.cancel()
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    begun = [begin(intake, str(number)) for number in range(QUICK_PLACES)]
    await settle()
    assert all(sender.has_begun for sender, _ in begun)
    for sender, task in begun:
        sender.may_send.set()
        await task

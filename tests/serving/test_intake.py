"""Messages that are received a few at a time."""

import asyncio
from typing import Any

import pytest

from server.errors import DeadlineExceeded, Overloaded
from server.serving.rpc import intake as module
from server.serving.rpc.intake import QUICK_PLACES, SLOW_PLACES, Intake
from tests.fakes import PATIENCE


@pytest.fixture(autouse=True)
def no_message_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, but for tests that set the time themselves."""
    monkeypatch.setattr(module, "QUICK_SECONDS", PATIENCE)


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


async def test_a_caller_s_calls_have_their_turns_in_the_order_in_which_they_came() -> None:
    intake = Intake()
    begun = [begin(intake, "one") for _ in range(QUICK_PLACES + 2)]
    await settle()
    for number in range(3):
        assert [sender.has_begun for sender, _ in begun] == [
            index < QUICK_PLACES + number for index in range(len(begun))
        ]
        begun[number][0].may_send.set()
        await settle()
    for sender, task in begun:
        sender.may_send.set()
        await task


async def test_a_call_that_comes_while_another_is_woken_does_not_take_its_place() -> None:
    intake = Intake()
    begun = [begin(intake, "many") for _ in range(QUICK_PLACES + 1)]
    await settle()
    begun[0][0].may_send.set()
    begun.append(begin(intake, "new"))  # has its first turn just after the first call has left
    await settle()
    assert [sender.has_begun for sender, _ in begun] == [True] * (QUICK_PLACES + 1) + [False]
    for sender, task in begun:
        sender.may_send.set()
        await task


async def test_a_call_that_is_cancelled_when_it_is_woken_leaves_its_place_to_the_next() -> None:
    intake = Intake()
    begun = [begin(intake, "many") for _ in range(QUICK_PLACES + 2)]
    await settle()
    begun[0][0].may_send.set()
    await asyncio.sleep(0)
    begun[QUICK_PLACES][1].cancel()
    await settle()
    assert [sender.has_begun for sender, _ in begun[QUICK_PLACES:]] == [False, True]
    for sender, _ in begun:
        sender.may_send.set()
    ends = await asyncio.gather(*(task for _, task in begun), return_exceptions=True)
    assert [type(end) for end in ends].count(asyncio.CancelledError) == 1


async def test_a_call_that_is_cancelled_while_its_message_comes_is_cancelled() -> None:
    _, task = begin(Intake(), "one")
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_call_that_is_refused_is_not_cancelled_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUICK_SECONDS", 0.005)
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.01)

    async def call() -> int:
        with pytest.raises(DeadlineExceeded):
            await Intake().receive("slow", Sender().receive)
        task = asyncio.current_task()
        assert task
        return task.cancelling()

    assert await asyncio.wait_for(asyncio.create_task(call()), PATIENCE) == 0


async def test_places_of_messages_that_become_slow_are_given_to_calls_that_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "QUICK_SECONDS", 1.0)
    intake = Intake()
    slow = [begin(intake, f"slow {number}") for number in range(SLOW_PLACES)]
    await asyncio.sleep(0.6)
    others = [begin(intake, f"other {number}") for number in range(QUICK_PLACES - SLOW_PLACES + 1)]
    await settle()
    assert not others[-1][0].has_begun
    while not others[-1][0].has_begun:
        await asyncio.sleep(0.005)
    assert not any(task.done() for _, task in [*slow, *others])
    for sender, task in [*slow, *others]:
        sender.may_send.set()
        await task


async def test_slow_places_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUICK_SECONDS", 0.005)
    intake = Intake()
    for _ in range(SLOW_PLACES + 2):
        sender, task = begin(intake, "slow")
        await asyncio.sleep(0.02)
        sender.may_send.set()
        assert await task == b"message"


async def test_a_call_whose_message_was_slow_has_all_time_for_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUICK_SECONDS", 0.005)
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.1)
    sender = Sender()

    async def answer() -> str:
        await intake.receive("slow", sender.receive)
        await asyncio.sleep(0.2)
        return "answered"

    intake = Intake()
    call = asyncio.create_task(answer())
    await asyncio.sleep(0.02)
    sender.may_send.set()
    assert await call == "answered"


async def test_a_caller_that_was_late_once_is_not_late_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUICK_SECONDS", 0.005)
    intake = Intake()
    sender, task = begin(intake, "late")
    await asyncio.sleep(0.02)
    sender.may_send.set()
    await task
    monkeypatch.setattr(module, "QUICK_SECONDS", PATIENCE)
    sender, task = begin(intake, "late")
    sender.may_send.set()
    await task
    begun = [begin(intake, "many") for _ in range(QUICK_PLACES)]
    await settle()
    begun += [begin(intake, "late"), begin(intake, "new")]
    await settle()
    begun[0][0].may_send.set()
    await settle()
    assert [sender.has_begun for sender, _ in begun[-2:]] == [True, False]
    for sender, task in begun:
        sender.may_send.set()
        await task


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


async def test_a_message_that_begins_shortly_before_places_are_looked_at_is_watched_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "QUICK_SECONDS", 0.05)
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.06)
    intake = Intake()
    first, done = begin(intake, "one")
    first.may_send.set()
    await done
    await asyncio.sleep(0.025)
    _, task = begin(intake, "slow")
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
    refused = [*[False] * (QUICK_PLACES + 2), True, False, True]
    assert [isinstance(end, Overloaded) for end in ended] == refused
    assert ended.count(b"message") == refused.count(False)


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

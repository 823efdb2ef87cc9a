"""When a version that is to leave is needed by nobody any more."""

import asyncio

import pytest

from server.serving.models.uses import Uses


async def test_nobody_needs_what_is_new() -> None:
    await asyncio.wait_for(Uses().wait_until_none(), 1)


async def test_a_use_that_begins_in_the_turn_in_which_another_ends_is_waited_for() -> None:
    uses = Uses()
    uses.begin()
    waiting = asyncio.create_task(uses.wait_until_none())
    await asyncio.sleep(0)
    for _ in range(3):
        uses.end()
        uses.begin()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
    uses.end()
    await asyncio.wait_for(waiting, 1)


async def test_uses_are_counted_however_they_end() -> None:
    uses = Uses()
    with uses.one():
        with pytest.raises(KeyError), uses.one():
            raise KeyError
        assert not uses.is_none
    assert uses.is_none

"""A client that leaves it to its own callers to come back says soon that no server is there, and waits for one that
restarts."""

import asyncio
import socket
import time
from contextlib import AsyncExitStack

import pytest

from seq2serve import AsyncClient, TranslationError, Unavailable, reachability
from tests.fakes import PATIENCE
from tests.seq2serve.scripted import scripted


@pytest.fixture
def address() -> str:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


async def test_what_is_away_for_longer_than_a_restart_is_said_soon(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reachability, "RESTART_SECONDS", 0.2)
    async with AsyncClient(address, awaits_lost=False) as client:
        await asyncio.sleep(0.5)
        for call in (client.translate("a"), client.list_models(), anext(client.stream("a"))):
            began = time.monotonic()
            with pytest.raises(Unavailable, match="no server could be reached for"):
                await call
            assert 1 < time.monotonic() - began < 2
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await client.translate("a", timeout=0.1)
        assert time.monotonic() - began < 0.5, "the caller's deadline rules"


async def test_a_server_that_comes_is_found_by_those_who_wait(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "RESTART_SECONDS", 0.2)
    monkeypatch.setattr(reachability, "WAIT_SECONDS", PATIENCE)
    async with AsyncClient(address, awaits_lost=False) as client:
        await asyncio.sleep(0.5)
        waiting = asyncio.create_task(client.translate("a"))
        await asyncio.sleep(0.1)
        async with scripted("here", listen=address):
            assert (await waiting).translated_text == "here"


async def test_closing_ends_the_wait(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "RESTART_SECONDS", 0.2)
    monkeypatch.setattr(reachability, "WAIT_SECONDS", PATIENCE)
    client = AsyncClient(address, awaits_lost=False)
    await asyncio.sleep(0.5)
    waiting = asyncio.create_task(client.translate("a"))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await client.close()
    with pytest.raises(TranslationError, match="the client is closed"):
        await waiting
    assert time.monotonic() - began < 1


async def test_no_call_is_lost_while_a_server_restarts(address: str) -> None:
    async with AsyncClient(address, awaits_lost=False) as client, AsyncExitStack() as second:
        async with scripted("first", listen=address):
            assert (await client.translate("a")).translated_text == "first"
        calls = []
        for number in range(25):
            if number == 20:
                await second.enter_async_context(scripted("second", listen=address))
            calls.append(asyncio.create_task(client.translate("a")))
            await asyncio.sleep(0.1)
        answers = await asyncio.gather(*calls)
    assert {answer.translated_text for answer in answers} == {"second"}

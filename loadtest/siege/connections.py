"""Attacks by TCP connections that speak no HTTP/2."""

import asyncio
import contextlib
import random

from loadtest.siege.attack import Outcome, Target

_HOLD_SECONDS = 2.0
_PATIENCE_SECONDS = 3.0

_TLS_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(range(40))
"""The first bytes of a ClientHello, which announces 512."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def silent_connections(target: Target) -> Outcome:
    """500 connections on which nothing is ever sent."""
    outcome = Outcome()
    async with contextlib.AsyncExitStack() as stack:
        connections = await _connect(target, 500, stack)
        greeted = await asyncio.gather(*(_is_greeted(reader) for reader, _ in connections))
        outcome.statuses["greeted"] = greeted.count(True)
        outcome.statuses["not greeted"] = greeted.count(False)
        outcome.check(all(greeted), "the server does not speak on some connections: are they established?")
        await asyncio.sleep(_HOLD_SECONDS)
    return outcome


async def garbage(target: Target) -> Outcome:
    """200 connections on which 4 kB of random bytes are sent."""
    noise = random.Random(13)
    return await _send_on_each(target, 200, [noise.randbytes(4000) for _ in range(200)])


async def tls_hello(target: Target) -> Outcome:
    """200 connections on which the beginning of a TLS handshake is sent."""
    return await _send_on_each(target, 200, [_TLS_HELLO] * 200)


async def descriptors(target: Target) -> Outcome:
    """1,500 connections, more than the server may have file descriptors: none may be left hanging."""
    outcome = Outcome()
    async with contextlib.AsyncExitStack() as stack:
        connections = await _connect(target, 1500, stack)
        greeted = await asyncio.gather(*(_is_greeted(reader) for reader, _ in connections))
        ended = [reader.at_eof() or reader.exception() is not None for reader, _ in connections]
        outcome.statuses["greeted"] = greeted.count(True)
        outcome.statuses["refused"] = 1500 - len(connections)
        for is_greeted, is_ended in zip(greeted, ended, strict=True):
            if not is_greeted:
                outcome.statuses["refused" if is_ended else "hanging"] += 1
        outcome.check(greeted.count(True) < 1500, "the server took them all: its limit was not reached")
        outcome.check(not outcome.statuses["hanging"], "connections were left hanging")
    return outcome


async def _send_on_each(target: Target, number: int, sent: list[bytes]) -> Outcome:
    outcome = Outcome()
    async with contextlib.AsyncExitStack() as stack:
        connections = await _connect(target, number, stack)
        for (_, writer), data in zip(connections, sent, strict=True):
            writer.write(data)
        ended = await asyncio.gather(*(_is_ended(reader) for reader, _ in connections))
        outcome.statuses["closed by the server"] = ended.count(True)
        outcome.statuses["left open"] = ended.count(False)
    return outcome


async def _connect(target: Target, number: int, stack: contextlib.AsyncExitStack) -> list[Streams]:
    """Those that are not refused."""
    connections = []
    for _ in range(number):
        try:
            opening = asyncio.open_connection(target.host, target.port)
            reader, writer = await asyncio.wait_for(opening, _PATIENCE_SECONDS)
        except OSError:
            continue
        stack.callback(writer.close)
        connections.append((reader, writer))
    return connections


async def _is_greeted(reader: asyncio.StreamReader) -> bool:
    """Whether the server sends the SETTINGS with which it begins: the connection is more than the kernel's promise."""
    with contextlib.suppress(OSError, TimeoutError):
        return bool(await asyncio.wait_for(reader.read(9), _PATIENCE_SECONDS))
    return False


async def _is_ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server closes the connection within the time that it is held."""
    try:
        await asyncio.wait_for(reader.read(-1), _HOLD_SECONDS)
    except TimeoutError:
        return False
    except OSError:
        return True
    return True

"""Attacks on the server's processes: one that decodes is killed, and the server is told to end."""

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import grpc

from loadtest.memory import family
from loadtest.siege.attack import SENTENCES, Outcome, Target
from loadtest.siege.calls import (
    DEADLINE_SECONDS,
    LIST_MODELS,
    STREAM_TRANSLATE,
    TRANSLATE,
    open_channel,
    record,
    record_stream,
    server_stream,
    translate_request,
    unary,
)
from seq2serve.pb import translation_pb2 as pb

_PATIENCE_SECONDS = 10.0
"""For a killed engine to be back, and for a server to end."""


async def killed_engine(target: Target) -> Outcome:
    """Of a model that the honest client does not call, the process that decodes is killed amid 16 calls."""
    outcome = Outcome()
    async with open_channel(target.address) as channel:
        listed = pb.ListModelsResponse.FromString(await unary(channel, LIST_MODELS)(b"", timeout=5))
        model = next(model.name for model in listed.models if not model.is_default)
        method = unary(channel, TRANSLATE)
        requests = [translate_request(text, model=model) for text in SENTENCES]
        ends = time.monotonic() + 2.0

        async def call_again_and_again(number: int) -> None:
            while time.monotonic() < ends:
                await record(outcome, method(requests[number], timeout=DEADLINE_SECONDS))
                number = (number + 16) % len(requests)

        calls = [asyncio.create_task(call_again_and_again(number)) for number in range(16)]
        victim = await _busiest_child(target.pid)
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        outcome.count("killed")
        await asyncio.gather(*calls)
        outcome.stop_sending()
        while time.monotonic() < killed + _PATIENCE_SECONDS:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await method(requests[0], timeout=1)
                break
            await asyncio.sleep(0.1)
        else:
            outcome.check(False, f"{model} does not translate again within {_PATIENCE_SECONDS:.0f} s")
    return outcome


async def drained(target: Target) -> Outcome:
    """200 streams that are opened 0.1 s before SIGTERM."""
    outcome = Outcome()
    async with contextlib.AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(open_channel(target.address)) for _ in range(8)]
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        calls = []
        for index in range(200):
            request = translate_request(*(SENTENCES[(index + part) % len(SENTENCES)] for part in range(8)))
            call = server_stream(channels[index % 8], STREAM_TRANSLATE)(request, timeout=DEADLINE_SECONDS)
            calls.append(asyncio.create_task(record_stream(outcome, call)))
        await asyncio.sleep(0.1)
        os.kill(target.pid, signal.SIGTERM)
        outcome.stop_sending()
        await asyncio.gather(*calls)
    return outcome


async def _busiest_child(pid: int) -> int:
    """The process that works most within half a second, of those that a process has started."""
    before = {child: _cpu_ticks(child) for child in family(pid)[1:]}
    await asyncio.sleep(0.5)
    return max(before, key=lambda child: _cpu_ticks(child) - before[child])


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])

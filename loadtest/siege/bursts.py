"""Attacks by many legal calls: bursts, overload, streams, bulk, and callers that change their minds."""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Iterator
from typing import Any

from loadtest.siege.attack import SENTENCES, Outcome, Target
from loadtest.siege.calls import (
    DEADLINE_SECONDS,
    STREAM_TRANSLATE,
    TRANSLATE,
    Method,
    open_channel,
    record,
    record_all,
    record_stream,
    server_stream,
    translate_request,
    unary,
)

_BURST_CALLS = 10_000
_LOAD_PROCESSES = 2
"""Of which each attack below does its share: one interpreter starts some 2,500 calls a second."""

_KNEE_CALLS_IN_FLIGHT = 32 // _LOAD_PROCESSES
_KNEE_SECONDS = 2.0
_OVERLOAD = 3.0
"""Times the knee."""
_LEAST_OVERLOAD = 2.5
_OVERLOAD_SECONDS = 4.0
_SECONDS = 3.0


async def burst_on_one_connection(target: Target) -> Outcome:
    """10,000 calls at once."""
    return await _burst(target, num_connections=1, num_calls=_BURST_CALLS)


async def burst_on_fifty_connections(target: Target) -> Outcome:
    """10,000 calls at once, of two processes, each with half of them and half of the connections."""
    return await _burst(target, 50 // _LOAD_PROCESSES, _BURST_CALLS // _LOAD_PROCESSES)


async def overload(target: Target) -> Outcome:
    """Its own knee first: as many answers as 32 calls in flight get. Then three times as many, as they come."""
    outcome = Outcome()
    requests = [translate_request(text) for text in SENTENCES]
    async with contextlib.AsyncExitStack() as stack:
        methods = await _connect(target, 4, stack)
        knee = await _answers_per_second(methods, requests)
        await asyncio.sleep(0.5)
        rate, chance = _OVERLOAD * knee, random.Random(13)
        calls: list[asyncio.Task[Any]] = []
        started, offset = time.monotonic(), 0.0
        while (offset := offset + chance.expovariate(rate)) < _OVERLOAD_SECONDS:
            delay = started + offset - time.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
            number = len(calls)
            call = methods[number % 4](requests[number % len(requests)], timeout=DEADLINE_SECONDS)
            calls.append(asyncio.create_task(record(outcome, call, started + offset)))
        outcome.stop_sending()
        seconds = time.monotonic() - started
        num_answered = outcome.statuses["OK"]
        await asyncio.gather(*calls)
    outcome.count("knee/s", knee)
    outcome.count("offered/s", len(calls) / seconds)
    outcome.count("goodput/s", num_answered / seconds)
    outcome.check(len(calls) / seconds > _LEAST_OVERLOAD * knee, "the generator did not keep up: this was no overload")
    return outcome


async def streams(target: Target) -> Outcome:
    """200 streams of 8 contents at once on 8 connections, again and again."""
    outcome = Outcome()
    texts = itertools.cycle(SENTENCES)
    async with contextlib.AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(open_channel(target.address)) for _ in range(8)]
        ends = time.monotonic() + _SECONDS
        while time.monotonic() < ends:
            requests = [translate_request(*itertools.islice(texts, 8)) for _ in range(200)]
            calls = [
                server_stream(channel, STREAM_TRANSLATE)(request, timeout=DEADLINE_SECONDS)
                for channel, request in zip(itertools.cycle(channels), requests, strict=False)
            ]
            await asyncio.gather(*(record_stream(outcome, call) for call in calls))
    return outcome


async def bulk(target: Target) -> Outcome:
    """Four calls of 128 sentences in flight on one connection."""
    outcome = Outcome()
    texts = itertools.cycle(SENTENCES)
    async with open_channel(target.address) as channel:
        ends = time.monotonic() + _SECONDS

        async def call_again_and_again() -> None:
            while time.monotonic() < ends:
                request = translate_request(*itertools.islice(texts, 128))
                await record(outcome, unary(channel, TRANSLATE)(request, timeout=DEADLINE_SECONDS))

        await asyncio.gather(*(call_again_and_again() for _ in range(4)))
    return outcome


async def cancelled(target: Target) -> Outcome:
    """Three times 1,000 calls that are opened at once on ten connections, and all cancelled 50 ms later."""
    outcome = Outcome()
    async with contextlib.AsyncExitStack() as stack:
        methods = await _connect(target, 10, stack)
        for _ in range(3):
            started = time.monotonic()
            calls = [
                method(translate_request(text), timeout=DEADLINE_SECONDS)
                for method, text in zip(itertools.islice(itertools.cycle(methods), 1000), _texts(), strict=False)
            ]
            await asyncio.sleep(0.05)
            cancelled = [call for call in calls if call.cancel()]
            outcome.statuses["given up"] += len(cancelled)
            given_up = set(map(id, cancelled))
            await record_all(outcome, (call for call in calls if id(call) not in given_up), started)
            await asyncio.sleep(0.5)
    return outcome


async def short_deadlines(target: Target) -> Outcome:
    """1,500 calls whose deadline is over when they are sent, or 1 ms or 5 ms later."""
    outcome = Outcome()
    async with contextlib.AsyncExitStack() as stack:
        methods = await _connect(target, 10, stack)
        for seconds in (0.0, 0.001, 0.005):
            texts, started = itertools.islice(_texts(), 500), time.monotonic()
            calls = [methods[index % 10](translate_request(text), timeout=seconds) for index, text in enumerate(texts)]
            await record_all(outcome, calls, started)
    return outcome


async def _burst(target: Target, num_connections: int, num_calls: int) -> Outcome:
    outcome = Outcome()
    async with contextlib.AsyncExitStack() as stack:
        methods = await _connect(target, num_connections, stack)
        requests = [translate_request(text) for text in SENTENCES]
        started = time.monotonic()
        calls = [
            methods[index % num_connections](requests[index % len(requests)], timeout=DEADLINE_SECONDS)
            for index in range(num_calls)
        ]
        outcome.stop_sending()
        await record_all(outcome, calls, started)
    return outcome


async def _connect(target: Target, number: int, stack: contextlib.AsyncExitStack) -> list[Method]:
    """The method Translate of each of so many connections, which are established."""
    channels = [await stack.enter_async_context(open_channel(target.address)) for _ in range(number)]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    return [unary(channel, TRANSLATE) for channel in channels]


async def _answers_per_second(methods: list[Method], requests: list[bytes]) -> float:
    """Of a closed loop."""
    outcome = Outcome()
    upcoming = itertools.cycle(requests)
    ends = time.monotonic() + _KNEE_SECONDS

    async def call_again_and_again(method: Method) -> None:
        while time.monotonic() < ends:
            await record(outcome, method(next(upcoming), timeout=DEADLINE_SECONDS))

    await asyncio.gather(*(call_again_and_again(methods[index % 4]) for index in range(_KNEE_CALLS_IN_FLIGHT)))
    return outcome.statuses["OK"] / _KNEE_SECONDS


def _texts() -> Iterator[str]:
    return itertools.cycle(SENTENCES)

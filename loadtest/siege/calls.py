"""gRPC calls of the attackers, and how they are counted."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import grpc

from loadtest.siege.attack import Outcome
from seq2serve.pb import translation_pb2 as pb

SERVICE = "/translation.v1.TranslationService"
TRANSLATE = f"{SERVICE}/Translate"
STREAM_TRANSLATE = f"{SERVICE}/StreamTranslate"
SCORE = f"{SERVICE}/Score"
LIST_MODELS = f"{SERVICE}/ListModels"

DEADLINE_SECONDS = 20.0
"""Of the attackers' calls that have no reason for another."""

STREAM_REFUSED = "UNAVAILABLE (stream refused)"
"""HTTP/2 has refused the stream, which nothing of the server's but the limit of streams has seen."""

Method = Callable[..., Any]
"""A method of a connection: takes a request's bytes and a timeout, and returns the call; its answer is bytes."""

_RETRIES = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def open_channel(address: str) -> grpc.aio.Channel:
    """A connection of its own, that retries what is UNAVAILABLE, as every client of a service should."""
    options: list[tuple[str, Any]] = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0),
        ("grpc.service_config", json.dumps(_RETRIES)),
        ("grpc.max_receive_message_length", -1),
    ]
    return grpc.aio.insecure_channel(address, options)


def unary(channel: grpc.aio.Channel, path: str) -> Method:
    return channel.unary_unary(path)


def server_stream(channel: grpc.aio.Channel, path: str) -> Method:
    return channel.unary_stream(path)


def translate_request(*contents: str, model: str = "", **decoding: Any) -> bytes:
    """Serialised, so that a call costs the attacker as little as may be."""
    options = pb.DecodingOptions(**decoding)
    return pb.TranslateRequest(contents=contents, model=model, decoding=options).SerializeToString()


def status_name(error: grpc.aio.AioRpcError) -> str:
    if error.code() is grpc.StatusCode.UNAVAILABLE and "RST_STREAM" in (error.details() or ""):
        return STREAM_REFUSED
    return error.code().name


async def record(outcome: Outcome, call: Awaitable[Any], started: float | None = None) -> grpc.aio.AioRpcError | None:
    """Wait for a unary call, and count how it ended. Returns its error, if it has one.

    `started`: when it did or was meant to, in seconds of the monotonic clock, if not now.
    """
    if started is None:
        started = time.monotonic()
    try:
        await call
    except grpc.aio.AioRpcError as error:
        outcome.statuses[status_name(error)] += 1
        if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
            outcome.refused_ms.append((time.monotonic() - started) * 1e3)
        return error
    outcome.statuses["OK"] += 1
    outcome.answered_ms.append((time.monotonic() - started) * 1e3)
    return None


async def record_all(outcome: Outcome, calls: Iterable[Awaitable[Any]], started: float) -> None:
    """Wait for unary calls that started together."""
    await asyncio.gather(*(record(outcome, call, started) for call in calls))


async def record_stream(outcome: Outcome, call: Any) -> None:
    """Read a stream to its end, and count how it ended."""
    try:
        async for _ in call:
            outcome.count("messages")
    except grpc.aio.AioRpcError as error:
        outcome.statuses[status_name(error)] += 1
    else:
        outcome.statuses["OK"] += 1

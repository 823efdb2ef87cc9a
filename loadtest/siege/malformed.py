"""Calls that are wrong: what is no protobuf, what no method takes, and what is too large."""

import asyncio
import contextlib
import time

import grpc

from loadtest.siege.attack import SENTENCES, Outcome, Target
from loadtest.siege.calls import (
    DEADLINE_SECONDS,
    LIST_MODELS,
    SERVICE,
    STREAM_TRANSLATE,
    TRANSLATE,
    open_channel,
    record,
    record_all,
    status_name,
    translate_request,
    unary,
)
from seq2serve.pb import translation_pb2 as pb

_MALFORMED = b"\x0a\xff\xff\xff"
_INVALID_UTF8 = b"\x0a\x02\xc3\x28"
_NUM_EACH = 100

_WRONG = {
    "malformed protobuf": (TRANSLATE, _MALFORMED, "INVALID_ARGUMENT"),
    "malformed protobuf to a stream": (STREAM_TRANSLATE, _MALFORMED, "INVALID_ARGUMENT"),
    "invalid UTF-8": (TRANSLATE, _INVALID_UTF8, "INVALID_ARGUMENT"),
    "empty message": (TRANSLATE, b"", "INVALID_ARGUMENT"),
    "unknown field": (LIST_MODELS, b"\xfa\x01\x02hi", "OK"),
    "unknown method": (f"{SERVICE}/Transmogrify", b"", "UNIMPLEMENTED"),
    "unknown service": ("/translation.v9.Nothing/Translate", b"", "UNIMPLEMENTED"),
    "no path": ("/", b"", "UNIMPLEMENTED"),
}
"""What is called with which bytes, and how that ends."""

_REQUEST_ID = "x-request-id"
_INTERNALS = ("Traceback", "Exception", "DecodeError", "google.", "Error:")
"""What no client should read in a status."""


async def malformed(target: Target) -> Outcome:
    """100 calls of each kind of wrong call."""
    outcome = Outcome()
    async with open_channel(target.address) as channel:
        for what, (path, message, expected) in _WRONG.items():
            for _ in range(_NUM_EACH):
                call = unary(channel, path)(message, timeout=DEADLINE_SECONDS)
                error = await record(outcome, call)
                status = status_name(error) if error else "OK"
                outcome.check(status == expected, f"{what}: {expected} expected, got {status}")
                if error and expected == "INVALID_ARGUMENT":
                    trailing = dict(error.trailing_metadata() or ())
                    outcome.check(_REQUEST_ID in trailing, f"{what}: a status without a request id")
                    told = [word for word in _INTERNALS if word in (error.details() or "")]
                    outcome.check(not told, f"{what}: the status tells internals: {error.details()}")
    return outcome


async def gzip_bomb(target: Target) -> Outcome:
    """Three messages of 200 MB that are 200 kB on the wire."""
    outcome = Outcome()
    async with open_channel(target.address) as channel:
        bomb = b"\0" * 200_000_000
        for _ in range(3):
            call = unary(channel, TRANSLATE)(bomb, timeout=DEADLINE_SECONDS, compression=grpc.Compression.Gzip)
            await record(outcome, call)
    return outcome


async def refused_megabytes(target: Target) -> Outcome:
    """150 calls of 5 MB that are refused, four at a time, and then 150 at once."""
    outcome = Outcome()
    request = pb.TranslateRequest(contents=["x" * 5_000_000]).SerializeToString()
    async with contextlib.AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(open_channel(target.address)) for _ in range(15)]
        methods = [unary(channel, TRANSLATE) for channel in channels]

        async def one_after_another(number: int) -> None:
            for _ in range(number):
                await record(outcome, methods[0](request, timeout=DEADLINE_SECONDS))

        await asyncio.gather(*(one_after_another(150 // 4) for _ in range(4)))
        started = time.monotonic()
        calls = (methods[index % 15](request, timeout=DEADLINE_SECONDS) for index in range(150))
        await record_all(outcome, calls, started)
        error = await record(outcome, methods[0](translate_request(SENTENCES[0]), timeout=DEADLINE_SECONDS))
        outcome.check(error is None, "a small call after the large ones is refused")
    return outcome

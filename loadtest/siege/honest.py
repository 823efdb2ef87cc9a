"""The honest client: a single sentence every 50 ms, and ListModels now and then.

`python -m loadtest.siege.honest ADDRESS` writes one line of JSON when it starts, and one for each call that has ended,
until it is ended itself. It is a process of its own, so that its latencies are the server's and not those of another
client's interpreter. A call's latency counts from when it was meant to start.
"""

import asyncio
import contextlib
import itertools
import json
import os
import sys
import time

import grpc

from loadtest.siege.calls import LIST_MODELS, TRANSLATE, open_channel, translate_request, unary

INTERVAL_SECONDS = 0.05
LIST_EVERY = 8
"""Of so many calls one is ListModels."""

_SENTENCE = "Two young men are playing guitar in the park."
_DEADLINE_SECONDS = 10.0
_PRIORITY = -10


async def run(address: str) -> None:
    with contextlib.suppress(PermissionError):  # it would have a machine of its own: attackers should not slow itself
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    request = translate_request(_SENTENCE)
    async with open_channel(address) as channel:
        translate, list_models = unary(channel, TRANSLATE), unary(channel, LIST_MODELS)
        await translate(request, timeout=_DEADLINE_SECONDS, wait_for_ready=True)  # connects
        started = time.monotonic()
        print(json.dumps({"started": started}), flush=True)

        async def call(number: int, meant: float) -> None:
            lists = number % LIST_EVERY == LIST_EVERY - 1
            late = time.monotonic() - meant
            status = "OK"
            try:
                await (list_models if lists else translate)(b"" if lists else request, timeout=_DEADLINE_SECONDS)
            except grpc.aio.AioRpcError as error:
                status = error.code().name
            record = {
                "number": number,
                "method": "ListModels" if lists else "Translate",
                "meant": meant,
                "milliseconds": (time.monotonic() - meant) * 1e3,
                "late_ms": late * 1e3,
                "status": status,
            }
            print(json.dumps(record), flush=True)

        calls = set()
        for number in itertools.count():
            meant = started + number * INTERVAL_SECONDS
            await asyncio.sleep(max(0.0, meant - time.monotonic()))
            task = asyncio.create_task(call(number, meant))
            calls.add(task)
            task.add_done_callback(calls.discard)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))

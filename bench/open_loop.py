"""Calls that arrive by a Poisson process, whether or not the server keeps up: lines of JSON in, lines of JSON out.

`python -m bench.open_loop ADDRESS`; an order is {"texts", "rate", "seconds", "seed"}. A call's latency counts
from when it was meant to start, so that a slow server cannot hide its queue, nor a late generator its delay.
"""

import asyncio
import json
import sys
import time
from typing import Any

import grpc
import numpy as np

from seq2serve.pb import translation_pb2 as pb

METHOD = "/translation.v1.TranslationService/Translate"
MODEL = "transformer-en-fr"
NUM_CHANNELS = 4
WARM_UP_SECONDS = 1.0
"""Seconds at the start of each order whose calls are not counted."""

DEADLINE_SECONDS = 5.0


async def drive(methods: list[Any], texts: list[str], rate: float, seconds: float, seed: int) -> dict[str, Any]:
    """The latencies of the calls that succeeded, in milliseconds, and the number of the others, by status.

    Requests are serialised before the first call, and answers stay as they are, to leave the cores to the server.
    """
    generator = np.random.default_rng(seed)
    number = int(rate * (WARM_UP_SECONDS + seconds))
    arrivals = np.cumsum(generator.exponential(1 / rate, number)).tolist()
    requests = [pb.TranslateRequest(model=MODEL, contents=[text]).SerializeToString() for text in texts]
    chosen = generator.integers(len(texts), size=number).tolist()
    latencies: list[float] = []
    errors: dict[str, int] = {}
    started = time.perf_counter() + 0.05

    async def call(index: int) -> None:
        counts = arrivals[index] >= WARM_UP_SECONDS
        try:
            await methods[index % len(methods)](requests[chosen[index]], timeout=DEADLINE_SECONDS)
            if counts:
                latencies.append((time.perf_counter() - started - arrivals[index]) * 1e3)
        except grpc.aio.AioRpcError as error:
            if counts:
                errors[error.code().name] = errors.get(error.code().name, 0) + 1

    cpu = time.process_time()
    calls = []
    for index, arrival in enumerate(arrivals):
        delay = started + arrival - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        calls.append(asyncio.create_task(call(index)))
    sent = time.perf_counter() - started
    cpu = (time.process_time() - cpu) / sent
    await asyncio.gather(*calls)
    return {
        "latencies": latencies,
        "errors": errors,
        "seconds": time.perf_counter() - started,
        "generator_cpu": cpu,
    }


async def main() -> None:
    # A channel of its own connection each: calls of one connection share a lock in the server.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(sys.argv[1], options) for _ in range(NUM_CHANNELS)]
    methods: list[Any] = [channel.unary_unary(METHOD) for channel in channels]
    for line in sys.stdin:
        print(json.dumps(await drive(methods, **json.loads(line))), flush=True)
    for channel in channels:
        await channel.close()


if __name__ == "__main__":
    asyncio.run(main())

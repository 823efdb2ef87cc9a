"""Calls that arrive by a Poisson process, whether or not the server keeps up: lines of JSON in, lines of JSON out.

`python -m bench.open_loop ADDRESS`; an order has the arguments of `drive`, and has two answers: when the last call was
sent, on the machine's monotonic clock, as soon as it was, and what became of all. A call's latency counts from when it
was meant to start, so that a slow server cannot hide its queue, nor a late generator its delay.
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
NUM_CHANNELS = 4
WARM_UP_SECONDS = 1.0
"""Seconds at the start of each order whose calls are not counted."""

DEADLINE_SECONDS = 5.0

OK = "OK"


async def drive(
    methods: list[Any],
    model: str,
    texts: list[str],
    rate: float,
    seconds: float,
    seed: list[int],
    use_shortlist: bool = False,
) -> dict[str, Any]:
    """Calls that were meant to start in the `seconds` after the warm-up, by how they ended:

    - latencies: milliseconds of each call, by status;
    - answered: how many succeeded in those seconds, whenever they were meant to start;
    - seconds: until the last call had ended;
    - generator_cpu: cores that the generator used; late_ms: by how much it was late with a call, 99th percentile.

    Requests are serialised before the first call, and answers stay as they are, to leave the cores to the server.
    """
    generator = np.random.default_rng(seed)
    number = int(rate * (WARM_UP_SECONDS + seconds))
    arrivals = np.cumsum(generator.exponential(1 / rate, number)).tolist()
    decoding = pb.DecodingOptions(use_shortlist=use_shortlist)
    requests = [
        pb.TranslateRequest(model=model, contents=[text], decoding=decoding).SerializeToString() for text in texts
    ]
    chosen = generator.integers(len(texts), size=number).tolist()
    latencies: dict[str, list[float]] = {}
    answered = 0
    started = time.monotonic() + 0.05

    async def call(index: int) -> None:
        nonlocal answered
        status = OK
        try:
            await methods[index % len(methods)](requests[chosen[index]], timeout=DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            status = error.code().name
        now = time.monotonic() - started
        answered += status == OK and WARM_UP_SECONDS <= now < WARM_UP_SECONDS + seconds
        if arrivals[index] >= WARM_UP_SECONDS:
            latencies.setdefault(status, []).append((now - arrivals[index]) * 1e3)

    cpu = time.process_time()
    calls, late = [], []
    for index, arrival in enumerate(arrivals):
        delay = started + arrival - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        late.append(time.monotonic() - started - arrival)
        calls.append(asyncio.create_task(call(index)))
    sent = time.monotonic()
    cpu = (time.process_time() - cpu) / (sent - started)
    print(json.dumps({"sent": sent}), flush=True)
    await asyncio.gather(*calls)
    return {
        "latencies": latencies,
        "answered": answered,
        "seconds": time.monotonic() - started,
        "generator_cpu": cpu,
        "late_ms": float(np.percentile(late, 99)) * 1e3,
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

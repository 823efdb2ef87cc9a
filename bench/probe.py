"""What one caller sees who sends a call after the other: lines of JSON in, lines of JSON out.

`python -m bench.probe ADDRESS`; an order is {"model", "seconds"}.
"""

import json
import sys
import time

import grpc

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc

TEXT = "A man is reading a book in the park."
PAUSE_SECONDS = 0.02
"""Between an answer and the next call."""
DEADLINE_SECONDS = 5.0


def probe(stub: pb_grpc.TranslationServiceStub, model: str, seconds: float) -> dict[str, list[float]]:
    """`starts` of calls on the machine's monotonic clock, and their `latencies` in milliseconds, infinite of those that
    failed."""
    request = pb.TranslateRequest(model=model, contents=[TEXT])
    starts, latencies = [], []
    end = time.monotonic() + seconds
    while (started := time.monotonic()) < end:
        try:
            stub.Translate(request, timeout=DEADLINE_SECONDS)
            latencies.append((time.monotonic() - started) * 1e3)
        except grpc.RpcError:
            latencies.append(float("inf"))
        starts.append(started)
        time.sleep(PAUSE_SECONDS)
    return {"starts": starts, "latencies": latencies}


def main() -> None:
    with grpc.insecure_channel(sys.argv[1]) as channel:
        stub = pb_grpc.TranslationServiceStub(channel)
        for line in sys.stdin:
            print(json.dumps(probe(stub, **json.loads(line))), flush=True)


if __name__ == "__main__":
    main()

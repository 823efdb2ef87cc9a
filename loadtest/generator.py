"""A process that makes load, by Locust: lines of JSON in, lines of JSON out.

`python -m loadtest.generator`; the first line has the options of `loadtest.connections.connect`, each further one
the keyword arguments of `drive`, and is answered by a line with what `drive` returns. The process waits, and takes no
time, while others are measured.
"""

import gc
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format
from locust.env import Environment

from loadtest.calls import DEADLINE_SECONDS, Answer, Caller, serialise_requests
from loadtest.connections import connect
from loadtest.records import Method
from loadtest.users import Job, TranslationUser
from seq2serve.pb import translation_pb2 as pb


class Collected:
    """What became of the calls, as Locust's events tell it."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, float, float, Answer | None, Any]] = []
        """When each was due, began and ended, by `time.perf_counter`, and its answer or its error."""

    def add(self, response_time: float, response: Answer | None, exception: Any, context: Any, **_: Any) -> None:
        due: float = context["due"]
        self.calls.append((due, context["began"], due + response_time / 1e3, response, exception))

    def describe(self, opened: float, closed: float) -> dict[str, Any]:
        """Fields of `loadtest.records.Record`, of the calls that were due from `opened` to `closed`; besides, how late
        each began, and what the answered ones took from their real beginning."""
        counted = [one for one in self.calls if opened <= one[0] < closed]
        answered = [(due, ended, answer) for due, _, ended, answer, _ in counted if answer]
        streams = [(due, answer.texts) for due, _, answer in answered if answer.texts]
        return {
            "due": len(counted),
            "latencies_ms": [_milliseconds(due, ended) for due, ended, _ in answered],
            "source_tokens": [answer.source_tokens for _, _, answer in answered],
            "output_tokens": sum(answer.output_tokens for _, _, answer in answered),
            "first_text_ms": [_milliseconds(due, texts[0]) for due, texts in streams],
            "between_texts_ms": [_milliseconds(*both) for _, texts in streams for both in itertools.pairwise(texts)],
            "errors": Counter(error.code().name for *_, answer, error in counted if answer is None),
            "from_begin_ms": [_milliseconds(began, ended) for _, began, ended, answer, _ in counted if answer],
            "all_late_ms": [_milliseconds(due, began) for due, began, *_ in counted],
        }


def drive(
    caller: Caller,
    *,
    name: str,
    model: str,
    decoding: dict[str, object],
    method: Method,
    pair: tuple[str, str],
    texts: Sequence[str],
    rate: float,
    users: int,
    warm_up: float,
    seconds: float,
    seed: int,
) -> dict[str, Any]:
    """Make load for `warm_up` and `seconds`, and wait for all calls. `rate`: arrivals a second, 0 for a closed loop of
    `users`.

    Returns what `Collected.describe` does, and `started` and `generator_cpu` as a record has them.
    """
    requests = serialise_requests(model, json_format.ParseDict(decoding, pb.DecodingOptions()), pair, texts)
    job = Job(name=name, caller=caller, method=method, requests=requests, rate=rate, chooser=random.Random(seed))
    TranslationUser.job = job
    collected = Collected()
    environment = Environment(user_classes=[TranslationUser], stop_timeout=2 * DEADLINE_SECONDS)
    environment.events.request.add_listener(collected.add)
    runner = environment.create_local_runner()
    gc.collect()
    begun, cpu = time.perf_counter(), time.process_time()
    opened = begun + warm_up
    job.since, job.until = begun, opened + seconds
    runner.start(users or 1, spawn_rate=users or 1)
    started = time.time() + warm_up
    time.sleep(warm_up + seconds)  # Locust has patched it: the users run meanwhile
    closed, cpu = time.perf_counter(), time.process_time() - cpu
    runner.quit()
    job.calls.join()
    return collected.describe(opened, job.until) | {"started": started, "generator_cpu": cpu / (closed - begun)}


def main() -> None:
    caller = Caller(connect(json.loads(sys.stdin.readline())))
    gc.freeze()
    gc.set_threshold(gc.get_threshold()[0], 10, 1000)  # a full collection holds up every call that is due meanwhile
    for line in sys.stdin:
        print(json.dumps(drive(caller, **json.loads(line))), flush=True)
    caller.close()


def _milliseconds(start: float, end: float) -> float:
    return round((end - start) * 1e3, 3)


if __name__ == "__main__":
    main()

"""A model with two engines, seen by its clients."""

import asyncio
import urllib.request
from collections import Counter
from typing import Any, ClassVar, cast

from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.bundle.manifest import Bundle
from server.decoding.graphs.backend import Backend, BackendOptions
from server.decoding.scores import StepScores
from tests.conftest import Repositories
from tests.integration.served import DEFAULT_MODEL, Served, serving
from tests.small_models import SENTENCES

CONTENTS = [f"{first} {second}" for first in SENTENCES for second in SENTENCES][:60]


class Counting(Backend):
    """Counts the steps of every row, by engine."""

    num_rows: ClassVar[Counter[int]] = Counter()

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        super().__init__(bundle, options)
        self._number = len(self.num_rows)
        self.num_rows[self._number] = 0

    def step(self, num_rows: int) -> StepScores:
        self.num_rows[self._number] += num_rows
        return super().step(num_rows)


async def test_a_request_is_decoded_by_both_engines_and_translated_as_by_one(repository_of: Repositories) -> None:
    async def translated(served: Served, decoding: dict[str, Any]) -> list[str]:
        answer = await served.translate(*CONTENTS, decoding=decoding)
        return [translation.translated_text for translation in answer.translations]

    options: list[dict[str, Any]] = [{}, {"beam_size": 3}]
    async with serving(repository_of("rnn", "lstm"), open_backend=Backend) as served:
        expected = [await translated(served, decoding) for decoding in options]
        num_sentences = await served.metric("seq2serve_rows_joined_total", model=DEFAULT_MODEL)
    Counting.num_rows.clear()
    engines = f"{DEFAULT_MODEL}=2"
    async with serving(repository_of("rnn", "lstm"), open_backend=Counting, max_rows=8, engines=engines) as served:
        got = await asyncio.gather(*(translated(served, decoding) for decoding in options))
        assert got == expected
        busy = sorted(Counting.num_rows.values())[-2:]
        assert busy[0] > 0.5 * busy[1]
        assert await served.metric("seq2serve_engines", model=DEFAULT_MODEL) == 2
        assert await served.metric("seq2serve_engines", model="lstm-en-fr") == 1
        assert await served.metric("seq2serve_rows_joined_total", model=DEFAULT_MODEL) == num_sentences


async def test_no_series_is_shown_twice(repository_of: Repositories) -> None:
    async with serving(repository_of("rnn", "lstm"), engines="2") as served:
        await served.translate(*CONTENTS)
        url = f"http://127.0.0.1:{served.app.metrics_port}/metrics"
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(url).read().decode())
        names = Counter(line.rpartition(" ")[0] for line in text.splitlines())
        assert names['seq2serve_engine_restarts_total{model="lstm-en-fr",version="1"}'] == 1
        assert {name for name, number in names.items() if number > 1} == set()


async def test_health_is_also_that_of_each_model(repository_of: Repositories) -> None:
    async with serving(repository_of("rnn", "lstm")) as served:
        stub: Any = health_pb2_grpc.HealthStub(cast(Any, served.channel))
        for model in (DEFAULT_MODEL, "lstm-en-fr"):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=f"model:{model}"))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        states = aiter(stub.Watch(health_pb2.HealthCheckRequest(service="model:lstm-en-fr")))
        assert (await anext(states)).status == health_pb2.HealthCheckResponse.SERVING
        stopping = asyncio.ensure_future(served.stop())
        assert (await anext(states)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await stopping

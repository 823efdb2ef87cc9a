import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

from loadtest.records import ServerSide
from loadtest.server_side import Samples, quantile, read_samples, scrape, server_side
from seq2serve.addresses import Address

BOUNDS = (0.01, 0.02, 0.05, 0.1)


class Server:
    """Series with the names of the server's."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "seq2serve_request_seconds", "x", ("model", "outcome"), buckets=BOUNDS, registry=self.registry
        )
        self.ended = Counter("seq2serve_requests", "x", ("model", "outcome"), registry=self.registry)
        self.rows = Histogram("seq2serve_batch_rows", "x", ("model",), buckets=(1, 2, 4), registry=self.registry)
        self.tokens = Counter("seq2serve_tokens", "x", ("model", "direction"), registry=self.registry)
        self.padding = Counter("seq2serve_padding_tokens", "x", ("model",), registry=self.registry)
        self.engine = Counter("seq2serve_engine_process_cpu_seconds", "x", ("model", "engine"), registry=self.registry)
        self.serving = Counter("process_cpu_seconds", "x", registry=self.registry)

    def samples(self) -> Samples:
        return read_samples(generate_latest(self.registry).decode())

    def answer(self, model: str, seconds: float, outcome: str = "ok") -> None:
        self.requests.labels(model, outcome).observe(seconds)
        self.ended.labels(model, outcome).inc()


def test_what_happened_in_between_to_one_model_alone() -> None:
    server = Server()
    for _ in range(50):
        server.answer("a", 9.0)
    server.engine.labels("a", "0").inc(7)
    server.serving.inc(3)
    before = server.samples()
    for number in range(100):
        server.answer("a", 0.011 if number < 60 else 0.049)
        server.answer("b", 0.2)
    server.answer("a", 0.2, outcome="cancelled")
    for rows in (1, 1, 4):
        server.rows.labels("a").observe(rows)
    server.tokens.labels("a", "source").inc(90)
    server.tokens.labels("a", "output").inc(1000)
    server.padding.labels("a").inc(10)
    server.engine.labels("a", "0").inc(2)
    server.engine.labels("a", "1").inc(1)
    server.engine.labels("b", "0").inc(50)
    server.serving.inc(1)
    seen = server_side(before, server.samples(), "a", seconds=2.0)
    assert seen.requests == 101
    assert seen.p50_ms == pytest.approx(10 + 10 * 50 / 60)
    assert seen.p95_ms == pytest.approx(20 + 30 * 35 / 40)
    assert seen.mean_ms == pytest.approx(0.6 * 11 + 0.4 * 49)
    assert seen.rows_per_step == pytest.approx(2.0)
    assert seen.padding_share == pytest.approx(0.1)
    assert seen.engine_cores == pytest.approx(1.5)
    assert seen.engine_ms_per_token == pytest.approx(3.0)
    assert seen.serving_cores == pytest.approx(0.5)
    assert seen.first_token_ms is None


def test_a_server_that_tells_nothing_is_seen_as_nothing() -> None:
    assert scrape(None) == {}
    assert scrape(Address("127.0.0.1", 1)) == {}
    assert server_side({}, Server().samples(), "a", 1.0) == ServerSide()
    assert server_side(Server().samples(), {}, "a", 1.0) == ServerSide()
    nothing = server_side(Server().samples(), Server().samples(), "a", 1.0)
    assert nothing == ServerSide(serving_cores=0.0)


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ([10, 10, 10, 10, 10], 0.5, 5.0),
        ([0, 10, 10, 10, 10], 0.5, 15.0),
        ([0, 0, 10, 10, 10], 1.0, 50.0),
        ([5, 10, 10, 10, 10], 0.99, 19.8),
        ([0, 0, 0, 0, 10], 0.5, 100.0),
    ],
)
def test_quantiles_lie_evenly_in_their_bucket(counts: list[int], share: float, expected: float) -> None:
    bounds = [10.0, 20.0, 50.0, 100.0, math.inf]
    assert quantile(list(zip(bounds, map(float, counts), strict=True)), share) == pytest.approx(expected)


def test_there_is_no_quantile_of_no_values() -> None:
    assert quantile([], 0.5) is None
    assert quantile([(1.0, 0.0), (math.inf, 0.0)], 0.5) is None

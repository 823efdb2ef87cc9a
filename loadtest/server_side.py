"""A measurement as the server saw it: its own series, read before and after as Prometheus does."""

import http.client
import itertools
import math
from collections.abc import Mapping, Sequence

from prometheus_client.parser import text_string_to_metric_families

from loadtest.records import ServerSide
from seq2serve.addresses import Address

_PATIENCE_SECONDS = 10.0

Labels = tuple[tuple[str, str], ...]
Samples = Mapping[tuple[str, Labels], float]
"""By name, and labels in alphabetical order."""


def scrape(address: Address | None) -> Samples:
    """The server's series; empty where it has no such address, or does not answer there."""
    if address is None:
        return {}
    connection = http.client.HTTPConnection(address.host, address.port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return {}
    finally:
        connection.close()
    return read_samples(text)


def read_samples(text: str) -> Samples:
    """Samples of Prometheus' text format. Raises ValueError for other text."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def server_side(before: Samples, after: Samples, model: str, seconds: float) -> ServerSide:
    """What happened in between to one model's requests, in `seconds`."""
    if not before or not after:
        return ServerSide()
    grown = Growth(before, after)
    buckets = grown.buckets("seq2serve_request_seconds", model=model, outcome="ok")
    source = grown.of("seq2serve_tokens_total", model=model, direction="source")
    output = grown.of("seq2serve_tokens_total", model=model, direction="output")
    padding = grown.of("seq2serve_padding_tokens_total", model=model)
    engine = grown.of("seq2serve_engine_process_cpu_seconds_total", model=model)
    serving = grown.of("process_cpu_seconds_total")
    return ServerSide(
        p50_ms=_milliseconds(quantile(buckets, 0.5)),
        p95_ms=_milliseconds(quantile(buckets, 0.95)),
        p99_ms=_milliseconds(quantile(buckets, 0.99)),
        mean_ms=_milliseconds(grown.mean("seq2serve_request_seconds", model=model, outcome="ok")),
        requests=round(grown.of("seq2serve_requests_total", model=model) or 0),
        rows_per_step=grown.mean("seq2serve_batch_rows", model=model),
        padding_share=padding / (source + padding) if source and padding is not None else None,
        engine_cores=None if engine is None else engine / seconds,
        serving_cores=None if serving is None else serving / seconds,
        engine_ms_per_token=_milliseconds(engine / output) if engine is not None and output else None,
        first_token_ms=_milliseconds(grown.mean("seq2serve_time_to_first_token_seconds", model=model)),
        step_ms=_milliseconds(grown.mean("seq2serve_step_seconds", model=model)),
    )


class Growth:
    """By how much series have grown between two scrapes."""

    def __init__(self, before: Samples, after: Samples) -> None:
        self._grown = {key: value - before.get(key, 0.0) for key, value in after.items()}

    def of(self, name: str, **labels: str) -> float | None:
        """Of all series with this name and these labels together; None if there is none."""
        found = [
            value for (of, has), value in self._grown.items() if of == name and labels.items() <= dict(has).items()
        ]
        return sum(found) if found else None

    def mean(self, histogram: str, **labels: str) -> float | None:
        """Mean of a histogram's new values; None if there are none."""
        count = self.of(f"{histogram}_count", **labels)
        return (self.of(f"{histogram}_sum", **labels) or 0.0) / count if count else None

    def buckets(self, histogram: str, **labels: str) -> list[tuple[float, float]]:
        """Upper bounds in ascending order, and how many new values did not exceed each."""
        counts: dict[float, float] = {}
        for (name, has), value in self._grown.items():
            if name == f"{histogram}_bucket" and labels.items() <= dict(has).items():
                bound = float(dict(has)["le"])
                counts[bound] = counts.get(bound, 0.0) + value
        return sorted(counts.items())


def quantile(buckets: Sequence[tuple[float, float]], share: float) -> float | None:
    """The value that `share` of all values do not exceed, taken to lie evenly in their bucket, as Prometheus'
    `histogram_quantile` does; the highest finite bound if it lies above. None without values."""
    if not buckets or not buckets[-1][1]:
        return None
    rank = share * buckets[-1][1]
    for (low, below), (high, count) in itertools.pairwise([(0.0, 0.0), *buckets]):
        if count >= rank:
            if math.isinf(high):
                return low
            return low + (high - low) * (rank - below) / (count - below) if count > below else high
    return buckets[-1][0]


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3

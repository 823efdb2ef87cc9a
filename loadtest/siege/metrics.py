"""The server's own metrics, read over HTTP as Prometheus does."""

import http.client
import re
from collections.abc import Mapping

_LAG_BUCKET = re.compile(r'seq2serve_event_loop_lag_seconds_bucket\{.*?le="([^"]+)".*\}')
_PATIENCE_SECONDS = 10.0

Samples = Mapping[str, float]
"""By series, labels included."""


def read_metrics(port: int) -> dict[str, float]:
    """Empty if the server does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    except OSError:
        return {}
    finally:
        connection.close()
    return parse_metrics(text)


def parse_metrics(text: str) -> dict[str, float]:
    samples = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            samples[series] = float(value)
    return samples


def num_handled(before: Samples, after: Samples) -> float:
    """Calls that the server counted as ended in between."""
    name = "grpc_server_handled_total"
    return sum(value - before.get(series, 0.0) for series, value in after.items() if series.startswith(name))


def longest_lag_ms(before: Samples, after: Samples) -> float | None:
    """Upper bound of the event loop's longest lag in between, in milliseconds; None if the server does not measure it,
    infinity if it was longer than its longest bucket."""
    counts = []
    for series, value in after.items():
        if match := _LAG_BUCKET.fullmatch(series):
            counts.append((float(match[1]), value - before.get(series, 0.0)))
    counts.sort()
    return next((1e3 * bound for bound, count in counts if count == counts[-1][1]), None)

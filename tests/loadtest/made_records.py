"""Records as a measurement writes them, of servers that are made up."""

from collections.abc import Sequence
from typing import Any

from loadtest.measuring import Order
from loadtest.records import Case, Machine, Record

MACHINE = Machine(calibration_ms=2.0, processor="a processor", cores=2, commit="abc")


def a_case(name: str = "lstm-en-fr", **changes: Any) -> Case:
    fields = {"model": name, "architecture": "lstm", "decoding": {}, "workload": "sentences", "method": "unary"}
    return Case(name=name, **(fields | changes))


def a_record(case: Case | None = None, latencies: Sequence[float] = (1.0,), **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "round": 0,
        "load": "open",
        "rate": 100.0,
        "users": 0,
        "seconds": 2.0,
        "started": 1e9,
        "source_tokens": [5] * len(latencies),
        "machine": MACHINE,
        "due": len(latencies),
    }
    return Record(case=case or a_case(), latencies_ms=list(latencies), **(fields | changes))


def answer(order: Order, capacity: float) -> Record:
    """What a server measures that holds `capacity` calls a second and no more."""
    latency = 10.0 if order.rate <= capacity else 300.0
    load = {"round": order.round, "rate": order.rate, "users": order.users, "load": order.load}
    return a_record(order.case, [latency] * 100, **load)

"""Records as a load test would have written them, of servers that are known exactly."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loadtest.records import Case, Machine, Record, ServerSide

MACHINE = Machine(calibration_ms=10.0, processor="Some CPU", cores=2, commit="0123abc")


@dataclass(frozen=True)
class Behaviour:
    """A server of one model: latency grows with the source's length, and without bound towards its capacity."""

    capacity: float
    """Calls a second that it cannot answer."""
    token_ms: float
    """Of each source token, with nobody else there."""
    quadratic_ms: float = 0.0
    """Of each pair of source tokens."""


def case(architecture: str, decoding: Mapping[str, object] | None = None, workload: str = "single") -> Case:
    words = "".join(f", {name} {value}" for name, value in (decoding or {}).items())
    return Case(
        name=f"{architecture}-en-fr, {workload}{words}",
        model=f"{architecture}-en-fr",
        architecture=architecture,
        decoding=dict(decoding or {}),
        workload=workload,
        method="unary",
    )


def exact(
    case: Case,
    rate: float,
    latency_ms: float | Sequence[float],
    round: int = 0,
    errors: Mapping[str, int] | None = None,
    saturated: str = "",
    server: ServerSide | None = None,
    calibration_ms: float = 10.0,
) -> Record:
    """An open loop's second in which all calls took the same time, or the times given."""
    latencies = [latency_ms] * 1000 if isinstance(latency_ms, float | int) else list(latency_ms)
    return Record(
        case=case,
        round=round,
        load="open",
        rate=rate,
        users=0,
        seconds=max(1, len(latencies)) / rate,
        started=1_000_000.0 + 10 * round,
        latencies_ms=latencies,
        source_tokens=[10] * len(latencies),
        output_tokens=10 * len(latencies),
        errors=dict(errors or {}),
        saturated=saturated,
        server=server or ServerSide(),
        machine=Machine(
            calibration_ms=calibration_ms, processor=MACHINE.processor, cores=MACHINE.cores, commit=MACHINE.commit
        ),
    )


def drawn(
    case: Case,
    behaviour: Behaviour,
    load: float,
    round: int,
    generator: np.random.Generator,
    is_closed: bool = False,
    seconds: float = 5.0,
) -> Record:
    """What a load of calls a second, or of users, meets: exponential waits before a service of known length."""
    rate = min(load * 25, 0.98 * behaviour.capacity) if is_closed else load
    number = int(rate * seconds)
    tokens = generator.integers(5, 40, number)
    service = 1.0 + behaviour.token_ms * tokens + behaviour.quadratic_ms * tokens**2
    busy = min(rate / behaviour.capacity, 0.9999)
    overload = max(0.0, rate / behaviour.capacity - 1) * seconds * 500
    waits = generator.exponential(0.3 * float(service.mean()) * busy / (1 - busy), number) + overload
    latencies = (service * generator.lognormal(0, 0.15, number) + waits).tolist()
    speed = float(generator.lognormal(0, 0.02))
    own = sorted(latencies)
    server = [own[math.ceil(number * share) - 1] - 0.6 for share in (0.5, 0.95, 0.99)]
    failed = {"RESOURCE_EXHAUSTED": int(number * 0.05)} if busy > 0.99 else {}
    streams = case.method == "stream"
    return Record(
        case=case,
        round=round,
        load="closed" if is_closed else "open",
        rate=0.0 if is_closed else load,
        users=int(load) if is_closed else 0,
        seconds=seconds,
        started=1_000_000.0 + 600 * round + 5 * load / 100,
        latencies_ms=[latency * speed for latency in latencies],
        source_tokens=tokens.tolist(),
        first_text_ms=[latency * 0.2 for latency in latencies] if streams else [],
        between_texts_ms=generator.exponential(behaviour.token_ms, number).tolist() if streams else [],
        output_tokens=int(tokens.sum()),
        errors=failed,
        saturated="" if load < 1800 else "began calls 30 ms late",
        server=ServerSide(
            p50_ms=server[0],
            p95_ms=server[1],
            p99_ms=server[2],
            requests=number,
            rows_per_step=1 + 30 * busy**3,
            padding_share=0.2 * busy,
            engine_cores=busy,
            serving_cores=0.0005 * rate,
            step_ms=behaviour.token_ms * (1 + busy),
        ),
        machine=Machine(calibration_ms=10 * speed, processor="Some CPU", cores=2, commit="0123abc"),
    )

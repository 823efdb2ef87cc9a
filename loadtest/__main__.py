"""Load the models of a server alike, and say what each costs and at which rate it breaks.

Starts a server of its own with every architecture, and searches for the knee of each: the highest rate of Poisson
arrivals at which 99 of 100 calls are answered within 250 ms and 999 of 1,000 succeed. Beside that, streams, beams and
sentences of all lengths are measured at one rate. Measurements are written to records.jsonl as they are made, and a run
that was stopped goes on when it is started again.

python -m loadtest --quick
python -m loadtest --address translate.example:443 --tls --api-key-file key.txt --model lstm-en-fr
python -m loadtest --users 8 --model transformer-en-fr --decoding 'greedy={}' --decoding 'beam 4={"beam_size": 4}'
python -m loadtest --rate 200 --workload texts --method stream
"""

import contextlib
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import grpc

from loadtest.arguments import parse_arguments
from loadtest.calibration import commit
from loadtest.cases import compared_cases, make_case
from loadtest.connections import connect, connection_options
from loadtest.driven import DrivenModel, NotDriven, choose, list_models, same_direction
from loadtest.generators import GeneratorError, Generators
from loadtest.knee import Search, grid_rate
from loadtest.measuring import Measuring, Order
from loadtest.plan import Plan
from loadtest.records import Record, read_records
from loadtest.report import read_quality, write_report
from loadtest.run import RECORDS, carry_out, knee_lines, open_run
from loadtest.running_server import ServerError, free_port, running_server, serve_command, server_flags
from loadtest.soak import problems, rates_for, soak
from loadtest.without_cache import ExportFailed, without_cache_repository
from seq2serve.addresses import Address, parse_target
from seq2serve.channel import open_channel

_SIDE_RATE = grid_rate(8)
"""Calls a second at which is measured what has no search: every model holds them on any machine."""
_SIDE_USERS = 8
"""Calls in flight, for a closed loop beside the search."""

_SOAK_KNEE = grid_rate(32)
"""Calls a second that a model is taken to hold for a soak, as long as no run has found its knee."""


class Place(NamedTuple):
    """A server that is to be loaded."""

    connection: dict[str, Any]
    metrics: Address | None
    pid: int
    """0 for a server that somebody else has started."""


def main() -> None:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the server is stopped as well
    arguments.output.mkdir(parents=True, exist_ok=True)
    try:
        with _server(arguments) as place:
            succeeded = load(place, arguments)
    except (ServerError, NotDriven, ExportFailed, GeneratorError, ValueError) as error:
        sys.exit(f"error: {error}")
    except grpc.RpcError as error:
        sys.exit(f"error: {error.code().name}: {error.details()}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if succeeded else 1)


@contextlib.contextmanager
def _server(arguments: Namespace) -> Iterator[Place]:
    """The server that was named, or one of our own. Raises ServerError, ExportFailed, or ValueError."""
    if arguments.address:
        metrics = parse_target("--metrics", arguments.metrics) if arguments.metrics else None
        if metrics and metrics.path:
            raise ValueError(f"--metrics: host:port expected, got {metrics}")
        yield Place(connection_options(arguments.address, arguments), metrics, 0)
        return
    flags = server_flags(arguments)
    if arguments.compares_shipped:
        made = without_cache_repository(arguments.output / "models", quickly=arguments.quick)
        flags += ["--model-repository=model_repository", f"--model-repository={made}"]
    metrics = Address("127.0.0.1", free_port())
    command = serve_command(*flags, f"--metrics-listen={metrics}")
    with running_server(command, arguments.output / "server.log") as server:
        yield Place({"address": server.address}, metrics, server.pid)


def load(place: Place, arguments: Namespace) -> bool:
    """Measure, and report. Returns whether all was measured, and something answered in every case. Raises NotDriven
    before any is driven."""
    connection = connect(place.connection)
    with open_channel(connection) as channel:
        listed = list_models(channel, connection)
    names = arguments.model or (same_direction(listed) if arguments.look_for != "given load" else [])
    models = choose(listed, names, arguments.texts)
    if arguments.look_for == "lost memory":
        return _soak(place, models, arguments)
    plan = make_plan(models, arguments)
    settings = {name: str(value) for name, value in vars(arguments).items() if name not in ("output", "minutes")}
    settings |= {"models": " ".join(f"{model.name}/{model.version}" for model in models), "commit": commit()}
    records = open_run(arguments.output, settings, plan)
    until = time.monotonic() + 60 * arguments.minutes
    with Generators(place.connection, arguments.generators) as generators:
        measuring = Measuring(generators, place.metrics, {model.name: model for model in models}, arguments.warm_up)
        for model in models:
            measuring.warm_up(model)
        whole = carry_out(plan, measuring, records, arguments.output, until)
    quality = read_quality(arguments.quality) if arguments.quality.is_file() else None
    write_report(records, arguments.output, quality)
    print("\n".join(["", *knee_lines(plan, records), f"written to {arguments.output}"]))
    return whole and all(_answered(records, case) for case in {record.case.name for record in records})


def _soak(place: Place, models: Sequence[DrivenModel], arguments: Namespace) -> bool:
    """Returns whether nothing was found that must not happen."""
    rates = rates_for(models, read_records(arguments.output / RECORDS), default=_SOAK_KNEE)
    soaked = soak(place.connection, place.metrics, place.pid, models, rates, arguments.soak, arguments.output)
    found = problems(soaked)
    print("\n".join(found or ["nothing was lost, no row is held, and memory did not grow"]))
    return not found


def make_plan(models: Sequence[DrivenModel], arguments: Namespace) -> Plan:
    decodings = arguments.decoding or [("", {})]
    cases = [
        make_case(model, arguments.workload, arguments.method, decoding, name)
        for model in models
        for name, decoding in decodings
    ]
    search = Search(first=28, step=8, nearness=2) if arguments.quick else Search(first=24, step=4, nearness=1)
    common = {"search": search, "rounds": arguments.rounds, "seconds": arguments.seconds, "max_seconds": arguments.most}
    if arguments.look_for == "given load":
        given = {"rate": arguments.rate, "users": arguments.users, "seconds": arguments.seconds}
        return Plan(fixed=[Order(case=case, round=0, **given) for case in cases], searched=[], **common)
    if arguments.decoding or arguments.workload != "sentences" or arguments.method != "unary":
        return Plan(fixed=[], searched=cases, **common)
    workloads = ["lengths"] if arguments.quick else ["lengths", "texts", "long-mix"]
    beside = compared_cases(models, workloads)
    side = [Order(case=case, round=0, rate=_SIDE_RATE, seconds=arguments.seconds) for case in beside]
    if not arguments.quick:
        side += [Order(case=case, round=0, users=_SIDE_USERS, seconds=arguments.seconds) for case in cases]
    return Plan(fixed=side, searched=cases, **common)


def _answered(records: Sequence[Record], case: str) -> bool:
    return any(record.latencies_ms for record in records if record.case.name == case)


if __name__ == "__main__":
    main()

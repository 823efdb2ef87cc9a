"""Load every model of a server alike, and compare their latency and throughput.

Starts a server of its own, and drives each model with the same sentences in the same order, in its source language, by
the same number of users, for the same time; one model after another, in rounds, so that a slow minute of the machine
meets them all.
Decoding options are compared in the same way:

python -m loadtest --model transformer-en-fr --decoding 'greedy={}' --decoding 'beam 4={"beam_size": 4}'
"""

import argparse
import dataclasses
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from google.protobuf import json_format
from locust.env import Environment

from loadtest.driven import DrivenModel, NotDriven, choose, list_models
from loadtest.locustfile import TranslationUser, read_decoding
from loadtest.report import Round, merge, plot, table
from loadtest.running_server import (
    STOP_SECONDS,
    ServerError,
    add_server_arguments,
    running_server,
    serve_command,
    server_flags,
)
from seq2serve.addresses import parse_target
from seq2serve.pb import translation_pb2 as pb

_WARM_UP_SECONDS = 1.0
"""Seconds at the start of each measurement that are not counted: the users connect."""


class Case(NamedTuple):
    """A model and decoding options to drive, and their name in the report."""

    model: DrivenModel
    decoding_name: str
    decoding: pb.DecodingOptions

    @property
    def name(self) -> str:
        return f"{self.model.name}, {self.decoding_name}" if self.decoding_name else self.model.name


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest", description="Compare the models of a server under load."
    )
    parser.add_argument("--users", type=_positive, default=8, help="calls in flight (default: 8)")
    parser.add_argument("--seconds", type=_positive, default=15, help="of each, over all rounds (default: 15)")
    parser.add_argument("--rounds", type=_positive, default=2, help="that the time is split into (default: 2)")
    parser.add_argument("--output", type=Path, default=Path("build/load"), help="folder (default: build/load)")
    add_server_arguments(parser)
    parser.add_argument(
        "--model", action="append", default=[], help="to drive; may be given several times (default: all)"
    )
    parser.add_argument(
        "--decoding",
        action="append",
        type=_named_options,
        metavar="NAME=JSON",
        help="decoding options to drive every model with; may be given several times",
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the server is stopped as well
    arguments.output.mkdir(parents=True, exist_ok=True)
    try:
        with running_server(serve_command(*server_flags(arguments)), arguments.output / "server.log") as server:
            succeeded = compare(server.address, arguments)
    except (ServerError, NotDriven) as error:
        sys.exit(f"error: {error}")
    except grpc.RpcError as error:
        sys.exit(f"error: {error.code().name}: {error.details()}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if succeeded else 1)


def compare(address: str, arguments: argparse.Namespace) -> bool:
    """Drive every model, and report. Returns whether every call succeeded. Raises NotDriven before any is driven."""
    server = parse_target("server", address)
    with grpc.insecure_channel(server.target, server.channel_options) as channel:
        models = choose(list_models(channel), arguments.model)
    cases = [Case(model, *named) for model in models for named in arguments.decoding or [("", pb.DecodingOptions())]]
    rounds: dict[str, list[Round]] = {case.name: [] for case in cases}
    for number in range(arguments.rounds):
        for case in cases if number % 2 == 0 else reversed(cases):
            print(f"round {number + 1} of {arguments.rounds}: {case.name}", flush=True)
            rounds[case.name].append(drive(address, case, arguments.users, arguments.seconds / arguments.rounds))
    results = [merge(name, measured) for name, measured in rounds.items()]
    title = f"{arguments.users} users, {arguments.seconds} s each in {arguments.rounds} rounds, {os.cpu_count()} CPUs"
    errors = [f"{result.name}: {error}" for result in results for error in result.errors]
    text = "\n".join([title, "", table(results), *errors])
    print(f"\n{text}\n\nwritten to {arguments.output}")
    (arguments.output / "report.txt").write_text(text + "\n", encoding="utf-8")
    report = {
        "users": arguments.users,
        "seconds": arguments.seconds,
        "rounds": arguments.rounds,
        "cpus": os.cpu_count(),
        "sentences": len(models[0].sentences),
        "versions": {model.name: model.version for model in models},
        "results": [dataclasses.asdict(result) for result in results],
    }
    (arguments.output / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    plot(results, title, arguments.output / "report.png")
    return all(result.requests and not result.failures for result in results)


def drive(address: str, case: Case, users: int, seconds: float) -> Round:
    """Load one case; calls that are under way at the end may finish, and are not counted."""
    calls: list[tuple[float, float, int]] = []  # end, milliseconds, output tokens
    errors: list[str] = []

    def record(response_time: float, response: pb.TranslateResponse | None, exception: Any, **_: Any) -> None:
        if response is None:
            errors.append(f"{exception.code().name}: {exception.details()}")
        else:
            tokens = sum(translation.output_token_count for translation in response.translations)
            calls.append((time.perf_counter(), response_time, tokens))

    TranslationUser.prepare(case.model.name, case.decoding, case.model.sentences)
    environment = Environment(user_classes=[TranslationUser], host=address, stop_timeout=STOP_SECONDS)
    environment.events.request.add_listener(record)
    runner = environment.create_local_runner()
    runner.start(users, spawn_rate=users)
    time.sleep(_WARM_UP_SECONDS)  # Locust has patched it: the users run meanwhile
    opened, cpu = time.perf_counter(), time.process_time()
    time.sleep(seconds)
    closed, cpu = time.perf_counter(), time.process_time() - cpu
    runner.quit()
    counted = [call for call in calls if opened <= call[0] < closed]
    return Round(
        seconds=closed - opened,
        latencies=[milliseconds for _, milliseconds, _ in counted],
        output_tokens=sum(tokens for _, _, tokens in counted),
        errors=errors,
        client_cpu=cpu / (closed - opened),
    )


def _named_options(text: str) -> tuple[str, pb.DecodingOptions]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"NAME=JSON expected, got {text!r}")
    try:
        return name, read_decoding(value)
    except json_format.ParseError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error}") from error


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"at least 1 expected, got {value}")
    return value


if __name__ == "__main__":
    main()

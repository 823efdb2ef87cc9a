"""The command line of `python -m loadtest`."""

import json
import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from loadtest.connections import add_connection_arguments
from loadtest.driven import SENTENCES
from loadtest.running_server import add_server_arguments
from loadtest.workloads import WORKLOADS
from seq2serve.pb import translation_pb2 as pb

QUALITY = Path("docs/quality.md")


def parse_arguments(given: list[str] | None = None) -> Namespace:
    """The command line's arguments, and two that follow from them: `look_for`, "knees", "given load" or "lost memory",
    and `compares_shipped`, whether a server of our own is to serve the shipped models and the one without its cache."""
    parser = ArgumentParser(prog="python -m loadtest", description="Load the models of a server alike.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--rate", type=_positive_number, default=0.0, help="measure this many calls a second, and no knee"
    )
    what.add_argument("--users", type=_positive, default=0, help="measure this many calls in flight, and no knee")
    what.add_argument("--soak", type=_positive_number, metavar="MINUTES", default=0.0, help="load all models for long")
    parser.add_argument("--quick", action="store_true", help="shorter, once, and no longer than --minutes 3.6")
    parser.add_argument("--rounds", type=_positive, help="in which everything is measured again (default: 3; quick: 1)")
    parser.add_argument("--seconds", type=_positive_number, help="of a measurement (default: 8; quick: 2)")
    parser.add_argument("--minutes", type=_positive_number, help="after which no measurement is begun (default: none)")
    parser.add_argument(
        "--model", action="append", default=[], help="to load; may be given several times (default: all)"
    )
    parser.add_argument("--workload", choices=WORKLOADS, default="sentences", help="(default: sentences)")
    parser.add_argument("--method", choices=("unary", "stream"), default="unary", help="of the calls (default: unary)")
    parser.add_argument(
        "--decoding",
        action="append",
        type=_named_options,
        metavar="NAME=JSON",
        help="decoding options to load every model with; may be given several times",
    )
    parser.add_argument(
        "--texts", type=Path, default=SENTENCES, metavar="FOLDER", help="of <language>.txt, in place of our sentences"
    )
    parser.add_argument(
        "--generators", type=_positive, default=1, help="processes that make the load, each of which can use a core"
    )
    parser.add_argument("--output", type=Path, default=Path("build/load"), help="folder (default: build/load)")
    parser.add_argument(
        "--quality", type=Path, default=QUALITY, help="table of the models' BLEU, for the report (default: %(default)s)"
    )
    add_server_arguments(parser)
    running = parser.add_argument_group("a server that runs already")
    running.add_argument("--address", default="", help="host:port (default: start a server)")
    running.add_argument("--metrics", default="", metavar="HOST:PORT", help="where it serves its metrics")
    add_connection_arguments(running)
    arguments = parser.parse_args(given)
    if arguments.address and (arguments.model_repository or arguments.default_model):
        parser.error("--address: a server that runs already serves what it serves")
    theirs = (arguments.metrics, arguments.tls, arguments.ca, arguments.server_name, arguments.api_key_file)
    if any(theirs) and not arguments.address:
        parser.error("--address: expected beside --metrics, --tls, --ca, --server-name and --api-key-file")
    return _settle(arguments)


def _settle(arguments: Namespace) -> Namespace:
    quick = arguments.quick
    arguments.rounds = arguments.rounds or (1 if quick else 3)
    arguments.minutes = arguments.minutes or (3.6 if quick else float("inf"))
    arguments.most = arguments.seconds or (2.0 if quick else 20.0)
    arguments.seconds = arguments.seconds or (2.0 if quick else 8.0)
    arguments.warm_up = 0.4 if quick else 1.0
    arguments.look_for = "knees"
    if arguments.rate or arguments.users:
        arguments.look_for = "given load"
    elif arguments.soak:
        arguments.look_for = "lost memory"
    says_models = arguments.address or arguments.model or arguments.model_repository or arguments.default_model
    variables = {"SEQ2SERVE_MODEL_REPOSITORY", "SEQ2SERVE_DEFAULT_MODEL"} & os.environ.keys()
    arguments.compares_shipped = arguments.look_for == "knees" and not says_models and not variables
    return arguments


def _named_options(text: str) -> tuple[str, dict[str, Any]]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"NAME=JSON expected, got {text!r}")
    try:
        json_format.Parse(value, pb.DecodingOptions())
    except json_format.ParseError as error:
        raise ArgumentTypeError(f"{name}: {error}") from error
    options: dict[str, Any] = json.loads(value)
    return name, options


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ArgumentTypeError(f"at least 1 expected, got {value}")
    return value


def _positive_number(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise ArgumentTypeError(f"more than 0 expected, got {text}")
    return value

"""Locust's own command and page, for any server that runs:

locust -f loadtest/locustfile.py --host 127.0.0.1:50051 --model lstm-en-fr --decoding '{"beam_size": 4}'
locust -f loadtest/locustfile.py --host 127.0.0.1:50051 --loop open --shape '50x30,50-500x120,1000x5,50x30' --headless

In an open loop Locust's number of users is the number of calls that arrive each second; in a closed one, of calls in
flight. Beside Locust's page, /latency draws the whole distribution. Locust's events, statistics, CSV files and
distributed workers (`--processes`, `--master`, `--worker`) are as in any of its tests.
"""

import logging
import random
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import gevent
import grpc
from gevent import GreenletExit
from google.protobuf import json_format
from locust import events
from locust.env import Environment

from loadtest import locust_shape
from loadtest.calls import Caller, serialise_requests
from loadtest.connections import add_connection_arguments, connect, connection_options
from loadtest.driven import SENTENCES, NotDriven, choose, list_models
from loadtest.locust_page import add_page
from loadtest.shapes import parse_shape
from loadtest.users import Job, TranslationUser
from loadtest.workloads import WORKLOADS, make_texts
from seq2serve.addresses import parse_target
from seq2serve.channel import open_channel
from seq2serve.pb import translation_pb2 as pb

__all__ = ["TranslationUser"]  # Locust looks for its users here

_logger = logging.getLogger(__name__)


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--model", default="", help="model to drive (default: the server's)")
    parser.add_argument("--decoding", default="{}", help="decoding options, in JSON (default: none)")
    parser.add_argument("--workload", choices=list(WORKLOADS), default="sentences", help="what is sent")
    parser.add_argument("--method", choices=["unary", "stream"], default="unary", help="of the calls")
    parser.add_argument(
        "--loop", choices=["closed", "open"], default="closed", help="users with a call in flight, or Poisson arrivals"
    )
    parser.add_argument("--shape", default="", help="of the load in time, as 50x30,50-500x120: users x seconds")
    parser.add_argument("--texts", default=str(SENTENCES), help="folder of <language>.txt")
    add_connection_arguments(parser)


def _check(environment: Environment, **_: Any) -> None:
    """Locust's page may give another host later."""
    gevent.get_hub().loop.update_now()  # imports have taken a second, which a time limit would count
    options = environment.parsed_options
    try:
        if environment.host:
            parse_target("--host", environment.host)
        if options and options.shape:
            environment.shape_class = locust_shape.PiecewiseShape(parse_shape(options.shape))
    except ValueError as error:
        sys.exit(f"error: {error}")
    add_page(environment)


def _prepare(environment: Environment, **_: Any) -> None:
    """Where there is nothing to drive, the run does not start, and without Locust's page the process ends."""
    options, runner = environment.parsed_options, environment.runner
    if not options or not runner:
        return
    try:
        job = _job(environment.host or "", options)
        earlier: Job | None = getattr(TranslationUser, "job", None)
        if earlier:  # of the run before, which Locust's page has started
            earlier.caller.close()
        TranslationUser.job = job
        return
    except grpc.RpcError as error:
        problem = f"{error.code().name}: {error.details()}"
    except (NotDriven, ValueError, json_format.ParseError) as error:
        problem = str(error)
    _logger.error("%s", problem)
    if options.headless:
        environment.process_exit_code = 1
        runner.quit()
    raise GreenletExit  # it ends the greenlet that starts the run; Locust catches every other exception here


def _job(host: str, options: Any) -> Job:
    """Raises NotDriven, grpc.RpcError, ValueError or json_format.ParseError."""
    decoding = json_format.Parse(options.decoding, pb.DecodingOptions())
    connection = connect(connection_options(host, options))
    with open_channel(connection) as channel:
        models = list_models(channel, connection)
    folder = Path(options.texts)
    [model] = choose(models, [options.model], folder) if options.model else choose(models[:1], folder=folder)
    return Job(
        name=options.model or "default",
        caller=Caller(connection),
        method=options.method,
        requests=serialise_requests(options.model, decoding, model.pair, make_texts(options.workload, model.sentences)),
        rate=1.0 if options.loop == "open" else 0.0,
        chooser=random.Random(),  # not seeded: distributed workers are to differ
    )


# Locust's own events; python -m loadtest has an environment with others.
events.init_command_line_parser.add_listener(_add_arguments)
events.init.add_listener(_check)
events.test_start.add_listener(_prepare)

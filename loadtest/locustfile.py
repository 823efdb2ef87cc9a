"""The simulated user: it translates one sentence after another, without a pause.

`python -m loadtest` drives it against a server of its own; Locust drives it against any that runs:

locust -f loadtest/locustfile.py --host 127.0.0.1:50051 --model lstm-en-fr --decoding '{"beam_size": 4}'
"""

import contextlib
import itertools
import logging
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import grpc
from gevent import GreenletExit
from google.protobuf import json_format
from grpc.experimental import gevent as grpc_gevent
from locust import User, constant, events, task
from locust.env import Environment

from loadtest.driven import NotDriven, choose, list_models
from seq2serve.addresses import parse_target
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc

grpc_gevent.init_gevent()  # before any channel: a call would block all users otherwise

_DEADLINE_SECONDS = 60.0

_logger = logging.getLogger(__name__)


class RequestEvents(grpc.UnaryUnaryClientInterceptor):
    """Fires one Locust event for each call, named after the model, whether it succeeds or fails."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        start_time = time.time()
        started = time.perf_counter()
        call = continuation(client_call_details, request)
        exception = call.exception()  # waits for the call's end
        response_time = 1000 * (time.perf_counter() - started)
        response = None if exception else call.result()
        self._environment.events.request.fire(
            request_type="grpc",
            name=request.model or "default",
            response_time=response_time,
            response_length=response.ByteSize() if response else 0,
            response=response,
            exception=exception,
            context={},
            start_time=start_time,
        )
        return call


class TranslationUser(User):
    wait_time = constant(0)  # a closed loop: the number of users is the number of calls in flight

    model: ClassVar[str]
    """Name of the model that is driven; empty for the server's default."""

    decoding: ClassVar[pb.DecodingOptions]

    sentences: ClassVar[Iterator[str]]
    """The sentences to translate, shared by all users: whichever is free takes the next one."""

    @classmethod
    def prepare(cls, model: str, decoding: pb.DecodingOptions, sentences: Sequence[str]) -> None:
        """Drive `model`, from the first sentence on."""
        cls.model = model
        cls.decoding = decoding
        cls.sentences = itertools.cycle(sentences)

    def on_start(self) -> None:
        server = parse_target("--host", self.host or "")
        # A user is a client of its own; by default, channels to one address share a connection.
        options = [("grpc.use_local_subchannel_pool", 1), *server.channel_options]
        self._channel = grpc.insecure_channel(server.target, options)
        self._stub = pb_grpc.TranslationServiceStub(
            grpc.intercept_channel(self._channel, RequestEvents(self.environment))
        )

    def on_stop(self) -> None:
        self._channel.close()

    @task
    def translate(self) -> None:
        request = pb.TranslateRequest(contents=[next(self.sentences)], model=self.model, decoding=self.decoding)
        with contextlib.suppress(grpc.RpcError):  # its event has been fired; the user goes on
            self._stub.Translate(request, timeout=_DEADLINE_SECONDS)


def read_decoding(text: str) -> pb.DecodingOptions:
    """Decoding options from JSON. Raises json_format.ParseError."""
    return json_format.Parse(text, pb.DecodingOptions())


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--model", default="", help="model to drive (default: the server's)")
    parser.add_argument("--decoding", default="{}", help="decoding options, in JSON (default: none)")


def _check_host(environment: Environment, **_: Any) -> None:
    """Locust's page may give another one later."""
    if environment.host:
        try:
            parse_target("--host", environment.host)
        except ValueError as error:
            sys.exit(f"error: {error}")


def _prepare(environment: Environment, **_: Any) -> None:
    """Where there is nothing to drive, the run does not start, and without Locust's page the process ends."""
    options, runner = environment.parsed_options, environment.runner
    if not options or not runner:
        return
    try:
        server = parse_target("--host", environment.host or "")
        with grpc.insecure_channel(server.target, server.channel_options) as channel:
            models = list_models(channel)
        [model] = choose(models, [options.model]) if options.model else choose(models[:1])
        TranslationUser.prepare(options.model, read_decoding(options.decoding), model.sentences)
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


# Locust's own events; python -m loadtest has an environment with others.
events.init_command_line_parser.add_listener(_add_arguments)
events.init.add_listener(_check_host)
events.test_start.add_listener(_prepare)

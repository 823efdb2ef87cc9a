"""What becomes of calls, health and metrics when an engine's process dies or hangs."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.cores import usable_cores
from tests.conftest import Repositories
from tests.e2e.processes import DEFAULT_MODEL, ServerProcess, engines, is_running, server_process
from tests.fakes import PATIENCE
from tests.small_models import SENTENCES

LONG = [" ".join(SENTENCES)] * 20
"""Contents that keep an engine busy for a while."""


class Client:
    def __init__(self, server: ServerProcess, channel: grpc.Channel) -> None:
        self.server = server
        self.stub = pb_grpc.TranslationServiceStub(channel)
        self._health: Any = health_pb2_grpc.HealthStub(channel)

    def translate(self, *contents: str, model: str = DEFAULT_MODEL) -> list[str]:
        answer = self.stub.Translate(pb.TranslateRequest(contents=contents, model=model), timeout=PATIENCE)
        return [translation.translated_text for translation in answer.translations]

    def begin(self, model: str, contents: list[str]) -> "grpc.Future[pb.TranslateResponse]":
        """A call that its engine has no time to end yet: the engine is stopped."""
        for pid in engines(self.server, model):
            os.kill(pid, signal.SIGSTOP)
        call = self.stub.Translate.future(pb.TranslateRequest(contents=contents, model=model), timeout=PATIENCE)
        time.sleep(0.1)  # it is in the engine's socket by then; if it is not, it is no worse off
        return call

    def is_serving(self, service: str) -> bool:
        answer = self._health.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@pytest.fixture
def repository(repository_of: Repositories) -> Path:
    return repository_of("rnn", "lstm", "transformer")


@contextmanager
def client(repository: Path, **settings: str) -> Iterator[Client]:
    with server_process(repository, **settings) as server, grpc.insecure_channel(server.address) as channel:
        yield Client(server, channel)


def wait_until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up, "it has not come to pass"
        time.sleep(0.02)


def test_calls_in_an_engine_that_is_killed_are_answered_all_the_same(repository: Path) -> None:
    with client(repository) as calling:
        expected = calling.translate(*LONG)
        call = calling.begin(DEFAULT_MODEL, LONG)
        [killed] = engines(calling.server, DEFAULT_MODEL)
        others = {model: engines(calling.server, model) for model in ("lstm-en-fr", "transformer-en-fr")}
        os.kill(killed, signal.SIGKILL)
        assert calling.translate(SENTENCES[0], model="lstm-en-fr")
        assert [translation.translated_text for translation in call.result().translations] == expected
        assert {model: engines(calling.server, model) for model in others} == others, "they have noticed nothing"
        assert engines(calling.server, DEFAULT_MODEL) != [killed]
        code, errors = calling.server.end(signal.SIGTERM)
        assert code == 0
        assert f"an engine of {DEFAULT_MODEL} has ended with status -9" in errors
        assert "Traceback" not in errors


def test_a_stream_that_has_begun_ends_as_unavailable_with_its_engine(repository: Path) -> None:
    with client(repository) as calling:
        request = pb.TranslateRequest(contents=LONG, model="transformer-en-fr")
        messages = calling.stub.StreamTranslate(request, timeout=PATIENCE)
        next(messages)
        [decoding] = engines(calling.server, "transformer-en-fr")
        os.kill(decoding, signal.SIGSTOP)  # so that it cannot end the request first
        os.kill(decoding, signal.SIGKILL)
        with pytest.raises(grpc.RpcError) as raised:
            list(messages)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        status = rpc_status.from_call(cast(grpc.Call, raised.value))
        assert status
        assert any("RetryInfo" in detail.type_url for detail in status.details)
        assert calling.translate(SENTENCES[0], model="transformer-en-fr")


@pytest.mark.nightly  # it waits as long as the server does; tests/integration/test_lost_engines.py is in a hurry
@pytest.mark.skipif(usable_cores() < 2, reason="two engines need two cores")
def test_an_engine_that_is_stopped_hands_its_sentences_over_and_serves_again_when_it_goes_on(
    repository: Path,
) -> None:
    with client(repository, engines=f"{DEFAULT_MODEL}=2") as calling:
        expected = calling.translate(*LONG)
        stopped, other = engines(calling.server, DEFAULT_MODEL)
        call = calling.begin(DEFAULT_MODEL, LONG)
        os.kill(other, signal.SIGCONT)
        assert [translation.translated_text for translation in call.result().translations] == expected
        assert calling.is_serving(f"model:{DEFAULT_MODEL}"), "the other engine serves"
        os.kill(other, signal.SIGSTOP)
        wait_until(lambda: not calling.is_serving(f"model:{DEFAULT_MODEL}"))
        assert calling.is_serving("")
        assert calling.is_serving("translation.v1.TranslationService")
        assert calling.is_serving("model:lstm-en-fr")
        assert calling.translate(SENTENCES[0], model="lstm-en-fr")
        with pytest.raises(grpc.RpcError) as raised:  # once it has waited for one of them a while
            calling.translate(SENTENCES[0])
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        os.kill(stopped, signal.SIGCONT)
        wait_until(lambda: calling.is_serving(f"model:{DEFAULT_MODEL}"))
        os.kill(other, signal.SIGCONT)
        assert calling.translate(*LONG) == expected
        assert is_running(stopped)
        assert calling.server.end(signal.SIGTERM)[0] == 0

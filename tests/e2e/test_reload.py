"""Versions of models whose engines are processes: signals, what ends with a version, and memory."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from seq2serve.pb import model_admin_pb2 as admin_pb
from seq2serve.pb import model_admin_pb2_grpc as admin_grpc
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from tests.conftest import SmallModels
from tests.e2e.processes import engines, server_process
from tests.fakes import PATIENCE
from tests.reloads import reload_under_load, resident_bytes
from tests.small_models import SENTENCES
from tests.versions import remove_version, write_version

NAME = "versioned"


@pytest.fixture
def repository(small_model: SmallModels, tmp_path: Path) -> Path:
    """A model with the versions 1 and 2, of two architectures, of which 1 is served."""
    for version, architecture in ("1", "rnn"), ("2", "lstm"):
        write_version(small_model(architecture).bundle, tmp_path, NAME, version)
    say(tmp_path, "versions = [1]")
    return tmp_path


def say(repository: Path, policy: str) -> None:
    (repository / NAME / "model.toml").write_text(policy, encoding="utf-8")


def eventually(holds: Callable[[], bool], otherwise: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up, otherwise
        time.sleep(0.05)


def serves(stub: pb_grpc.TranslationServiceStub) -> bool:
    try:
        version_of(stub)
    except grpc.RpcError as error:
        return error.code() is not grpc.StatusCode.UNAVAILABLE
    return True


def version_of(stub: pb_grpc.TranslationServiceStub) -> str:
    answer: pb.TranslateResponse = stub.Translate(pb.TranslateRequest(contents=SENTENCES[:1]), timeout=PATIENCE)
    return answer.model_version


def test_a_hangup_reloads_and_the_process_of_a_version_ends_with_it(repository: Path) -> None:
    settings = {"default-model": NAME}
    with server_process(repository, **settings) as server, grpc.insecure_channel(server.address) as channel:
        stub = pb_grpc.TranslationServiceStub(channel)
        assert version_of(stub) == "1"
        [before] = engines(server, NAME)
        say(repository, 'versions = "none"')
        server.process.send_signal(signal.SIGHUP)
        (repository / NAME / "model.toml").unlink()
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: version_of(stub) == "2", "the latest is not served")
        eventually(lambda: before not in engines(server, NAME), "its process goes on")
        assert len(engines(server, NAME)) == 1
        code, errors = server.end(signal.SIGTERM)
        assert code == 0
        assert f"{NAME}@2 is served" in errors
        assert f"{NAME}@1 is unloaded" in errors


def test_an_engine_that_is_started_again_takes_no_other_bundle_from_its_folder(
    repository: Path, small_model: SmallModels
) -> None:
    settings = {"default-model": NAME}
    with server_process(repository, **settings) as server, grpc.insecure_channel(server.address) as channel:
        stub = pb_grpc.TranslationServiceStub(channel)
        remove_version(repository, NAME, "1")
        write_version(small_model("lstm").bundle, repository, NAME, "1")
        os.kill(engines(server, NAME)[0], signal.SIGKILL)
        eventually(lambda: not serves(stub), "it serves on")
        admin_grpc.ModelAdminServiceStub(channel).ReloadModels(admin_pb.ReloadModelsRequest(), timeout=PATIENCE)
        assert version_of(stub) == "1"
        server.process.kill()
        assert server.process.stderr
        assert "another bundle lies there now; reload the models" in server.process.stderr.read()


def test_memory_of_a_version_is_given_back_when_its_unloading_is_answered(repository: Path) -> None:
    settings = {"default-model": NAME}
    with server_process(repository, **settings) as server, grpc.insecure_channel(server.address) as channel:
        admin = admin_grpc.ModelAdminServiceStub(channel)
        used = []
        for _ in range(6):
            admin.LoadModel(admin_pb.LoadModelRequest(model=NAME, version="2"), timeout=PATIENCE)
            assert version_of(pb_grpc.TranslationServiceStub(channel)) == "2"
            both = resident_bytes(server.process.pid)
            admin.UnloadModel(admin_pb.UnloadModelRequest(model=NAME, version="2"), timeout=PATIENCE)
            used.append(resident_bytes(server.process.pid))
            assert both - used[-1] > 20_000_000, "at least an interpreter with ONNX Runtime"
        assert used[-1] - used[1] < 2_000_000


def test_nothing_is_lost_and_nothing_mixed_by_reloads_of_processes_under_load(repository: Path) -> None:
    settings = {"default-model": NAME}
    with server_process(repository, **settings) as server:
        outcome = asyncio.run(reload_under_load(server.address, repository, NAME, server.process.pid, 3))
    assert outcome.problems == []
    assert min(outcome.answered.values()) > 10

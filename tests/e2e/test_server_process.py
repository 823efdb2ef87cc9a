import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

from models.registry import ARCHITECTURES
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.bundle.manifest import STEP, TOKENIZER, read_bundle, write_manifest
from tests.conftest import Repositories
from tests.e2e.processes import DEFAULT_MODEL, ROOT, children, is_running, run, server_arguments, server_process
from tests.fakes import PATIENCE
from tests.small_models import SENTENCES

TRAINING = {"torch", "onnx", "onnxscript", "models", "export", "loadtest", "sacrebleu", "matplotlib"}


@pytest.mark.parametrize("module", ["server.serving.app", "seq2serve.__main__"])
def test_serving_and_its_client_import_nothing_of_training(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    imported = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)
    names = set(imported.stdout.split())
    assert module.partition(".")[0] in names
    assert not names & TRAINING


def test_a_server_that_has_translated_has_imported_nothing_of_training(model_repository: Path) -> None:
    code = f"""
import asyncio, sys
from pathlib import Path
import grpc
from server.serving.app import App
from server.config import ServerConfig
from seq2serve.pb import translation_pb2 as pb, translation_pb2_grpc as pb_grpc

async def main():
    app = App(ServerConfig(model_repository=(Path({str(model_repository)!r}),), default_model={DEFAULT_MODEL!r},
                           listen="127.0.0.1:0", metrics_listen=""))
    await app.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{{app.port}}") as channel:
        stub = pb_grpc.TranslationServiceStub(channel)
        for model in (await stub.ListModels(pb.ListModelsRequest())).models:
            await stub.Translate(pb.TranslateRequest(contents=["The cat sleeps."], model=model.name))
    await app.stop()
    print(*sorted({{name.partition('.')[0] for name in sys.modules}}))

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)
    assert "server" in done.stdout.split()
    assert not set(done.stdout.split()) & TRAINING


def test_the_command_that_a_started_server_suggests_translates(rnn_repository: Path) -> None:
    with server_process(rnn_repository) as server:
        answer = subprocess.run(
            shlex.split(server.example), cwd=ROOT, text=True, capture_output=True, timeout=2 * PATIENCE, check=True
        )
        assert answer.stdout.strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server_without_an_error(rnn_repository: Path, number: signal.Signals) -> None:
    with server_process(rnn_repository) as server:
        code, errors = server.end(number)
        assert code == 0
        assert "Traceback" not in errors


@pytest.fixture
def two_models(repository_of: Repositories) -> Path:
    """The default model, and one that takes its time."""
    return repository_of("rnn", "transformer")


def test_sigterm_lets_a_running_request_end_first(two_models: Path) -> None:
    with server_process(two_models) as server, grpc.insecure_channel(server.address) as channel:
        request = pb.TranslateRequest(contents=SENTENCES, model="transformer-en-fr")
        messages = iter(pb_grpc.TranslationServiceStub(channel).StreamTranslate(request, timeout=PATIENCE))
        received = [next(messages)]
        server.process.send_signal(signal.SIGTERM)
        received += messages
        translated = {message.content_index for message in received if message.HasField("translation")}
        assert translated == set(range(len(SENTENCES)))
        assert server.process.wait(PATIENCE) == 0


def test_a_damaged_bundle_is_refused_with_its_file_and_what_is_wrong(rnn_repository: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "rnn_repository"
    shutil.copytree(rnn_repository, damaged)
    path = damaged / DEFAULT_MODEL / "1" / STEP
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    ended = run("server", *server_arguments(damaged))
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"error: {path}: SHA-256 is ")
    assert "Traceback" not in ended.stderr


def test_a_missing_repository_is_refused_by_name(tmp_path: Path) -> None:
    ended = run("server", *server_arguments(tmp_path / "nowhere"))
    assert ended.returncode == 1
    assert ended.stderr == f"error: {tmp_path / 'nowhere'}: No such file or directory\n"


def test_a_second_server_on_the_same_port_is_refused(rnn_repository: Path) -> None:
    with server_process(rnn_repository) as server:
        ended = run("server", *server_arguments(rnn_repository, listen=server.address))
        assert ended.returncode == 1
        assert f"error: listen: cannot listen on {server.address}" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_bad_setting_is_a_usage_error() -> None:
    ended = run("server", "--max-rows", "0")
    assert ended.returncode == 2
    assert "max_rows: at least 1 expected, got 0" in ended.stderr


@pytest.mark.parametrize("setting", ["threads", "engines"])
def test_more_than_the_machine_s_cores_is_a_usage_error(setting: str) -> None:
    ended = run("server", f"--{setting}=100000")
    assert ended.returncode == 2
    assert re.search(rf"error: {setting}: at most \d+ expected.* got 100000\n$", ended.stderr)


def test_engines_of_a_model_that_is_not_there_are_refused_by_name(rnn_repository: Path) -> None:
    ended = run("server", *server_arguments(rnn_repository, engines="x=1"))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: engines: no model 'x' is served; {rnn_repository} has ")
    assert ended.stderr.count("\n") == 1


def test_the_engines_end_with_a_server_that_is_killed(model_repository: Path) -> None:
    with server_process(model_repository) as server:
        decoding = children(server.process.pid)
        assert len(decoding) == len(ARCHITECTURES)
        os.kill(decoding[0], signal.SIGSTOP)
        server.process.kill()
        give_up = time.monotonic() + PATIENCE
        while any(map(is_running, decoding)):
            assert time.monotonic() < give_up, "one is still there"
            time.sleep(0.01)


def test_a_signal_to_all_processes_lets_a_running_request_end_first(two_models: Path) -> None:
    with server_process(two_models) as server, grpc.insecure_channel(server.address) as channel:
        request = pb.TranslateRequest(contents=SENTENCES, model="transformer-en-fr")
        messages = iter(pb_grpc.TranslationServiceStub(channel).StreamTranslate(request, timeout=PATIENCE))
        received = [next(messages)]
        for pid in (*children(server.process.pid), server.process.pid):
            os.kill(pid, signal.SIGTERM)
        received += messages
        assert sum(message.HasField("translation") for message in received) == len(SENTENCES)
        assert server.process.wait(PATIENCE) == 0


def test_a_signal_to_all_processes_while_they_load_stops_the_server(rnn_repository: Path) -> None:
    command = [sys.executable, "-m", "server", *server_arguments(rnn_repository)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        give_up = time.monotonic() + PATIENCE
        while not children(process.pid):
            assert time.monotonic() < give_up, "it has not started an engine"
        for pid in (*children(process.pid), process.pid):
            os.kill(pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "has ended" not in errors
    assert "Traceback" not in errors


def test_a_tokenizer_that_no_process_can_read_is_one_line_of_error(rnn_repository: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "rnn_repository"
    shutil.copytree(rnn_repository, damaged)
    folder = damaged / DEFAULT_MODEL / "1"
    manifest = read_bundle(folder).manifest
    (folder / TOKENIZER).write_bytes(b"nonsense")
    write_manifest(folder, manifest)
    ended = run("server", *server_arguments(damaged))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: {folder / TOKENIZER}: ")
    assert ended.stderr.count("\n") == 1

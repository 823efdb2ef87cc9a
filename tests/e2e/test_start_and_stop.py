"""What surrounds the service: addresses, signals, drains, and outputs that cannot be written."""

import asyncio
import collections
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from tests.conftest import Repositories
from tests.e2e.processes import (
    ROOT,
    ServerProcess,
    children,
    is_running,
    run,
    server_arguments,
    server_in_terminal,
    server_process,
)
from tests.e2e.waiting import eventually, serves
from tests.fakes import PATIENCE
from tests.small_models import SENTENCES

NO_PROXY = {"http_proxy": "http://127.0.0.1:1", "grpc_proxy": "http://127.0.0.1:1", "no_proxy": ""}
"""An environment whose proxy is not there."""


# Addresses


@pytest.mark.parametrize(
    ("listen", "shown"),
    [("[::]:0", "[::1]:"), ("0.0.0.0:0", "127.0.0.1:"), (":0", "127.0.0.1:"), ("unix:{}/a socket", "unix:")],
)
def test_the_printed_address_and_the_health_check_need_no_proxy(
    rnn_repository: Path, tmp_path: Path, listen: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in NO_PROXY.items():
        monkeypatch.setenv(name, value)
    listen = listen.format(tmp_path)
    with server_process(rnn_repository, listen=listen, **{"insecure-listen": "true"}) as server:
        assert server.address.startswith(shown)
        translated = subprocess.run(server.example, shell=True, cwd=ROOT, text=True, capture_output=True, check=True)
        assert translated.stdout.strip()
        port = server.address.rpartition(":")[2]
        monkeypatch.setenv("SEQ2SERVE_LISTEN", listen.removesuffix(":0") + f":{port}" * listen.endswith(":0"))
        healthy = run("deploy.healthcheck")
        assert (healthy.returncode, healthy.stderr) == (0, "")
        assert server.end(signal.SIGTERM)[0] == 0
    assert not (tmp_path / "a socket").exists()


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        (
            "listen",
            ":50051",
            "listen: :50051 can be reached from other machines: tls_certificate and tls_key, ",
        ),
        ("health-listen", "here", "health_listen: host:port, [IPv6 address]:port, :port or unix:path expected"),
        ("listen", "http://localhost:1", "listen: host:port, [IPv6 address]:port, :port or unix:path expected, "),
        ("metrics-listen", "localhost", "metrics_listen: host:port, [IPv6 address]:port, :port or unix:path expected"),
        ("metrics-listen", "unix:a", "metrics_listen: host:port or :port expected, got unix:a"),
    ],
)
def test_an_address_that_is_none_is_one_line_before_any_model_is_loaded(
    tmp_path: Path, setting: str, value: str, message: str
) -> None:
    ended = run("server", *server_arguments(tmp_path / "no models"), f"--{setting}={value}")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {message}")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("seq2serve", ["--server", "http://localhost", "a"]), ("deploy.healthcheck", [])],
)
def test_callers_name_what_they_expect_of_an_address(
    module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQ2SERVE_LISTEN", "localhost:0")
    ended = run(module, *arguments)
    assert ended.returncode
    assert "host:port, [IPv6 address]:port, :port or unix:path expected, with a port from 1 to 65535" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_unix_socket_of_a_running_server_is_refused_and_that_of_a_killed_one_replaced(
    rnn_repository: Path, tmp_path: Path
) -> None:
    listen = f"unix:{tmp_path}/socket"
    with server_process(rnn_repository, listen=listen) as server:
        ended = run("server", *server_arguments(rnn_repository, listen))
        assert ended.returncode == 1
        assert ended.stderr == f"error: listen: cannot listen on {listen}: a running server listens on it\n"
        assert serves(listen)
        server.process.kill()
        server.process.wait(PATIENCE)
    assert (tmp_path / "socket").is_socket()
    with server_process(rnn_repository, listen=listen):
        assert serves(listen)


# Signals and drains


@pytest.fixture
def two_models(repository_of: Repositories) -> Path:
    """The default model, and the one of `open_stream`, which takes its time."""
    return repository_of("rnn", "transformer")


def open_stream(channel: grpc.Channel) -> Any:
    request = pb.TranslateRequest(contents=SENTENCES, model="transformer-en-fr")
    stream = iter(pb_grpc.TranslationServiceStub(channel).StreamTranslate(request, timeout=PATIENCE))
    next(stream)
    return stream


def test_a_terminal_that_is_closed_lets_a_running_request_end_and_the_server_with_it(two_models: Path) -> None:
    ours, theirs = os.openpty()
    with server_in_terminal(theirs, two_models) as server, grpc.insecure_channel(server.address) as channel:
        os.close(theirs)
        stream = open_stream(channel)
        for pid in children(server.process.pid):
            os.kill(pid, signal.SIGHUP)
        os.close(ours)  # the system sends the server a hangup
        assert sum(message.HasField("translation") for message in stream) == len(SENTENCES)
        assert server.process.wait(PATIENCE) == 0


def test_a_hangup_that_was_to_be_ignored_is(rnn_repository: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does; the server inherits it
    try:
        with server_process(rnn_repository) as server:
            server.process.send_signal(signal.SIGHUP)
            assert serves(server.address)
            assert server.end(signal.SIGTERM)[0] == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in filter(is_running, pids):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_the_second_signal_ends_the_server_and_its_engines_at_once(
    two_models: Path, number: signal.Signals, code: int
) -> None:
    with server_process(two_models) as server, grpc.insecure_channel(server.address) as channel:
        open_stream(channel)
        decoding = children(server.process.pid)
        with stopped(decoding):
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.7)  # a person's, not a supervisor's that says it twice
            assert server.process.poll() is None
            started = time.monotonic()
            actual, errors = server.end(number)
            assert time.monotonic() - started < 5, "it was to end at once"
        assert actual == code
        assert "Traceback" not in errors
        eventually(lambda: not any(map(is_running, decoding)), "its engines are still there")


def test_a_signal_that_comes_twice_at_once_still_lets_a_running_request_end(two_models: Path) -> None:
    with server_process(two_models) as server, grpc.insecure_channel(server.address) as channel:
        stream = open_stream(channel)
        with stopped(children(server.process.pid)):
            for _ in range(2):
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.1)
        assert sum(message.HasField("translation") for message in stream) == len(SENTENCES)
        assert server.process.wait(PATIENCE) == 0


def test_every_call_that_comes_before_a_drain_is_answered_or_refused_by_name(rnn_repository: Path) -> None:
    """gRPC has accepted most of these when the signal comes; by itself it would cancel them."""
    codes: collections.Counter[grpc.StatusCode] = collections.Counter()

    async def stream(stub: Any) -> None:
        try:
            async for _ in stub.StreamTranslate(pb.TranslateRequest(contents=SENTENCES), timeout=PATIENCE):
                pass
            codes[grpc.StatusCode.OK] += 1
        except grpc.aio.AioRpcError as error:
            codes[error.code()] += 1

    async def streams(server: ServerProcess) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.aio.insecure_channel(server.address, options) for _ in range(4)]
        stubs: list[Any] = [pb_grpc.TranslationServiceStub(channel) for channel in channels]
        for stub in stubs:
            await stub.ListModels(pb.ListModelsRequest())
        running = [asyncio.ensure_future(stream(stub)) for stub in stubs for _ in range(50)]
        await asyncio.sleep(0.1)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*running)
        for channel in channels:
            await channel.close()

    with server_process(rnn_repository) as server:
        asyncio.run(streams(server))
        assert server.process.wait(PATIENCE) == 0
    refused = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}  # one connection's share of a queue
    assert codes.keys() <= {grpc.StatusCode.OK, *refused}, codes
    assert codes[grpc.StatusCode.UNAVAILABLE], "the drain came too late to be seen"


def test_clients_that_call_on_and_on_are_never_cancelled_by_a_drain(rnn_repository: Path) -> None:
    """What is refused is held until the connection is told, so that nothing is under way when gRPC stops."""
    codes: collections.Counter[grpc.StatusCode] = collections.Counter()

    async def call(address: str) -> None:
        async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub: Any = pb_grpc.TranslationServiceStub(channel)
            while codes[grpc.StatusCode.UNAVAILABLE] < 200:
                try:
                    await stub.Translate(pb.TranslateRequest(contents=SENTENCES[:1]), timeout=PATIENCE)
                except grpc.aio.AioRpcError as error:
                    codes[error.code()] += 1

    async def call_and_drain(server: ServerProcess) -> None:
        clients = [asyncio.ensure_future(call(server.address)) for _ in range(32)]
        await asyncio.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*clients)

    with server_process(rnn_repository) as server:
        asyncio.run(call_and_drain(server))
        assert server.process.wait(PATIENCE) == 0
    assert codes.keys() == {grpc.StatusCode.UNAVAILABLE}


# Outputs


@pytest.mark.parametrize("stream", ["stdout", "stderr", "both"])
@pytest.mark.parametrize("broken", ["full", "closed"])
def test_an_output_that_cannot_be_written_stops_neither_start_nor_service(
    rnn_repository: Path, tmp_path: Path, stream: str, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # what is buffered is written once more at the end
    listen = f"unix:{tmp_path}/socket"
    with open("/dev/full", "wb") as full:
        output: Any = full
        if broken == "closed":
            reading, output = os.pipe()
            os.close(reading)
        outputs: dict[str, Any] = {
            name: output if stream in (name, "both") else subprocess.PIPE for name in ("stdout", "stderr")
        }
        command = [sys.executable, "-m", "server", *server_arguments(rnn_repository, listen)]
        with subprocess.Popen(command, cwd=ROOT, text=True, **outputs) as process:
            try:
                eventually(lambda: serves(listen), "it does not serve")
                process.terminate()
                written = process.communicate(timeout=PATIENCE)
            finally:
                process.kill()
        assert process.returncode == 0
        for text in filter(None, written):
            assert "Exception ignored" not in text
            assert "Traceback" not in text


def test_a_reader_of_the_first_line_alone_does_not_end_the_server(rnn_repository: Path) -> None:
    with server_process(rnn_repository) as server:
        assert server.process.stdout
        server.process.stdout.close()
        assert server.client(SENTENCES[0]).returncode == 0
        server.process.terminate()
        assert server.process.stderr
        assert "Exception ignored" not in server.process.stderr.read()
        assert server.process.wait(PATIENCE) == 0

"""Spans of calls, as a collector gets them."""

import asyncio
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
import trustme
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from seq2serve.pb import translation_pb2 as pb
from server.config import ServerConfig
from server.serving.app import App
from tests.e2e.processes import ROOT, server_arguments
from tests.fakes import PATIENCE
from tests.integration.collector import Collector, attributes, collecting
from tests.integration.keyed import bearer, key, write_keys
from tests.integration.served import refusal, request, serving
from tests.integration.shipped import one_model

SERVICE = "translation.v1.TranslationService"
SECRET = "Swordfish"
PHASES = ["queue", "encode", "decode", "detokenise"]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = (("traceparent", f"00-{TRACE}-{PARENT}-01"), ("tracestate", "vendor=value"))
NOT_SAMPLED = (("traceparent", f"00-{TRACE}-{PARENT}-00"),)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def assert_within(child: Span, parent: Span) -> None:
    assert child.trace_id == parent.trace_id
    assert parent.start_time_unix_nano <= child.start_time_unix_nano
    assert child.start_time_unix_nano <= child.end_time_unix_nano <= parent.end_time_unix_nano


async def test_a_call_is_a_span_of_its_client_s_trace_and_its_phases_lie_within(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    keys = write_keys(tmp_path, key("translator"))
    before = time.time_ns()
    async with serving(one_model(tmp_path), keys=keys, otlp_endpoint=collector.endpoint) as served:
        metadata = (*bearer("translator"), *SAMPLED, ("x-request-id", "first"))
        asked = request(f"My {SECRET} sleeps.")
        answer = await served.stub.Translate(asked, timeout=PATIENCE, metadata=metadata)
        code, _, _ = await refusal(served.stub.Translate(request(SECRET), timeout=PATIENCE, metadata=SAMPLED[:1]))
        assert code is grpc.StatusCode.UNAUTHENTICATED
        await served.stub.Translate(
            request(SECRET), timeout=PATIENCE, metadata=(*bearer("translator"), *NOT_SAMPLED)
        )  # which the client does not trace

    span, refused = (span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER)
    assert span.name == f"{SERVICE}/Translate"
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, PARENT, "vendor=value")
    assert before <= span.start_time_unix_nano <= span.end_time_unix_nano <= time.time_ns()
    told = attributes(span)
    assert told.pop("seq2serve.source_tokens") > 2
    assert told.pop("seq2serve.output_tokens") > 2
    assert told == {
        "rpc.system": "grpc",
        "rpc.service": SERVICE,
        "rpc.method": "Translate",
        "rpc.grpc.status_code": 0,
        "seq2serve.request_id": "first",
        "seq2serve.caller": "translator",
        "seq2serve.model": "rnn-en-fr",
        "seq2serve.version": "1",
    }
    phases = collector.children(span)
    assert [phase.name for phase in phases] == PHASES
    for phase in phases:
        assert_within(phase, span)
    for earlier, later in itertools.pairwise(phases):
        assert earlier.end_time_unix_nano <= later.start_time_unix_nano
    assert phases[2].end_time_unix_nano > phases[2].start_time_unix_nano

    assert attributes(refused)["rpc.grpc.status_code"] == grpc.StatusCode.UNAUTHENTICATED.value[0]
    assert refused.parent_span_id.hex() == PARENT
    assert "seq2serve.model" not in attributes(refused)
    assert not collector.children(refused)
    assert len(collector.spans) == 2 + len(PHASES)

    assert collector.metadata["x-tenant"] == "a"
    assert collector.resource["service.name"] == "seq2serve"
    assert collector.resource["deployment.environment"] == "test"
    sent = b"".join(request.SerializeToString() for request in collector.requests)
    for text in (SECRET, answer.translations[0].translated_text):
        assert text.encode() not in sent


@pytest.fixture
def secure_collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    authority, file = trustme.CA(), tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(file))
    issued = authority.issue_cert("localhost")
    pair = issued.private_key_pem.bytes(), b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    with collecting(grpc.ssl_server_credentials([pair])) as collector:
        yield collector


async def test_every_request_of_a_stream_is_a_child_of_the_stream(
    secure_collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = secure_collector
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    good = pb.TranslateStreamRequest(id="a", request=request(f"{SECRET} sleeps."))
    bad = pb.TranslateStreamRequest(id="b", request=request("a", model=SECRET))
    async with serving(one_model(tmp_path), otlp_endpoint=collector.endpoint) as served:
        call = served.stub.TranslateStream(requests := Asked(), timeout=PATIENCE, metadata=SAMPLED)
        for number, asked in enumerate([good, bad], 1):
            await requests.queue.put(asked)
            assert (await call.read()).id == asked.id, number
        await requests.queue.put(None)
        assert await call.read() is grpc.aio.EOF

    [stream] = (span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER)
    assert (stream.name, stream.parent_span_id.hex()) == (f"{SERVICE}/TranslateStream", PARENT)
    assert attributes(stream)["rpc.grpc.status_code"] == 0
    answered, failed = collector.children(stream)
    for span in (answered, failed):
        assert_within(span, stream)
    assert attributes(answered)["seq2serve.model"] == "rnn-en-fr"
    assert [phase.name for phase in collector.children(answered)] == PHASES
    for phase in collector.children(answered):
        assert_within(phase, answered)
    assert attributes(failed)["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert collector.resource["service.name"] == "mine"
    assert not any(SECRET.encode() in request.SerializeToString() for request in collector.requests)


class Asked:
    """Requests of a stream, each sent when it is put here; None is the end."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[pb.TranslateStreamRequest | None] = asyncio.Queue()

    async def __aiter__(self) -> AsyncIterator[pb.TranslateStreamRequest]:
        while asked := await self.queue.get():
            yield asked


async def test_the_ratio_is_of_traces_that_begin_here(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    async with serving(one_model(tmp_path), gated=True, otlp_endpoint=collector.endpoint) as served:
        for metadata in ((), SAMPLED):
            with pytest.raises(grpc.aio.AioRpcError):  # nothing is decoded while the gate is shut
                await served.stub.Translate(request("a"), timeout=0.1, metadata=metadata)
        await served.wait_for_metric(2, "grpc_server_handled_total", grpc_method="Translate")
    [span] = (span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER)
    assert span.parent_span_id.hex() == PARENT
    assert attributes(span)["rpc.grpc.status_code"] == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert span.end_time_unix_nano - span.start_time_unix_nano > 50_000_000  # of the 100 ms that it had


@pytest.mark.parametrize("accepts", [False, True])
async def test_a_collector_that_does_not_answer_changes_nothing(
    accepts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens, or somebody who says nothing."""
    monkeypatch.setattr("server.serving.app._TRACES_SECONDS", 0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if accepts:
            listener.listen()
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with serving(one_model(tmp_path), otlp_endpoint=endpoint) as served:
            for _ in range(3):
                assert (await served.translate("A dog sleeps.")).translations[0].translated_text
            started = time.monotonic()
            assert await served.stop()
            assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ("localhost:4317", "http://host:port or https://host:port expected, got 'localhost:4317'"),
        ("http://localhost", "host:port"),
        ("http://unix:socket", "http://host:port"),
        ("http://localhost:4317", r"a variable OTEL_\* cannot be used: .*'long'"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(endpoint: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "long")
    with pytest.raises(ValueError, match=f"^otlp_endpoint: {problem}"):
        App(ServerConfig(otlp_endpoint=endpoint))


def test_without_the_extra_the_start_says_what_to_install(tmp_path: Path) -> None:
    package = tmp_path / "opentelemetry"  # hides what is installed
    package.mkdir()
    (package / "__init__.py").touch()
    command = [sys.executable, "-m", "server", *server_arguments(tmp_path), "--otlp-endpoint=http://localhost:4317"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 2
    [line] = ended.stderr.splitlines()
    assert line.startswith("error: otlp_endpoint: needs OpenTelemetry: pip install --editable '.[serve,tracing]'")

"""The whole server in the test's own event loop, with a client beside it."""

import asyncio
import os
import socket
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from grpc_status import rpc_status
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.config import ServerConfig
from server.decoding.connection import OpenBackend, decode
from server.serving.app import App
from server.serving.engines.keeper import Timing
from tests.fakes import PATIENCE, Gate, GatedBackend

DEFAULT_MODEL = "rnn-en-fr"

PATIENT = Timing(ping_seconds=PATIENCE)
"""An engine that stands before a gate is not lost."""

Call = Awaitable[Any]


class Served:
    def __init__(self, app: App, gate: Gate, channel: grpc.aio.Channel) -> None:
        self.app = app
        self.gate = gate
        self.address = f"127.0.0.1:{app.port}"
        self.channel = channel
        self.stub = pb_grpc.TranslationServiceStub(channel)
        self.is_stopped = False

    async def translate(self, *contents: str, **fields: Any) -> pb.TranslateResponse:
        return await self.stub.Translate(request(*contents, **fields), timeout=PATIENCE)

    async def stream(self, *contents: str, **fields: Any) -> list[pb.StreamTranslateResponse]:
        return [message async for message in self.stub.StreamTranslate(request(*contents, **fields), timeout=PATIENCE)]

    async def metric(self, name: str, **labels: str) -> float:
        """As Prometheus reads it, the sum of all series with these labels."""
        return sum(sample.value for sample in await self._samples(**labels) if sample.name == name)

    async def num_series(self, **labels: str) -> int:
        """Number of all series with these labels."""
        return len(await self._samples(**labels))

    async def _samples(self, **labels: str) -> list[Sample]:
        url = f"http://127.0.0.1:{self.app.metrics_port}/metrics"
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(url).read().decode())
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return [sample for sample in samples if labels.items() <= sample.labels.items()]

    async def wait_for_metric(self, value: float, name: str, **labels: str) -> None:
        async def has_come() -> bool:
            return await self.metric(name, **labels) == value

        await eventually(has_come)

    async def held(self) -> None:
        """Wait until a decode loop stands before its next step."""
        await asyncio.to_thread(self.gate.wait_until_held)

    async def stop(self) -> bool:
        self.is_stopped = True
        return await self.app.stop()


OVERLONG_SENTENCE = " ".join(["the cat sleeps on the warm roof of the car and"] * 8)


def request(
    *contents: str, max_output_tokens: int = 0, decoding: dict[str, Any] | None = None, **fields: Any
) -> pb.TranslateRequest:
    """`decoding`: more of its options."""
    options = pb.DecodingOptions(**({"max_output_tokens": max_output_tokens} | (decoding or {})))
    return pb.TranslateRequest(contents=contents, decoding=options, **fields)


async def answer(served: Served, method: str, message: pb.TranslateRequest) -> Any:
    """What `Translate` or `StreamTranslate` answers, or all that it answers."""
    call = getattr(served.stub, method)(message, timeout=PATIENCE)
    return await call if method == "Translate" else [response async for response in call]


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not await holds():
        assert time.monotonic() < give_up, "it has not come to pass"
        await asyncio.sleep(0.005)


class Decoding:
    """An engine on a thread, where the test can reach its backend."""

    pid = os.getpid()

    def __init__(self, connection: socket.socket, open_backend: OpenBackend) -> None:
        self.connection = connection.dup()
        """The engine's end."""
        self._open_backend = open_backend
        self._thread = threading.Thread(target=self._decode, daemon=True)
        self._thread.start()

    def _decode(self) -> None:
        with suppress(SystemExit):  # a backend that ends its process
            decode(self.connection, self._open_backend)

    def wait(self, timeout: float | None = None) -> int:
        self._thread.join(timeout)
        return 0

    def kill(self) -> None:
        raise AssertionError("it does not end")


def launched_here(open_backend: OpenBackend) -> Callable[[str, socket.socket], Decoding]:
    return lambda _, connection: Decoding(connection, open_backend)


@asynccontextmanager
async def serving(
    *repositories: Path,
    gated: bool = False,
    open_backend: OpenBackend | None = None,
    timing: Timing = PATIENT,
    default_model: str = DEFAULT_MODEL,
    listen: str = "127.0.0.1:0",
    **settings: Any,
) -> AsyncIterator[Served]:
    """A server on free ports, reached on 127.0.0.1, whose engines are in this process; `gated`: no decode loop takes a
    step but through the gate."""
    gate = Gate()
    if not gated:
        gate.open()
    config = ServerConfig(
        model_repository=repositories,
        listen=listen,
        metrics_listen="127.0.0.1:0",
        default_model=default_model,
        **settings,
    )
    launch = launched_here(open_backend or (lambda bundle, options: GatedBackend(bundle, options, gate)))
    app = App(config, launch, timing)
    await app.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        served = Served(app, gate, channel)
        try:
            yield served
        finally:
            gate.open()
            if not served.is_stopped:
                await served.stop()


async def refusal(call: Call) -> tuple[grpc.StatusCode, str, dict[str, Message]]:
    """Status code, message, and details by name, of a call that has to fail."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(cast(Any, error))  # typed for the synchronous API alone
        return error.code(), error.details() or "", unpacked(status.details if status else [])
    raise AssertionError(f"answered: {answer}")


def unpacked(packed: Sequence[Any]) -> dict[str, Message]:
    details: dict[str, Message] = {}
    for any_message in packed:
        for kind in (BadRequest, ErrorInfo, RequestInfo, RetryInfo):
            if any_message.Is(kind.DESCRIPTOR):
                details[kind.DESCRIPTOR.name] = message = kind()
                any_message.Unpack(message)
    assert len(details) == len(packed)
    return details

"""A server whose service can be made to do anything, and a client."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.serving.app import SERVICE
from server.serving.metrics import Metrics
from server.serving.requests.admission import Admission
from server.serving.rpc.calls import Calls
from tests.fakes import PATIENCE
from tests.integration.served import eventually

SECRET = "password of the database"

Method = Callable[[bytes, Any], Awaitable[bytes]]


class Failing(pb_grpc.TranslationServiceServicer):
    """Raises `error` in every method, or aborts by itself where there is none."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    async def Translate(self, request: Any, context: Any) -> pb.TranslateResponse:
        await self.fail(context)
        return pb.TranslateResponse()

    async def StreamTranslate(self, request: Any, context: Any) -> AsyncIterator[pb.StreamTranslateResponse]:
        yield pb.StreamTranslateResponse(text_delta="before it fails")
        await self.fail(context)

    async def fail(self, context: Any) -> None:
        if self.error:
            raise self.error
        await context.abort(grpc.StatusCode.DATA_LOSS, "by itself")


class Surrounded:
    """The server, and a client that calls its methods."""

    def __init__(
        self, service: Failing, metrics: Metrics, calls: Calls, address: str, channel: grpc.aio.Channel
    ) -> None:
        self.service = service
        self.calls = calls
        self.channel = channel
        self.address = address
        self.metrics = metrics
        self._stub = pb_grpc.TranslationServiceStub(channel)

    def call(self, method: str, request_id: str = "") -> Awaitable[Any]:
        metadata = (("x-request-id", request_id),) if request_id else ()
        if method == "Translate":
            unary: Awaitable[Any] = self._stub.Translate(pb.TranslateRequest(), metadata=metadata, timeout=PATIENCE)
            return unary
        return self._read(metadata)

    async def _read(self, metadata: Any) -> list[Any]:
        stream = self._stub.StreamTranslate(pb.TranslateRequest(), metadata=metadata, timeout=PATIENCE)
        return [message async for message in stream]

    def serve(self, service: str, method: Method, parse: Callable[[bytes], bytes] = bytes) -> None:
        """Add another service, whose only method takes and gives bytes."""
        handler = grpc.unary_unary_rpc_method_handler(cast(Any, method), parse, bytes)
        self.calls.add_registered_method_handlers(service, {"Method": handler})

    def plain_call(self, service: str, message: bytes = b"") -> Awaitable[bytes]:
        method: Any = self.channel.unary_unary(f"/{service}/Method")
        call: Awaitable[bytes] = method(message, timeout=PATIENCE)
        return call

    async def was_handled(self, method: str, code: str) -> bool:
        """The call is counted a moment after its answer is sent."""
        kind = "unary" if method == "Translate" else "server_stream"
        labels = {"grpc_type": kind, "grpc_service": "translation.v1.TranslationService", "grpc_method": method}

        async def is_counted() -> bool:
            value = self.metrics.registry.get_sample_value("grpc_server_handling_seconds_count", labels)
            return value == 1

        await eventually(is_counted)
        return self.metrics.registry.get_sample_value("grpc_server_handled_total", labels | {"grpc_code": code}) == 1


def around(
    service: pb_grpc.TranslationServiceServicer,
    metrics: Metrics,
    max_seconds: float = PATIENCE,
    max_bytes: int = 1000,
) -> Calls:
    calls = Calls(metrics, Admission(max_calls=10, max_bytes=max_bytes), [SERVICE], max_seconds)
    pb_grpc.add_TranslationServiceServicer_to_server(service, cast(grpc.aio.Server, calls))
    return calls


@asynccontextmanager
async def surrounding(
    max_seconds: float = PATIENCE, max_bytes: int = 1000, grpc_options: Sequence[tuple[str, int]] = ()
) -> AsyncIterator[Surrounded]:
    service, metrics = Failing(), Metrics()
    calls = around(service, metrics, max_seconds, max_bytes)
    server = grpc.aio.server(handlers=[calls], options=grpc_options)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    address = f"127.0.0.1:{port}"
    async with grpc.aio.insecure_channel(address) as channel:
        yield Surrounded(service, metrics, calls, address, channel)
    await server.stop(None)


def sample(surrounded: Surrounded, code: str, method: str = "Translate", service: str = SERVICE) -> float:
    labels = {"grpc_type": "unary", "grpc_service": service, "grpc_method": method, "grpc_code": code}
    return surrounded.metrics.registry.get_sample_value("grpc_server_handled_total", labels) or 0.0

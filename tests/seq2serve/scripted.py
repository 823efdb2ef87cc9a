"""A service that does as a test says, on a socket, and surrounded as the server surrounds its own."""

from collections.abc import AsyncIterator
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


class Scripted(pb_grpc.TranslationServiceServicer):
    """Fails its first calls with the codes and errors given, then answers with its own name."""

    def __init__(self, name: str, failures: list[grpc.StatusCode | Exception]) -> None:
        self._name = name
        self._failures = failures
        self.num_calls = 0
        self.keys: list[str] = []
        """`authorization` of each call; empty where it had none."""

    async def Translate(self, request: pb.TranslateRequest, context: Any) -> pb.TranslateResponse:
        await self._begin(context)
        return pb.TranslateResponse(translations=[pb.Translation(translated_text=self._name)])

    async def StreamTranslate(
        self, request: pb.TranslateRequest, context: Any
    ) -> AsyncIterator[pb.StreamTranslateResponse]:
        await self._begin(context)
        yield pb.StreamTranslateResponse(text_delta=self._name)
        yield pb.StreamTranslateResponse(translation=pb.Translation(translated_text=self._name))

    async def _begin(self, context: Any) -> None:
        self.num_calls += 1
        self.keys.append(dict(context.invocation_metadata()).get("authorization", ""))
        if self._failures:
            failure = self._failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            await context.abort(failure, "as the test says")


@asynccontextmanager
async def scripted(
    name: str = "",
    *failures: grpc.StatusCode | Exception,
    listen: str = "127.0.0.1:0",
    credentials: grpc.ServerCredentials | None = None,
) -> AsyncIterator[tuple[Scripted, str]]:
    """The service, and the address where it listens on loopback."""
    service = Scripted(name, list(failures))
    calls = Calls(Metrics(), Admission(max_calls=10, max_bytes=1_000_000), [SERVICE], max_seconds=PATIENCE)
    pb_grpc.add_TranslationServiceServicer_to_server(service, cast(grpc.aio.Server, calls))
    server = grpc.aio.server(handlers=[calls])
    port = server.add_secure_port(listen, credentials) if credentials else server.add_insecure_port(listen)
    await server.start()
    try:
        yield service, f"{listen.rpartition(':')[0]}:{port}"
    finally:
        await server.stop(PATIENCE)  # lets calls end

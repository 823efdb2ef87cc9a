"""A gRPC server of the contract that answers when, and as, a test says."""

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc


@dataclass(kw_only=True)
class Faults:
    """What every call meets."""

    delays: Sequence[float] = (0.0,)
    """Seconds until an answer, one call after the other, from the start again behind the last."""
    fails: Callable[[int], grpc.StatusCode | None] = lambda number: None
    """Status of a call by its number from 0; None to answer it."""
    stall_at: int = -1
    """Number of the call at which the whole server stands still for `stall_seconds`; none for a negative one."""
    stall_seconds: float = 1.0
    texts: int = 3
    """Messages with text of a stream."""
    gap: float = 0.0
    """Seconds between them."""
    key: str = ""
    """That every call has to bring; empty for none."""


class FaultyService(pb_grpc.TranslationServiceServicer):
    def __init__(self, faults: Faults) -> None:
        self.meet(faults)

    def meet(self, faults: Faults) -> None:
        """Begin anew, with other faults."""
        self._faults = faults
        self._delays = itertools.cycle(faults.delays)
        self._numbers = itertools.count()

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        await self._check(context)
        pair = pb.LanguagePair(source_language_code="en", target_language_code="fr")
        models = [
            pb.Model(name=name, versions=["1"], architecture=name, language_pairs=[pair]) for name in ("fast", "slow")
        ]
        return pb.ListModelsResponse(models=models)

    async def Translate(self, request: pb.TranslateRequest, context: Any) -> pb.TranslateResponse:
        await self._suffer(context)
        return pb.TranslateResponse(translations=[_translation(text) for text in request.contents])

    async def StreamTranslate(
        self, request: pb.TranslateRequest, context: Any
    ) -> AsyncIterator[pb.StreamTranslateResponse]:
        await self._suffer(context)
        for number in range(self._faults.texts):
            if number:
                await asyncio.sleep(self._faults.gap)
            yield pb.StreamTranslateResponse(text_delta=f"text {number} ")
        yield pb.StreamTranslateResponse(translation=_translation(request.contents[0]))

    async def _suffer(self, context: Any) -> None:
        faults, number = self._faults, next(self._numbers)
        await self._check(context)
        if number == faults.stall_at:
            time.sleep(faults.stall_seconds)  # the event loop stands still, and all calls with it
        await asyncio.sleep(next(self._delays))
        status = faults.fails(number)
        if status:
            await context.abort(status, "as the test has said")

    async def _check(self, context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        if self._faults.key and metadata.get("authorization") != f"Bearer {self._faults.key}":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no key, or a wrong one")


@contextmanager
def faulty_server(
    faults: Faults, credentials: grpc.ServerCredentials | None = None
) -> Iterator[tuple[str, FaultyService]]:
    """Yields its address, and what answers there."""
    service = FaultyService(faults)
    addresses: list[str] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def serve() -> None:
        server = grpc.aio.server()
        pb_grpc.add_TranslationServiceServicer_to_server(service, server)
        if credentials:
            port = server.add_secure_port("127.0.0.1:0", credentials)
        else:
            port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        addresses.append(f"127.0.0.1:{port}")
        started.set()
        await stopping.wait()
        await server.stop(None)

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    started.wait()
    try:
        yield addresses[0], service
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()


def _translation(text: str) -> pb.Translation:
    return pb.Translation(translated_text=text, source_token_count=len(text.split()), output_token_count=2)

"""The project's own clients, blocking and with asyncio, and its stub for streams of many requests."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from seq2serve import AsyncClient, Client, StreamTranslateResponse, TranslationError
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from tests.together.asking import TIMEOUT, Answer, Ask, Open, Refusal, Target, full_name


@asynccontextmanager
async def blocking(target: Target, secret: str) -> AsyncIterator[Ask]:
    with Client(target.address, timeout=TIMEOUT, tls=target.roots.read_bytes(), api_key=secret) as client:

        def translate(named: str, sentences: Sequence[str]) -> Answer:
            try:
                answers = client.translate(sentences, model=full_name(named))
            except TranslationError as error:
                raise _refusal(error) from error
            return Answer([one.translated_text for one in answers])

        yield lambda *request: asyncio.to_thread(translate, *request)


@asynccontextmanager
async def blocking_stream(target: Target, secret: str) -> AsyncIterator[Ask]:
    with Client(target.address, timeout=TIMEOUT, tls=target.roots.read_bytes(), api_key=secret) as client:

        def stream(named: str, sentences: Sequence[str]) -> Answer:
            try:
                return _whole(client.stream(sentences, model=full_name(named)), len(sentences))
            except TranslationError as error:
                raise _refusal(error) from error

        yield lambda *request: asyncio.to_thread(stream, *request)


@asynccontextmanager
async def asyncio_client(target: Target, secret: str, retries: bool = True) -> AsyncIterator[Ask]:
    roots = target.roots.read_bytes()
    async with AsyncClient(target.address, timeout=TIMEOUT, retries=retries, tls=roots, api_key=secret) as client:

        async def translate(named: str, sentences: Sequence[str]) -> Answer:
            try:
                answers = await client.translate(sentences, model=full_name(named))
            except TranslationError as error:
                raise _refusal(error) from error
            return Answer([one.translated_text for one in answers])

        yield translate


@asynccontextmanager
async def asyncio_stream(target: Target, secret: str) -> AsyncIterator[Ask]:
    async with AsyncClient(target.address, timeout=TIMEOUT, tls=target.roots.read_bytes(), api_key=secret) as client:

        async def stream(named: str, sentences: Sequence[str]) -> Answer:
            try:
                messages = [one async for one in client.stream(sentences, model=full_name(named))]
            except TranslationError as error:
                raise _refusal(error) from error
            return _whole(messages, len(sentences))

        yield stream


@asynccontextmanager
async def stream_of_requests(target: Target, secret: str) -> AsyncIterator[Ask]:
    """One stream for all requests, and so one connection: it is to outlive whatever happens to the server."""
    credentials = grpc.composite_channel_credentials(
        grpc.ssl_channel_credentials(target.roots.read_bytes()), grpc.access_token_call_credentials(secret)
    )
    async with grpc.aio.secure_channel(target.address, credentials) as channel:
        call = pb_grpc.TranslationServiceStub(channel).TranslateStream()
        numbers = itertools.count()

        async def ask(named: str, sentences: Sequence[str]) -> Answer:
            number = next(numbers)
            request = pb.TranslateRequest(contents=sentences, model=full_name(named))
            try:
                await call.write(
                    pb.TranslateStreamRequest(id=str(number), request=request, streams_text=bool(number % 2))
                )
                return await _read_answer(call, str(number), len(sentences))
            except grpc.aio.AioRpcError as error:
                raise Refusal(f"{error.code().name} of the stream", error.details() or "") from error

        yield ask
        await call.done_writing()


async def _read_answer(call: Any, id_: str, number: int) -> Answer:
    parts: list[StreamTranslateResponse] = []
    while True:
        message = await call.read()
        if message is grpc.aio.EOF or message.id != id_:
            raise Refusal("LOST", f"the answer to {id_} expected, got {message}")
        if message.HasField("error"):
            code = next(one.name for one in grpc.StatusCode if one.value[0] == message.error.code)
            raise Refusal(code, message.error.message, message.error.retry_milliseconds / 1000)
        if message.HasField("response"):
            response = message.response
            return Answer([one.translated_text for one in response.translations], response.model_version)
        parts.append(message.part)
        if message.is_last:
            return _whole(parts, number)


@asynccontextmanager
async def without_retries(target: Target, secret: str) -> AsyncIterator[Ask]:
    """What the server refuses is told at once."""
    async with asyncio_client(target, secret, retries=False) as ask:
        yield ask


OWN_CLIENTS: Mapping[str, Open] = {
    "seq2serve, blocking": blocking,
    "seq2serve, blocking, streams": blocking_stream,
    "seq2serve, asyncio": asyncio_client,
    "seq2serve, asyncio, streams": asyncio_stream,
}
"""That use the key which is rotated."""


def _refusal(error: TranslationError) -> Refusal:
    return Refusal(error.code.name, error.message, error.retry_after)


def _whole(messages: Iterable[StreamTranslateResponse], number: int) -> Answer:
    """What a stream has told of so many contents. Raises Refusal for one whose pieces are not the whole."""
    told, whole, versions = [""] * number, [""] * number, set()
    for message in messages:
        versions.add(message.model_version)
        told[message.content_index] += message.text_delta
        whole[message.content_index] += message.translation.translated_text
    if told != whole or len(versions) != 1:
        raise Refusal("MIXED", f"versions {versions}: pieces {told} of {whole}")
    return Answer(whole, versions.pop())

"""Translations as server-sent events: what is written is told as it is decoded, of one model or of several at once.

Each event is a line of JSON in ASCII: a StreamTranslateResponse, `milliseconds` since the server was asked, and the
`model` that the page has asked; or `model` and the `error` that ended its translation."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from google.protobuf.message import Message
from starlette.responses import StreamingResponse

from gateway.json_text import write_json
from gateway.page.messages import as_json, error_as_json, options_of
from seq2serve import AsyncClient, TranslationError
from seq2serve.pb import translation_pb2 as pb

_MOST_WAITING = 16
"""Events of a comparison that its reader has not taken yet: those with attention are large."""


async def translation_events(client: AsyncClient, request: pb.TranslateRequest) -> AsyncGenerator[str, None]:
    """The events of one translation. Raises TranslationError where the server answers with one."""
    started = time.perf_counter()
    async with aclosing(client.stream(list(request.contents), **options_of(request))) as messages:
        async for message in messages:
            more = {
                "model": request.model or message.model,
                "milliseconds": round((time.perf_counter() - started) * 1000, 3),
            }
            yield await write_json(message, partial(_with, more))


async def compared_events(client: AsyncClient, requests: Sequence[pb.TranslateRequest]) -> AsyncGenerator[str, None]:
    """The events of several translations, which begin at once, as they come. One that fails ends with an error, and the
    others go on. All are cancelled when the generator is closed."""
    events: asyncio.Queue[str | None] = asyncio.Queue()
    places = asyncio.Semaphore(_MOST_WAITING)  # of events alone: the end of a translation that is cancelled never waits

    async def put(event: str) -> None:
        await places.acquire()
        events.put_nowait(event)

    async def tell(request: pb.TranslateRequest) -> None:
        try:
            async for event in translation_events(client, request):
                await put(event)
        except TranslationError as error:
            await put(_failure(request.model, error))
        finally:
            events.put_nowait(None)

    tasks = [asyncio.create_task(tell(request)) for request in requests]
    try:
        num_open = len(tasks)
        while num_open:
            event = await events.get()
            if event is None:
                num_open -= 1
            else:
                places.release()
                yield event
        await asyncio.gather(*tasks)  # what is none of a call's errors is raised here
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _with(more: dict[str, Any], message: Message) -> dict[str, Any]:
    return as_json(message) | more


def _failure(model: str, error: TranslationError) -> str:
    return json.dumps({"model": model, "error": error_as_json(error)})


async def first_of(events: AsyncGenerator[str, None]) -> str | None:
    """The first event, so that a request that is refused at once is answered with a status of its own."""
    return await anext(events, None)


def answer(first: str | None, rest: AsyncGenerator[str, None], model: str = "") -> StreamingResponse:
    """An answer of the events, first the one that has come already. An error ends it as an event of the model."""

    async def lines() -> AsyncGenerator[str, None]:
        try:
            async with aclosing(rest) as events:
                if first is not None:
                    yield _line(first)
                async for event in events:
                    yield _line(event)
        except TranslationError as error:
            yield _line(_failure(model, error))

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}  # nginx would hold events back
    return StreamingResponse(lines(), media_type="text/event-stream", headers=headers)


def _line(event: str) -> str:
    return f"data: {event}\n\n"

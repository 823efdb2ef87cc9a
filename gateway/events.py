"""A translation's text, tokens and attention as they are decoded, as server-sent events: for whoever speaks HTTP, and
no Connect. The page's own events are another thing: several models' beside each other, with times, for one text."""

import json
from collections.abc import AsyncGenerator, AsyncIterator

from google.protobuf.json_format import ParseDict, ParseError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from gateway.callers import on_behalf
from gateway.calls import stream
from gateway.errors import problem_of
from gateway.fields import check_length, read_object, wrong
from gateway.json_text import write_json
from gateway.settings import Settings
from seq2serve import AsyncClient, StreamTranslateResponse, TranslationError
from seq2serve.pb import translation_pb2 as pb

_HEADERS = {"X-Accel-Buffering": "no"}
"""nginx would keep events until it has many."""


def event_routes(client: AsyncClient, settings: Settings) -> list[BaseRoute]:
    async def stream_events(request: Request) -> Response:
        """A TranslateRequest as JSON; its StreamTranslateResponses as events. What is wrong before the first of them
        is answered as with any request, and afterwards by an event `error`."""
        body = await read_object(request)
        caller = on_behalf(client, request.headers)
        check_length("contents", body.get("contents"))  # making messages of very many takes seconds
        try:
            asked = ParseDict(body, pb.TranslateRequest())
        except (ParseError, UnicodeError, RecursionError) as error:  # UnicodeError: half of a surrogate pair
            raise wrong("body", f"a TranslateRequest of translation.v1 as JSON expected: {error}") from None
        messages = stream(caller, "StreamTranslate", asked, settings.timeout_seconds)
        first = await anext(messages, None)
        return StreamingResponse(_events(first, messages), media_type="text/event-stream", headers=_HEADERS)

    return [Route("/v1/stream", stream_events, methods=["POST"])]


async def _events(
    first: StreamTranslateResponse | None, messages: AsyncGenerator[StreamTranslateResponse, None]
) -> AsyncIterator[str]:
    try:
        if first is not None:
            yield _event("message", await write_json(first))
            async for message in messages:
                yield _event("message", await write_json(message))
        yield _event("end", "{}")
    except TranslationError as error:
        yield _event("error", json.dumps({"code": error.code.name, "error": problem_of(error, {})}))
    finally:
        await messages.aclose()


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"

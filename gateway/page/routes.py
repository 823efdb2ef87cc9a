"""The routes of the page: its files, and the JSON and event streams that they ask for."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.callers import key_in, on_behalf
from gateway.json_text import write_json
from gateway.page.batches import Batches
from gateway.page.events import answer, compared_events, first_of, translation_events
from gateway.page.headers import PageHeaders
from gateway.page.messages import as_json, invalid, parse, read_json, refuse
from seq2serve import AsyncClient, DeadlineExceeded, TranslationError, Unavailable
from seq2serve.pb import translation_pb2 as pb

STATIC = Path(__file__).parent / "static"

MODELS_SECONDS = 2.0
"""The most that the list of models may take: whoever opens the page learns soon that the server is away."""

MAX_COMPARED = 12
"""Models that translate one text at once."""

Endpoint = Callable[[AsyncClient, Request], Awaitable[Response]]


def page_routes(client: AsyncClient, batches: Batches) -> list[BaseRoute]:
    """All that the page is, for an application whose root it is.

    GET  /                 the page
    GET  /page/models      a ListModelsResponse
    POST /page/translate   a TranslateRequest of one content, answered with server-sent events
    POST /page/compare     the same by several models at once: `models` lists their names, `request` has the rest
    POST /page/score       a ScoreRequest, answered with {"scores": [PairScore, ...]}
    GET  /page/batches     what the running batches are, as server-sent events that do not end

    Messages are those of translation.v1, in protobuf's JSON form. What goes wrong is answered with {"error": {"code",
    "message", "field", "retryAfter", "requestId"}} and the status of HTTP that says it; behind the first event, it is
    an event.
    """
    endpoints: list[tuple[str, str, Endpoint]] = [
        ("/models", "GET", _models),
        ("/translate", "POST", _translate),
        ("/compare", "POST", _compare),
        ("/score", "POST", _score),
        ("/batches", "GET", partial(_batches, batches)),
    ]
    routes: list[BaseRoute] = [
        Route(path, partial(_answer, endpoint, client), methods=[method]) for path, method, endpoint in endpoints
    ]
    routes.append(Mount("/static", StaticFiles(directory=STATIC)))
    headers = [Middleware(PageHeaders)]
    return [Route("/", _index, middleware=headers), Mount("/page", routes=routes, middleware=headers)]


async def _index(_: Request) -> Response:
    return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})


async def _answer(endpoint: Endpoint, client: AsyncClient, request: Request) -> Response:
    try:
        return await endpoint(on_behalf(client, request.headers), request)
    except TranslationError as error:
        return refuse(error)


async def _models(client: AsyncClient, _: Request) -> Response:
    try:
        models = await client.list_models(timeout=MODELS_SECONDS)
    except DeadlineExceeded as error:  # an answer this small takes that long from nobody but a server that is away
        raise Unavailable(grpc.StatusCode.UNAVAILABLE, f"no server answered in {MODELS_SECONDS} s") from error
    return _json(await write_json(pb.ListModelsResponse(models=models), as_json))


async def _translate(client: AsyncClient, request: Request) -> Response:
    asked = _parse_one(await read_json(request))
    events = translation_events(client, asked)
    return answer(await first_of(events), events, asked.model)


async def _compare(client: AsyncClient, request: Request) -> Response:
    body = await read_json(request)
    names = body.get("models")
    if not (isinstance(names, list) and 1 <= len(names) <= MAX_COMPARED and all(isinstance(one, str) for one in names)):
        raise invalid("models", f"a list of 1 to {MAX_COMPARED} names of models expected")
    fields = body.get("request")
    if not isinstance(fields, dict):
        raise invalid("request", f"a JSON object expected, got {type(fields).__name__}")
    requests = [_parse_one(fields | {"model": name}) for name in names]
    return answer(None, compared_events(client, requests))


async def _score(client: AsyncClient, request: Request) -> Response:
    asked = parse(await read_json(request), pb.ScoreRequest())
    if not asked.pairs:
        raise invalid("pairs", "at least one pair expected, got none")
    scores = await client.score(
        [(pair.content, pair.translated_text) for pair in asked.pairs],
        model=asked.model,
        source_language_code=asked.source_language_code,
        target_language_code=asked.target_language_code,
        return_alignment=asked.return_alignment,
        return_alignment_heads=asked.return_alignment_heads,
    )
    return _json(await write_json(pb.ScoreResponse(scores=scores), lambda told: {"scores": as_json(told)["scores"]}))


async def _batches(batches: Batches, client: AsyncClient, request: Request) -> Response:
    events = batches.events(client, key_in(request.headers))
    return answer(await first_of(events), events)


def _parse_one(body: dict[str, Any]) -> pb.TranslateRequest:
    """A request of one content; of very many no messages are made, which would take seconds."""
    contents = body.get("contents")
    num_contents = len(contents) if isinstance(contents, list) else 0
    if num_contents <= 1:
        request = parse(body, pb.TranslateRequest())
        if request.contents:
            return request
    raise invalid("contents", f"one content expected, got {num_contents}")


def _json(text: str) -> Response:
    return Response(text, headers={"cache-control": "no-store"}, media_type="application/json")

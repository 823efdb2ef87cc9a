"""The page on a port of its own, and what asks it: plain HTTP, and events as they come."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.client import HTTPResponse
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette

from gateway.page.routes import page_routes
from seq2serve import AsyncClient
from tests.fakes import PATIENCE


@asynccontextmanager
async def page_for(server: str) -> AsyncIterator[str]:
    """The page of a server's models. Gives its URL, which ends with a slash."""
    async with AsyncClient(server) as client:
        app = Starlette(routes=page_routes(client))
        config = uvicorn.Config(app, port=0, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        running = _Server(config)
        task = asyncio.create_task(running.serve())
        while not running.started:
            assert not task.done()
            await asyncio.sleep(0.005)
        [listener] = running.servers[0].sockets
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            running.should_exit = True
            await task


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """None: signals are the test run's."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line[6:]) for line in self.body.decode("ascii").split("\n\n") if line]


async def get(url: str) -> Answer:
    return await asyncio.to_thread(_ask, urllib.request.Request(url))


async def post(url: str, body: object) -> Answer:
    """`body`: bytes, or what is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    return await asyncio.to_thread(_ask, urllib.request.Request(url, data, headers))


def _ask(request: urllib.request.Request) -> Answer:
    try:
        answer: HTTPResponse | urllib.error.HTTPError = urllib.request.urlopen(request, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status or 0, headers, answer.read())


def deltas(events: list[dict[str, Any]], model: str | None = None) -> Iterator[str]:
    return (event["textDelta"] for event in events if "textDelta" in event and model in (None, event["model"]))

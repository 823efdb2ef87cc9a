"""The page on a port of its own, and what asks it: plain HTTP, and events as they come."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.client import HTTPResponse
from typing import Any, NamedTuple

from tests.fakes import PATIENCE
from tests.gateway.running import gateway_here


@asynccontextmanager
async def page_for(server: str) -> AsyncIterator[str]:
    """The gateway of a server's models. Gives the URL of its page, which ends with a slash."""
    async with gateway_here(server) as url:
        yield f"{url}/"


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

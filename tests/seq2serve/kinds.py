"""Both kinds of client behind one interface, so that each test runs with both."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from seq2serve import AsyncClient, Client, Model, PairScore, StreamTranslateResponse


class Blocking:
    """`Client`, called on threads, so that a server in the test's event loop can answer."""

    def __init__(self, address: str | Sequence[str], **settings: Any) -> None:
        self._client = Client(address, **settings)

    async def __aenter__(self) -> Self:
        self._client.__enter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.to_thread(self._client.__exit__, *error)

    async def translate(self, contents: Any, **options: Any) -> Any:
        return await asyncio.to_thread(lambda: self._client.translate(contents, **options))

    async def stream(self, contents: str | Sequence[str], **options: Any) -> list[StreamTranslateResponse]:
        return await asyncio.to_thread(lambda: list(self._client.stream(contents, **options)))

    async def read_first(self, contents: str) -> StreamTranslateResponse:
        """The first message of a stream that is then left."""
        messages = self._client.stream(contents)
        first = await asyncio.to_thread(next, messages)
        messages.close()
        return first

    async def score(self, pairs: Sequence[tuple[str, str]], **options: Any) -> list[PairScore]:
        return await asyncio.to_thread(lambda: self._client.score(pairs, **options))

    async def list_models(self) -> list[Model]:
        return await asyncio.to_thread(self._client.list_models)

    async def get_model(self, name: str = "") -> Model:
        return await asyncio.to_thread(self._client.get_model, name)

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)

    def __repr__(self) -> str:
        return repr(self._client)


class Awaiting:
    """`AsyncClient`."""

    def __init__(self, address: str | Sequence[str], **settings: Any) -> None:
        self._client = AsyncClient(address, **settings)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__(*error)

    async def translate(self, contents: str | Sequence[str], **options: Any) -> Any:
        return await self._client.translate(contents, **options)

    async def stream(self, contents: str | Sequence[str], **options: Any) -> list[StreamTranslateResponse]:
        return [message async for message in self._client.stream(contents, **options)]

    async def read_first(self, contents: str) -> StreamTranslateResponse:
        messages = self._client.stream(contents)
        first = await anext(messages)
        await messages.aclose()
        return first

    async def score(self, pairs: Sequence[tuple[str, str]], **options: Any) -> list[PairScore]:
        return await self._client.score(pairs, **options)

    async def list_models(self) -> list[Model]:
        return await self._client.list_models()

    async def get_model(self, name: str = "") -> Model:
        return await self._client.get_model(name)

    async def close(self) -> None:
        await self._client.close()

    def __repr__(self) -> str:
        return repr(self._client)


AnyClient = Blocking | Awaiting
Kind = type[Blocking] | type[Awaiting]

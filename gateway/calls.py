"""Calls of translation.v1 whose requests are messages already: with the caller's key, a deadline, and seq2serve's
errors."""

import time
from collections.abc import AsyncGenerator
from typing import Any

import grpc
from google.protobuf.message import Message

from seq2serve import AsyncClient
from seq2serve.errors import translation_error


async def call(client: AsyncClient, method: str, request: Message, seconds: float) -> Any:
    """The answer. Raises TranslationError."""
    seconds_left = await _reach(client, seconds)
    try:
        return await getattr(client.stub, method)(request, timeout=seconds_left, metadata=client.metadata)
    except grpc.RpcError as error:
        raise translation_error(error) from error


async def stream(client: AsyncClient, method: str, request: Message, seconds: float) -> AsyncGenerator[Any, None]:
    """The messages of an answer. Raises TranslationError. The call is cancelled where the generator is closed."""
    seconds_left = await _reach(client, seconds)
    messages = getattr(client.stub, method)(request, timeout=seconds_left, metadata=client.metadata)
    try:
        async for message in messages:
            yield message
    except grpc.RpcError as error:
        raise translation_error(error) from error
    finally:
        messages.cancel()


async def _reach(client: AsyncClient, seconds: float) -> float:
    """The part of so many seconds that is left once a server can be reached. Raises TranslationError."""
    started = time.monotonic()
    await client.reach(seconds)
    return max(0.0, seconds - (time.monotonic() - started))

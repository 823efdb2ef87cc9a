"""What the server's running batches are, as server-sent events, for any number of pages.

All that come with the same key share one call of the server's, whose messages are written as JSON once. It begins with
the first page that looks, and is cancelled with the last. A page that reads slower is told fewer states.

Each event has `batches`, the fields of `Batch` in operations.proto in short: sentences are lists, as `_sentence` says.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from gateway.errors import Ended
from seq2serve import AsyncClient, Batch, BatchSentence, TranslationError, WatchBatchesResponse


class _Watch:
    """One call, and what it has told last."""

    def __init__(self, client: AsyncClient) -> None:
        self.num_pages = 0
        self.next: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """The next event's JSON, or the error that the call has ended with."""
        self.following = asyncio.create_task(self._follow(client))

    async def _follow(self, client: AsyncClient) -> None:
        try:
            async for message in client.watch_batches():
                self._tell(_written(message))
            self.end(Ended("the server has ended the watch"))
        except TranslationError as error:
            self.end(error)

    def _tell(self, event: str) -> None:
        told, self.next = self.next, asyncio.get_running_loop().create_future()
        told.set_result(event)

    def end(self, error: TranslationError) -> None:
        """Tell all pages why there is no more."""
        self.following.cancel()
        if not self.next.done():
            self.next.set_exception(error)
            self.next.exception()  # it has been seen, whether a page looks or not


class Batches:
    """Used on the event loop's thread alone."""

    def __init__(self) -> None:
        self._watches: dict[str, _Watch] = {}
        """By the keys that they are made with."""

    async def events(self, client: AsyncClient, key: str) -> AsyncGenerator[str, None]:
        """The events' JSON. `client`: with this key. Raises TranslationError, also where the gateway ends."""
        watch = self._watches.get(key)
        if watch is None or watch.following.done():
            watch = self._watches[key] = _Watch(client)
        watch.num_pages += 1
        try:
            while True:
                yield await asyncio.shield(watch.next)
        finally:
            watch.num_pages -= 1
            if not watch.num_pages:
                watch.following.cancel()
                if self._watches.get(key) is watch:
                    del self._watches[key]

    def close(self) -> None:
        """End all that is being watched, as it would never end by itself."""
        for watch in self._watches.values():
            watch.end(Ended("the gateway is ending"))


def _written(message: WatchBatchesResponse) -> str:
    return json.dumps({"batches": [_batch(batch) for batch in message.batches]}, separators=(",", ":"))


def _batch(batch: Batch) -> dict[str, Any]:
    return {
        "model": batch.model,
        "version": batch.model_version,
        "engine": batch.engine,
        "milliseconds": round(batch.milliseconds, 1),
        "maxRows": batch.max_rows,
        "waiting": batch.waiting_count,
        "joined": batch.joined_count,
        "left": batch.left_count,
        "outputTokens": batch.output_token_count,
        "runningSentences": [_sentence(one) for one in batch.running],
        "leftSentences": [_sentence(one) for one in batch.left],
        "nextSentences": [_sentence(one) for one in batch.next],
    }


def _sentence(one: BatchSentence) -> list[float]:
    """By hand, as protobuf's own JSON would take several times as long, five times a second: id, rows, rows that are
    kept for it, tokens of the source and of the translation, whether it is bulk, and when it was submitted, joined and
    left."""
    return [
        one.id,
        one.rows,
        one.reserved_rows,
        one.source_token_count,
        one.output_token_count,
        int(one.is_bulk),
        round(one.submitted_milliseconds, 1),
        round(one.joined_milliseconds, 1),
        round(one.left_milliseconds, 1),
    ]

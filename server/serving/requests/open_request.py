"""A request while it is decoded: its sentences in the engine, and what has come back of each content."""

import asyncio
import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from prometheus_client import Histogram

from server.errors import DeadlineExceeded, EngineFailed, EngineLost, NotServing, QueueFull, TranslationError
from server.messages.sentence import Event, Failed, Finished, Sentence
from server.serving.requests.cache import TranslationCache, key_of
from server.serving.requests.content_result import ContentResult
from server.serving.requests.parse import Segment, TranslationRequest

_logger = logging.getLogger(__name__)

_OUTCOMES: dict[type[BaseException] | None, str] = {
    None: "ok",
    asyncio.CancelledError: "cancelled",
    GeneratorExit: "cancelled",
    QueueFull: "queue_full",
    NotServing: "not_serving",
    DeadlineExceeded: "deadline_exceeded",
    EngineLost: "engine_lost",
}
"""Of a request, by how it ended, for the metrics; anything else is "failed"."""


class OpenRequest:
    """Used on the event loop's thread alone. A context: what is still in the engine at its end is cancelled."""

    def __init__(
        self,
        request: TranslationRequest,
        deadline: float,
        streams: bool,
        seconds: Histogram,
        cache: TranslationCache | None = None,
    ) -> None:
        """`deadline`: on the clock of `time.monotonic`; `seconds`: the series of requests, by model and outcome."""
        self._request = request
        self._deadline = deadline
        self._streams = streams
        self._seconds = seconds
        self._cache = cache if request.is_repeatable else None
        self._ids: list[int] = []
        self._num_open = sum(map(len, request.contents))
        self._news: dict[int, None] = {}  # contents with news, in order
        self._error: TranslationError | None = None
        self._changed = asyncio.Event()
        self.results = [
            ContentResult(segments, request.num_hypotheses, request.model.tokenizer) for segments in request.contents
        ]

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._num_open:
            self._request.model.engine.cancel(self._ids)
        ended = time.monotonic()
        outcome = _OUTCOMES.get(kind, "failed")
        if outcome == "cancelled" and ended >= self._deadline:  # gRPC's own timer may have been the first
            outcome = _OUTCOMES[DeadlineExceeded]
        self._seconds.labels(self._request.model.manifest.name, outcome).observe(ended - self._started)

    def submit(self) -> None:
        """Raises QueueFull, NotServing or EngineLost."""
        sentences = []
        for index, segments in enumerate(self._request.contents):
            for number, segment in enumerate(segments):
                listener = self._listener(index, number)
                known = self._cache.get(self._key(segment)) if self._cache else None
                if known:
                    listener(known)
                else:
                    sentences.append(
                        Sentence(segment.source_ids, segment.options, listener, self._deadline, self._streams)
                    )
        if sentences:
            self._ids = self._request.model.engine.submit(sentences)

    def _key(self, segment: Segment) -> bytes:
        return key_of(self._request.model.manifest, segment.source_ids, segment.options)

    @property
    def is_finished(self) -> bool:
        return not self._num_open

    async def news(self) -> list[int]:
        """Wait for some, and return the indices of the contents that it is about. Raises what a sentence ended with."""
        await self._changed.wait()
        self._changed.clear()
        if self._error:
            raise self._error
        news, self._news = list(self._news), {}
        return news

    def _listener(self, index: int, number: int) -> Callable[[Event], None]:
        def listen(event: Event) -> None:
            try:
                self._take(index, number, event)
            except Exception:  # whoever waits has to hear of it, and no other request
                _logger.exception("what the engine wrote cannot be read")
                self._error = EngineFailed()
            self._changed.set()

        return listen

    def _take(self, index: int, number: int, event: Event) -> None:
        if isinstance(event, Failed):
            self._error = event.error
            return
        self.results[index].update(number, event)
        self._news[index] = None
        if isinstance(event, Finished):
            self._num_open -= 1
            if self._cache:
                self._cache.put(self._key(self._request.contents[index][number]), event)

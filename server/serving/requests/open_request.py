"""A request while it is decoded: its sentences in the engine, and what has come back of each content."""

import asyncio
import itertools
import logging
import time
from types import TracebackType
from typing import Self

from prometheus_client import Histogram

from server.errors import DeadlineExceeded, EngineFailed, NotServing, QueueFull, TranslationError
from server.messages.sentence import Event, Failed, Finished, Listener, Sentence
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
}
"""Of a request, by how it ended, for the metrics; anything else is "failed"."""


_numbers = itertools.count()
"""Of requests, for `Sentence.request`."""


class OpenRequest:
    """Used on the event loop's thread alone. A context: what is still in the engine at its end is cancelled."""

    def __init__(
        self,
        request: TranslationRequest,
        caller: str,
        deadline: float,
        streams: bool,
        seconds: Histogram,
        cache: TranslationCache | None = None,
    ) -> None:
        """`caller`: who asks, as in `Sentence`; `deadline`: on the clock of `time.monotonic`; `seconds`: the series of
        requests, by model and outcome."""
        self._request = request
        self._caller = caller
        self._number = next(_numbers)
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
        """Raises QueueFull or NotServing."""
        sentences = []
        for index, segments in enumerate(self._request.contents):
            for number, segment in enumerate(segments):
                listener = self._listener(index, number)
                known = self._cache.get(self._key(segment)) if self._cache else None
                if known:
                    listener(known)
                else:
                    sentences.append(self._sentence(segment, listener))
        if sentences:
            self._ids = self._request.model.engine.submit(sentences)

    def _sentence(self, segment: Segment, listener: Listener) -> Sentence:
        return Sentence(
            segment.source_ids,
            segment.options,
            listener,
            self._deadline,
            self._streams,
            caller=self._caller,
            request=self._number,
        )

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

    def _listener(self, index: int, number: int) -> Listener:
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

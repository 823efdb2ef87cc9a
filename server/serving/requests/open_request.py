"""A request while it is decoded: its sentences in the engine, and the results of its contents."""

import asyncio
import dataclasses
import itertools
import logging
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from server.errors import DeadlineExceeded, EngineFailed, TranslationError
from server.messages.sentence import Event, Failed, Finished, Listener, Sentence
from server.serving.access.caller import Caller
from server.serving.metrics import CANCELLED, FAILED, OK, RequestMetrics
from server.serving.requests.cache import TranslationCache, key_of
from server.serving.requests.content_result import ContentResult
from server.serving.requests.parsed import ParsedSegment, TranslationRequest
from server.serving.requests.record import RequestRecord
from server.text.steps import Steps

_logger = logging.getLogger(__name__)


def _outcome(kind: type[BaseException] | None) -> str:
    """How a request ended, for the metrics."""
    if kind is None:
        return OK
    if issubclass(kind, asyncio.CancelledError | GeneratorExit):
        return CANCELLED
    return kind.reason.lower() if issubclass(kind, TranslationError) else FAILED


def _cost(sentence: Sentence | ParsedSegment) -> int:
    """What decoding it costs, in source tokens."""
    return sentence.options.cost(len(sentence.source_ids))


_SENTENCES_A_STEP = 64
"""Sentences that are submitted at a time: sending one takes some ten microseconds."""

_numbers = itertools.count()
"""Of requests, for `Sentence.request`."""


class OpenRequest:
    """A request's sentences, from submission to the answer. A context: at its end, sentences still in the engine are
    cancelled. Used on the event loop's thread alone."""

    def __init__(
        self,
        request: TranslationRequest,
        caller: Caller,
        deadline: float,
        streams: bool,
        metrics: RequestMetrics,
        cache: TranslationCache | None = None,
        record: RequestRecord | None = None,
    ) -> None:
        """`caller`: who asks; `deadline`: on the clock of `time.monotonic`; `record`: where it is noted what becomes of
        the request."""
        self._record = record or RequestRecord()
        self._request = request
        self._caller = caller
        self._number = next(_numbers)
        self._deadline = deadline
        self._streams = streams
        self._metrics = metrics
        self._cache = cache if request.is_repeatable else None
        self._ids: list[int] = []
        self._backlog = request.model.backlog
        self._open_cost = 0
        self._keys: dict[tuple[int, int], bytes] = {}
        """Of the cache, where there is one: by content, and segment of it."""
        self._sentences = [content.sentences for content in request.contents]
        self._num_open = sum(map(len, self._sentences))
        self._news: dict[int, None] = {}
        """Contents with news, in order."""
        self._error: TranslationError | None = None
        self._changed = asyncio.Event()
        self.results = [
            ContentResult(content, request.num_hypotheses, request.model.tokenizers, request.tells_alignment)
            for content in request.contents
        ]

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        manifest = self._request.model.manifest
        self._record.model, self._record.version = manifest.name, manifest.version
        self._request.model.uses.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._open_cost:
            self._backlog.remove(self._caller.name, self._open_cost, is_done=False, is_bulk=self._request.is_bulk)
        if self._num_open:
            self._request.model.engine.cancel(self._ids)
        self._request.model.uses.end()
        ended = time.monotonic()
        outcome = _outcome(kind)
        if outcome == CANCELLED and ended >= self._deadline:  # gRPC's own timer may have been the first
            outcome = _outcome(DeadlineExceeded)
        manifest = self._request.model.manifest
        self._metrics.end(manifest.name, manifest.version, outcome, ended - self._started, len(self.results))

    def submit(self) -> Steps[None]:
        """Raises Overloaded, NotServing or EngineLost."""
        sentences = []
        for index, parsed in enumerate(self._sentences):
            if not parsed:  # all that there will be is known already
                self._news[index] = None
                self._changed.set()
            for number, segment in enumerate(parsed):
                yield
                listener = self._listener(index, number)
                known = None
                if self._cache:
                    key = key_of(self._request.model.manifest, segment.source_ids, segment.options)
                    self._keys[index, number] = key
                    known = self._cache.get(key)
                if known:
                    listener(known)
                else:
                    sentences.append(self._sentence(segment, listener))
        if sentences:
            cost = sum(map(_cost, sentences))
            self._caller.check(cost)
            self._backlog.check(self._caller.name, cost, self._request.is_bulk)
            try:
                for first in range(0, len(sentences), _SENTENCES_A_STEP):
                    some = sentences[first : first + _SENTENCES_A_STEP]
                    num_following = len(sentences) - first - len(some)
                    self._ids += self._request.model.engine.submit(some, num_following)
                    if not first:  # accepted
                        self._begin(sentences, cost)
                    yield
            finally:
                self._request.model.engine.release(self._number)

    def _begin(self, sentences: Sequence[Sentence], cost: int) -> None:
        """Charge for sentences that are accepted."""
        self._caller.charge(cost)
        self._record.num_source_tokens += sum(len(sentence.source_ids) for sentence in sentences)
        self._backlog.add(self._caller.name, cost, self._request.is_bulk)
        self._open_cost = cost

    def _sentence(self, segment: ParsedSegment, listener: Listener) -> Sentence:
        return Sentence(
            segment.source_ids,
            segment.options,
            listener,
            self._deadline,
            self._streams,
            caller=self._caller.name,
            request=self._number,
            is_bulk=self._request.is_bulk,
        )

    @property
    def is_finished(self) -> bool:
        return not self._num_open

    async def news(self) -> list[int]:
        """Wait until the engine has told something; returns the indices of the contents that it is about. Raises the
        error that a sentence ended with."""
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
            self._record.take(event)
            cost = _cost(self._sentences[index][number])
            if self._open_cost:  # else it is from the cache
                self._open_cost -= cost
                self._backlog.remove(self._caller.name, cost, is_done=True, is_bulk=self._request.is_bulk)
            if self._cache:
                self._cache.put(self._keys[index, number], dataclasses.replace(event, times=None))

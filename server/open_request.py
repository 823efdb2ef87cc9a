"""A request while it is decoded: its sentences in the engine, and what has come back of each content."""

import asyncio
import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from prometheus_client import Histogram

from server.engine import Event, Failed, Finished, Sentence, Written
from server.errors import DeadlineExceeded, EngineFailed, NotServing, QueueFull, TranslationError
from server.pb import translation_pb2 as pb
from server.request import ContentRequest, TranslationRequest

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


class ContentResult:
    """What is known so far of one content's translation."""

    def __init__(self, content: ContentRequest, decode: Callable[[list[int]], str]) -> None:
        self._decode = decode
        self._ids: list[list[int]] = [[] for _ in content.segments]
        self._texts = [""] * len(content.segments)
        """Of the finished segments."""
        self._finished: list[Finished | None] = [None] * len(content.segments)
        self._num_source_tokens = sum(map(len, content.segments))
        self._num_sent = 0  # characters of the text that `take_delta` has returned

    def update(self, segment: int, event: Written | Finished) -> None:
        if isinstance(event, Finished):
            self._finished[segment] = event
            self._texts[segment] = self._decode(event.output_ids)
        else:
            self._ids[segment].append(event.id)

    @property
    def is_finished(self) -> bool:
        return all(self._finished)

    def take_delta(self) -> str:
        """Text that has become certain since the last call: segments in order, up to the first unfinished one."""
        certain = []
        for text, ids, finished in zip(self._texts, self._ids, self._finished, strict=True):
            certain.append(text if finished else self._decode(ids))
            if not finished:
                break
        text = _joined(certain)
        if not self.is_finished:
            text = text.rstrip(" ")  # whether a space follows is known with the next word
        delta = text[self._num_sent :]
        self._num_sent += len(delta)
        return delta

    def translation(self) -> pb.Translation:
        parts = [finished for finished in self._finished if finished]
        num_output = sum(len(part.output_ids) for part in parts)
        num_scored = num_output + sum(not part.reached_limit for part in parts)
        is_cut = any(part.reached_limit for part in parts)
        return pb.Translation(
            translated_text=_joined(self._texts),
            score=sum(part.log_prob for part in parts) / max(num_scored, 1),
            finish_reason=pb.FINISH_REASON_MAX_OUTPUT_TOKENS if is_cut else pb.FINISH_REASON_END_OF_SENTENCE,
            source_token_count=self._num_source_tokens,
            output_token_count=num_output,
        )


def _joined(texts: list[str]) -> str:
    return " ".join(text for text in texts if text)


class OpenRequest:
    """Used on the event loop's thread alone. A context: what is still in the engine at its end is cancelled."""

    def __init__(self, request: TranslationRequest, deadline: float, streams: bool, seconds: Histogram) -> None:
        """`deadline`: on the clock of `time.monotonic`; `seconds`: the series of requests, by model and outcome."""
        self._request = request
        self._deadline = deadline
        self._streams = streams
        self._seconds = seconds
        self._ids: list[int] = []
        self._num_open = sum(len(content.segments) for content in request.contents)
        self._news: dict[int, None] = {}  # contents with news, in order
        self._error: TranslationError | None = None
        self._changed = asyncio.Event()
        decode = request.model.tokenizer.decode
        self.results = [ContentResult(content, decode) for content in request.contents]

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
        sentences = [
            Sentence(ids, max_output_tokens, self._listener(index, segment), self._deadline, self._streams)
            for index, content in enumerate(self._request.contents)
            for segment, (ids, max_output_tokens) in enumerate(
                zip(content.segments, content.max_output_tokens, strict=True)
            )
        ]
        self._ids = self._request.model.engine.submit(sentences)

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

    def _listener(self, index: int, segment: int) -> Callable[[Event], None]:
        def listen(event: Event) -> None:
            try:
                self._take(index, segment, event)
            except Exception:  # whoever waits has to hear of it, and no other request
                _logger.exception("what the engine wrote cannot be read")
                self._error = EngineFailed()
            self._changed.set()

        return listen

    def _take(self, index: int, segment: int, event: Event) -> None:
        if isinstance(event, Failed):
            self._error = event.error
        else:
            self.results[index].update(segment, event)
            self._news[index] = None
            self._num_open -= isinstance(event, Finished)

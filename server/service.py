"""The gRPC methods: parse, submit, gather what the engine tells, answer."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import grpc

from server.engine import Event, Failed, Finished, Sentence, Written
from server.pb import translation_pb2 as pb
from server.pb import translation_pb2_grpc as pb_grpc
from server.repository import Models, ServedModel
from server.request import ContentRequest, RequestLimits, TranslationRequest, parse_request

if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[Any, Any]


class ContentResult:
    """What is known so far of one content's translation."""

    def __init__(self, content: ContentRequest, model: ServedModel) -> None:
        self._decode = model.tokenizer.decode
        self._texts = [""] * len(content.segments)
        self._finished: list[Finished | None] = [None] * len(content.segments)
        self._num_source_tokens = sum(map(len, content.segments))
        self._num_sent = 0  # characters of `text` that `take_delta` has returned

    def update(self, segment: int, event: Written | Finished) -> None:
        if isinstance(event, Finished):
            self._finished[segment] = event
            self._texts[segment] = self._decode(event.output_ids)
        else:
            self._texts[segment] = self._decode(event.ids)

    @property
    def is_finished(self) -> bool:
        return all(self._finished)

    def take_delta(self) -> str:
        """Text that has become certain since the last call: segments in order, up to the first unfinished one."""
        certain = []
        for text, finished in zip(self._texts, self._finished, strict=True):
            certain.append(text)
            if not finished:
                break
        text = " ".join(certain)
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
            translated_text=" ".join(self._texts),
            score=sum(part.log_prob for part in parts) / max(num_scored, 1),
            finish_reason=pb.FINISH_REASON_MAX_OUTPUT_TOKENS if is_cut else pb.FINISH_REASON_END_OF_SENTENCE,
            source_token_count=self._num_source_tokens,
            output_token_count=num_output,
        )


class Gathering:
    """One request's sentences in the engine, and what has come back; used on the event loop's thread alone."""

    def __init__(self, request: TranslationRequest) -> None:
        self._request = request
        self._ids: list[int] = []
        self._news: dict[int, None] = {}  # contents with news, in order
        self._failure: Failed | None = None
        self._changed = asyncio.Event()
        self.results = [ContentResult(content, request.model) for content in request.contents]

    def submit(self, deadline: float, streams: bool) -> None:
        """Raises QueueFull or NotServing."""
        sentences = [
            Sentence(ids, max_output_tokens, self._listener(index, segment), deadline, streams)
            for index, content in enumerate(self._request.contents)
            for segment, (ids, max_output_tokens) in enumerate(
                zip(content.segments, content.max_output_tokens, strict=True)
            )
        ]
        self._ids = self._request.model.engine.submit(sentences)

    def cancel(self) -> None:
        """Frees what is still in the engine."""
        if not all(result.is_finished for result in self.results):
            self._request.model.engine.cancel(self._ids)

    async def news(self) -> list[int]:
        """Wait for some, and return the indices of the contents that it is about. Raises what a sentence ended with."""
        await self._changed.wait()
        self._changed.clear()
        if self._failure:
            raise self._failure.error
        news, self._news = list(self._news), {}
        return news

    def _listener(self, index: int, segment: int) -> Callable[[Event], None]:
        def listen(event: Event) -> None:
            if isinstance(event, Failed):
                self._failure = event
            else:
                self.results[index].update(segment, event)
                self._news[index] = None
            self._changed.set()

        return listen


class TranslationService(pb_grpc.TranslationServiceServicer):
    def __init__(self, models: Models, limits: RequestLimits) -> None:
        self._models = models
        self._limits = limits

    async def Translate(self, request: pb.TranslateRequest, context: "_Context") -> pb.TranslateResponse:
        parsed = parse_request(request, self._models, self._limits)
        gathering = Gathering(parsed)
        try:
            gathering.submit(_deadline(context), streams=False)
            while not all(result.is_finished for result in gathering.results):
                await gathering.news()
        finally:
            gathering.cancel()
        manifest = parsed.model.manifest
        return pb.TranslateResponse(
            translations=[result.translation() for result in gathering.results],
            model=manifest.name,
            model_version=manifest.version,
        )

    async def StreamTranslate(
        self, request: pb.TranslateRequest, context: "_Context"
    ) -> AsyncIterator[pb.StreamTranslateResponse]:
        parsed = parse_request(request, self._models, self._limits)
        manifest = parsed.model.manifest
        gathering = Gathering(parsed)
        open_contents = set(range(len(gathering.results)))
        try:
            gathering.submit(_deadline(context), streams=True)
            while open_contents:
                for index in await gathering.news():
                    result = gathering.results[index]
                    # Both at once: while a message is being sent, more of the translation may come in.
                    delta, is_finished = result.take_delta(), result.is_finished
                    common: Any = {
                        "content_index": index,
                        "model": manifest.name,
                        "model_version": manifest.version,
                    }
                    if delta:
                        yield pb.StreamTranslateResponse(**common, text_delta=delta)
                    if is_finished and index in open_contents:
                        open_contents.remove(index)
                        yield pb.StreamTranslateResponse(**common, translation=result.translation())
        finally:
            gathering.cancel()

    async def ListModels(self, request: pb.ListModelsRequest, context: "_Context") -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=[self._describe(model) for model in self._models])

    def _describe(self, model: ServedModel) -> pb.Model:
        manifest = model.manifest
        return pb.Model(
            name=manifest.name,
            versions=[manifest.version],
            architecture=manifest.architecture,
            language_pairs=[
                pb.LanguagePair(
                    source_language_code=manifest.source_language, target_language_code=manifest.target_language
                )
            ],
            precision=manifest.precision,
            limits=pb.ModelLimits(
                max_contents=self._limits.max_contents,
                max_content_characters=self._limits.max_content_characters,
                max_source_tokens=manifest.max_source_tokens,
                max_output_tokens=manifest.max_output_tokens,
            ),
            quality_scores=[
                pb.QualityScore(test_set=quality.test_set, metric=quality.metric, value=quality.value)
                for quality in manifest.quality
            ],
            is_default=manifest.name == self._models.default,
        )


def _deadline(context: "_Context") -> float:
    remaining = context.time_remaining()
    return math.inf if remaining is None else time.monotonic() + remaining

"""The gRPC methods: parse, submit, answer."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from prometheus_client import Histogram

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.serving.models.catalogue import Models, ServedModel
from server.serving.requests.cache import TranslationCache
from server.serving.requests.content_result import ContentResult
from server.serving.requests.open_request import OpenRequest
from server.serving.requests.parse import RequestLimits, TranslationRequest, parse_request, parse_score_request

if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[Any, Any]

_Message = TypeVar("_Message", pb.TranslateRequest, pb.ScoreRequest)

_Answer = TypeVar("_Answer")

_MANY_WEIGHTS = 20_000
"""An answer of more takes milliseconds to build, likewise."""

_LONG_BYTES = 20_000
"""A request of more takes milliseconds to parse, which is done beside the event loop, so that others go on."""


class TranslationService(pb_grpc.TranslationServiceServicer):
    def __init__(
        self, models: Models, limits: RequestLimits, request_seconds: Histogram, cache: TranslationCache | None = None
    ) -> None:
        self._models = models
        self._limits = limits
        self._request_seconds = request_seconds
        self._cache = cache

    async def Translate(self, request: pb.TranslateRequest, context: "_Context") -> pb.TranslateResponse:
        parsed = await _parse(parse_request, request, self._models, self._limits)
        results = await self._decode(parsed, context)
        return pb.TranslateResponse(
            translations=await _built(parsed, lambda: [result.translation() for result in results]),
            model=parsed.model.manifest.name,
            model_version=parsed.model.manifest.version,
        )

    async def Score(self, request: pb.ScoreRequest, context: "_Context") -> pb.ScoreResponse:
        parsed = await _parse(parse_score_request, request, self._models, self._limits)
        results = await self._decode(parsed, context)
        return pb.ScoreResponse(
            scores=await _built(parsed, lambda: [result.score() for result in results]),
            model=parsed.model.manifest.name,
            model_version=parsed.model.manifest.version,
        )

    async def StreamTranslate(
        self, request: pb.TranslateRequest, context: "_Context"
    ) -> AsyncIterator[pb.StreamTranslateResponse]:
        parsed = await _parse(parse_request, request, self._models, self._limits)
        manifest = parsed.model.manifest
        with self._open(parsed, context, streams=True) as open_request:
            open_request.submit()
            open_contents = set(range(len(open_request.results)))
            while open_contents:
                for index in await open_request.news():
                    result = open_request.results[index]
                    # Both at once: while a message is being sent, more of the translation may come in.
                    (delta, tokens), is_finished = result.take_delta(), result.is_finished
                    common: Any = {
                        "content_index": index,
                        "model": manifest.name,
                        "model_version": manifest.version,
                    }
                    if delta or (tokens and not is_finished):
                        yield pb.StreamTranslateResponse(**common, text_delta=delta, tokens=tokens)
                        tokens = []
                    if is_finished and index in open_contents:
                        open_contents.remove(index)
                        translation = await _built(parsed, result.translation)
                        yield pb.StreamTranslateResponse(**common, translation=translation, tokens=tokens)

    async def ListModels(self, request: pb.ListModelsRequest, context: "_Context") -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=[self._describe(model) for model in self._models])

    def _open(self, parsed: TranslationRequest, context: "_Context", streams: bool) -> OpenRequest:
        return OpenRequest(parsed, _caller(context), _deadline(context), streams, self._request_seconds, self._cache)

    async def _decode(self, parsed: TranslationRequest, context: "_Context") -> list[ContentResult]:
        """Until all contents are done."""
        with self._open(parsed, context, streams=False) as open_request:
            open_request.submit()
            while not open_request.is_finished:
                await open_request.news()
        return open_request.results

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
                max_beam_size=self._limits.options.max_beam_size,
                glossary_beam_size=self._limits.options.glossary_beam_size,
                max_forbidden_phrases=self._limits.options.max_forbidden_phrases,
                max_glossary_entries=self._limits.options.max_glossary_entries,
            ),
            quality_scores=[
                pb.QualityScore(test_set=quality.test_set, metric=quality.metric, value=quality.value)
                for quality in manifest.quality
            ],
            is_default=manifest.name == self._models.default,
            has_alignment=manifest.alignment is not None,
            has_shortlist=manifest.has_shortlist,
            glossaries=model.glossaries,
        )


async def _parse(
    parse: Callable[[_Message, Models, RequestLimits], TranslationRequest],
    message: _Message,
    models: Models,
    limits: RequestLimits,
) -> TranslationRequest:
    """Parse a request, a long one beside the event loop."""
    if message.ByteSize() > _LONG_BYTES:
        return await asyncio.to_thread(parse, message, models, limits)
    return parse(message, models, limits)


async def _built(request: TranslationRequest, build: Callable[[], _Answer]) -> _Answer:
    """An answer, a large one beside the event loop."""
    if request.num_alignment_weights > _MANY_WEIGHTS:
        return await asyncio.to_thread(build)
    return build()


def _caller(context: "_Context") -> str:
    """The connection that a call came by, as gRPC names it: "ipv4:10.0.0.7:51234". With its port, as all that come
    through one proxy or address translation, or from one machine, have the same address; a client with more
    connections gets more shares."""
    return context.peer()


def _deadline(context: "_Context") -> float:
    remaining = context.time_remaining()
    return math.inf if remaining is None else time.monotonic() + remaining

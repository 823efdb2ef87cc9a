"""The gRPC methods: parse, submit, answer."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
from prometheus_client import Histogram

from server.open_request import OpenRequest
from server.pb import translation_pb2 as pb
from server.pb import translation_pb2_grpc as pb_grpc
from server.repository import Models, ServedModel
from server.request import RequestLimits, TranslationRequest, parse_request

if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[Any, Any]


_LONG_CHARACTERS = 20_000
"""A request of more takes milliseconds to parse, which is done beside the event loop, so that others go on."""


class TranslationService(pb_grpc.TranslationServiceServicer):
    def __init__(self, models: Models, limits: RequestLimits, request_seconds: Histogram) -> None:
        self._models = models
        self._limits = limits
        self._request_seconds = request_seconds

    async def Translate(self, request: pb.TranslateRequest, context: "_Context") -> pb.TranslateResponse:
        parsed = await self._parse(request)
        with OpenRequest(parsed, _deadline(context), streams=False, seconds=self._request_seconds) as open_request:
            open_request.submit()
            while not open_request.is_finished:
                await open_request.news()
        manifest = parsed.model.manifest
        return pb.TranslateResponse(
            translations=[result.translation() for result in open_request.results],
            model=manifest.name,
            model_version=manifest.version,
        )

    async def StreamTranslate(
        self, request: pb.TranslateRequest, context: "_Context"
    ) -> AsyncIterator[pb.StreamTranslateResponse]:
        parsed = await self._parse(request)
        manifest = parsed.model.manifest
        with OpenRequest(parsed, _deadline(context), streams=True, seconds=self._request_seconds) as open_request:
            open_request.submit()
            open_contents = set(range(len(open_request.results)))
            while open_contents:
                for index in await open_request.news():
                    result = open_request.results[index]
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

    async def ListModels(self, request: pb.ListModelsRequest, context: "_Context") -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=[self._describe(model) for model in self._models])

    async def _parse(self, request: pb.TranslateRequest) -> TranslationRequest:
        if sum(map(len, request.contents)) > _LONG_CHARACTERS:
            return await asyncio.to_thread(parse_request, request, self._models, self._limits)
        return parse_request(request, self._models, self._limits)

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

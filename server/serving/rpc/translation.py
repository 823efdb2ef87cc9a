"""The methods of the gRPC service: each parses a request, submits its sentences to an engine, and answers."""

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.bundle.alignment_heads import counted_heads, num_heads
from server.bundle.licences import LICENCE, training_licences
from server.errors import InvalidRequest, TranslationError
from server.serving.metrics import RequestMetrics
from server.serving.models.catalogue import Models
from server.serving.models.served import ServedModel
from server.serving.models.versions import ModelVersions
from server.serving.requests.cache import TranslationCache
from server.serving.requests.content_result import ContentResult
from server.serving.requests.open_request import OpenRequest
from server.serving.requests.parse import RequestLimits, parse_request, parse_requests, parse_score_request
from server.serving.requests.parsed import TranslationRequest
from server.serving.requests.turns import Turns
from server.serving.rpc.call import allow_seconds, current_call
from server.serving.rpc.exchange import Exchange, check_id
from server.serving.rpc.status import status_of
from server.text.steps import Steps

if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[Any, Any]


_MAX_PAIRS = 100
"""Language pairs that are listed one by one."""

_MAX_INT32 = 2**31 - 1


class TranslationService(pb_grpc.TranslationServiceServicer):
    def __init__(
        self,
        models: Models,
        limits: RequestLimits,
        metrics: RequestMetrics,
        exchange: Exchange,
        cache: TranslationCache | None = None,
    ) -> None:
        self._models = models
        self.limits = limits
        self._metrics = metrics
        self._exchange = exchange
        self._cache = cache
        self.turns = Turns()
        """Of all that this service does on the event loop, and of what other services do to ask it."""

    async def Translate(self, request: pb.TranslateRequest, context: "_Context") -> pb.TranslateResponse:
        [answer] = await self.translate([request], context)
        return answer

    async def translate(
        self, requests: Sequence[pb.TranslateRequest], context: "_Context"
    ) -> list[pb.TranslateResponse]:
        """What `Translate` answers to each of the requests, which are decoded as one: by the same version of a model,
        admitted, charged and cancelled together. See `parse_requests`."""
        parsed = await self.turns.take(parse_requests(requests, self._models, self.limits))
        results = iter(await self._decode(parsed, context))
        manifest = parsed.model.manifest
        answers = []
        for request in requests:
            answer = pb.TranslateResponse(model=manifest.name, model_version=manifest.version)
            own = list(itertools.islice(results, len(request.contents)))
            with current_call.get().record.detokenising():
                await self.turns.take(_write_translations(own, answer))
            answers.append(answer)
        return answers

    async def Score(self, request: pb.ScoreRequest, context: "_Context") -> pb.ScoreResponse:
        parsed = await self.turns.take(parse_score_request(request, self._models, self.limits))
        results = await self._decode(parsed, context)
        manifest = parsed.model.manifest
        answer = pb.ScoreResponse(model=manifest.name, model_version=manifest.version)
        with current_call.get().record.detokenising():
            await self.turns.take(_write_scores(results, answer))
        return answer

    async def StreamTranslate(
        self, request: pb.TranslateRequest, context: "_Context"
    ) -> AsyncGenerator[pb.StreamTranslateResponse, None]:
        parsed = await self.turns.take(parse_request(request, self._models, self.limits))
        manifest = parsed.model.manifest
        with self._open(parsed, context, streams=True) as open_request:
            await self.turns.take(open_request.submit())
            open_contents = set(range(len(open_request.results)))
            while open_contents:
                for index in await open_request.news():
                    result = open_request.results[index]
                    with current_call.get().record.detokenising():
                        await self.turns.take(result.settle())
                    # Both at once: while a message is being sent, more of the translation may come in.
                    delta, is_finished = result.take_delta(), result.is_finished
                    tells = bool(delta.text or (delta.tokens and not is_finished))
                    common: Any = {
                        "content_index": index,
                        "model": manifest.name,
                        "model_version": manifest.version,
                    }
                    if tells:
                        told = pb.StreamTranslateResponse(**common, text_delta=delta.text)
                        await self.turns.take(result.write_tokens(delta, told))
                        yield told
                    if is_finished and index in open_contents:
                        open_contents.remove(index)
                        ended = pb.StreamTranslateResponse(**common)
                        if not tells:
                            await self.turns.take(result.write_tokens(delta, ended))
                        await self.turns.take(result.write_translation(ended.translation))
                        yield ended

    async def TranslateStream(
        self, requests: AsyncIterator[pb.TranslateStreamRequest], context: "_Context"
    ) -> AsyncIterator[pb.TranslateStreamResponse]:
        async def answer(request: pb.TranslateStreamRequest) -> AsyncGenerator[pb.TranslateStreamResponse, None]:
            _check_one_of_many(request)
            if request.timeout_milliseconds:
                allow_seconds(request.timeout_milliseconds / 1000)
            if not request.streams_text:
                translated = await self.Translate(request.request, context)
                yield pb.TranslateStreamResponse(id=request.id, response=translated, is_last=True)
                return
            num_open = len(request.request.contents)
            async with aclosing(self.StreamTranslate(request.request, context)) as parts:
                async for part in parts:
                    num_open -= part.HasField("translation")
                    yield pb.TranslateStreamResponse(id=request.id, part=part, is_last=not num_open)

        async with aclosing(self._exchange.answers(requests, answer, _refusal)) as responses:
            async for response in responses:
                yield response

    async def GetModel(self, request: pb.GetModelRequest, context: "_Context") -> pb.GetModelResponse:
        model = self._models.described(request.name)
        return pb.GetModelResponse(model=self._describe(self._models[model.manifest.name], model))

    async def ListModels(self, request: pb.ListModelsRequest, context: "_Context") -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=[self._describe(model, model.main) for model in self._models])

    def _open(self, parsed: TranslationRequest, context: "_Context", streams: bool) -> OpenRequest:
        call = current_call.get()
        return OpenRequest(parsed, call.caller, call.deadline, streams, self._metrics, self._cache, call.record)

    async def _decode(self, parsed: TranslationRequest, context: "_Context") -> list[ContentResult]:
        """Decode the contents of a request. Returns their results once all of them are finished."""
        with self._open(parsed, context, streams=False) as open_request:
            await self.turns.take(open_request.submit())
            while not open_request.is_finished:
                await open_request.news()
        return open_request.results

    def _describe(self, versions: ModelVersions, model: ServedModel) -> pb.Model:
        """A model, by one of its versions."""
        manifest = model.manifest
        return pb.Model(
            name=manifest.name,
            versions=versions.versions,
            version_labels=versions.labels,
            architecture=manifest.architecture,
            language_pairs=_pairs(model),
            source_language_codes=manifest.source_codes,
            target_language_codes=manifest.target_codes,
            precision=manifest.precision,
            limits=pb.ModelLimits(
                max_contents=self.limits.max_contents,
                max_content_characters=self.limits.max_content_characters,
                max_source_tokens=manifest.max_source_tokens,
                max_output_tokens=manifest.max_output_tokens,
                max_beam_size=self.limits.options.max_beam_size,
                glossary_beam_size=self.limits.options.glossary_beam_size,
                max_forbidden_phrases=self.limits.options.max_forbidden_phrases,
                max_glossary_entries=self.limits.options.max_glossary_entries,
                max_do_not_translate=self.limits.max_do_not_translate,
            ),
            quality_scores=[
                pb.QualityScore(test_set=quality.test_set, metric=quality.metric, value=quality.value)
                for quality in manifest.quality
            ],
            is_default=manifest.name == self._models.default,
            has_alignment=manifest.alignment is not None,
            alignment_head_count=num_heads(manifest),
            counted_alignment_heads=counted_heads(manifest),
            has_shortlist=manifest.has_shortlist,
            glossaries=model.glossaries,
            licence=manifest.provenance.get(LICENCE, ""),
            training_texts=[
                pb.TrainingText(name=name, licence=licence)
                for name, licence in training_licences(manifest.provenance).items()
            ],
        )


def _check_one_of_many(request: pb.TranslateStreamRequest) -> None:
    check_id(request.id)
    if not request.HasField("request"):
        raise InvalidRequest("request", "a request expected, got none")
    if request.timeout_milliseconds < 0:
        expected = f"0 to {_MAX_INT32} milliseconds expected"
        raise InvalidRequest("timeout_milliseconds", f"{expected}, got {request.timeout_milliseconds}")


def _refusal(request: pb.TranslateStreamRequest, error: Exception) -> pb.TranslateStreamResponse:
    """The answer to a request of a stream that has failed."""
    code, message, _ = status_of(error, current_call.get().request_id)
    told = pb.RequestError(code=code.value[0], message=message)
    if isinstance(error, TranslationError):
        told.reason = error.reason
        told.retry_milliseconds = round(min(1000 * (error.retry_seconds or 0), _MAX_INT32))
    if isinstance(error, InvalidRequest):
        told.field = error.field
    return pb.TranslateStreamResponse(id=request.id, error=told, is_last=True)


def _pairs(model: ServedModel) -> list[pb.LanguagePair]:
    """None where there are too many to be listed."""
    if model.directions.num_pairs > _MAX_PAIRS:
        return []
    return [
        pb.LanguagePair(source_language_code=source, target_language_code=target)
        for source, target in model.directions.pairs()
    ]


def _write_translations(results: list[ContentResult], answer: pb.TranslateResponse) -> Steps[None]:
    for result in results:
        yield from result.write_translation(answer.translations.add())


def _write_scores(results: list[ContentResult], answer: pb.ScoreResponse) -> Steps[None]:
    for result in results:
        yield from result.write_score(answer.scores.add())

"""The Open Inference Protocol, version 2, over gRPC, with Triton's extensions for streams and model repositories: each
request becomes one of translation.v1, which is answered as all are."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from seq2serve.pb import translation_pb2
from server.errors import InvalidRequest, NotOffered, shown
from server.serving.models.registry import ModelRegistry
from server.serving.models.repository import SEPARATOR
from server.serving.protocols.descriptions import Descriptions
from server.serving.protocols.inference_request import (
    OUTPUTS,
    TEXT_OUTPUT,
    InferenceRequest,
    named_here,
    parameter_name,
    read_request,
)
from server.serving.protocols.pb import inference_pb2 as pb
from server.serving.protocols.pb import inference_pb2_grpc as pb_grpc
from server.serving.protocols.tensors import Output, write_output
from server.serving.rpc.call import allow_seconds, current_call
from server.serving.rpc.exchange import Exchange, check_id
from server.serving.rpc.status import status_of
from server.serving.rpc.translation import TranslationService
from server.text.steps import Steps

if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[Any, Any]

_FINAL, _CONTENT_INDEX, _CONTENT_FINAL = "triton_final_response", "content_index", "content_final"

_NO_CHANGES = "models are loaded and unloaded by calls where the server has keys, or listens on its own machine alone"

_UNLOAD_DEPENDENTS = "unload_dependents"
"""Triton's client sends it with every unload; no model here depends on another."""


class InferenceService(pb_grpc.GRPCInferenceServiceServicer):
    def __init__(
        self,
        translations: TranslationService,
        descriptions: Descriptions,
        exchange: Exchange,
        registry: ModelRegistry | None,
    ) -> None:
        """`registry`: what loads and unloads models; None where no call may."""
        self._translations = translations
        self._descriptions = descriptions
        self._exchange = exchange
        self._registry = registry

    async def ServerLive(self, request: pb.ServerLiveRequest, context: "_Context") -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, context: "_Context") -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=self._descriptions.server_is_ready())

    async def ModelReady(self, request: pb.ModelReadyRequest, context: "_Context") -> pb.ModelReadyResponse:
        return pb.ModelReadyResponse(ready=self._descriptions.is_ready(request.name, request.version))

    async def ServerMetadata(self, request: pb.ServerMetadataRequest, context: "_Context") -> pb.ServerMetadataResponse:
        return self._descriptions.server()

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: "_Context") -> pb.ModelMetadataResponse:
        return self._descriptions.metadata(self._descriptions.find(request.name, request.version))

    async def ModelConfig(self, request: pb.ModelConfigRequest, context: "_Context") -> pb.ModelConfigResponse:
        return self._descriptions.config(self._descriptions.find(request.name, request.version))

    async def ModelStatistics(
        self, request: pb.ModelStatisticsRequest, context: "_Context"
    ) -> pb.ModelStatisticsResponse:
        return self._descriptions.statistics(request.name, request.version)

    async def RepositoryIndex(
        self, request: pb.RepositoryIndexRequest, context: "_Context"
    ) -> pb.RepositoryIndexResponse:
        return pb.RepositoryIndexResponse(models=await self._descriptions.index(request.ready))

    async def RepositoryModelLoad(
        self, request: pb.RepositoryModelLoadRequest, context: "_Context"
    ) -> pb.RepositoryModelLoadResponse:
        if self._registry is None:
            raise NotOffered(_NO_CHANGES)
        await self._registry.load(*_version_to_change(request))
        return pb.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(
        self, request: pb.RepositoryModelUnloadRequest, context: "_Context"
    ) -> pb.RepositoryModelUnloadResponse:
        if self._registry is None:
            raise NotOffered(_NO_CHANGES)
        await self._registry.unload(*_version_to_change(request, _UNLOAD_DEPENDENTS))
        return pb.RepositoryModelUnloadResponse()

    async def ModelInfer(self, request: pb.ModelInferRequest, context: "_Context") -> pb.ModelInferResponse:
        asked = await self._read(request)
        if asked.streams:
            raise InvalidRequest(parameter_name("stream"), "ModelStreamInfer expected for a stream, got ModelInfer")
        return await self._infer(request, asked, context)

    async def ModelStreamInfer(
        self, requests: AsyncIterator[pb.ModelInferRequest], context: "_Context"
    ) -> AsyncIterator[pb.ModelStreamInferResponse]:
        async def answer(request: pb.ModelInferRequest) -> AsyncGenerator[pb.ModelStreamInferResponse, None]:
            check_id(request.id)
            async with contextlib.aclosing(self._infer_as_asked(request, context)) as responses:
                async for response in responses:
                    yield pb.ModelStreamInferResponse(infer_response=response)

        answering = self._exchange.answers(requests, answer, _refusal, lambda request: bool(request.id))
        async with contextlib.aclosing(answering) as responses:
            async for response in responses:
                yield response

    async def _read(self, request: pb.ModelInferRequest) -> InferenceRequest:
        """Raises InvalidRequest or UnknownModel."""
        self._descriptions.find(request.model_name, request.model_version, ("model_name", "model_version"))
        asked = await self._translations.turns.take(read_request(request, self._translations.limits))
        asked.translate.model = self._descriptions.full_name(request.model_name, request.model_version)
        if asked.seconds is not None:
            allow_seconds(asked.seconds)
        return asked

    async def _infer(
        self, request: pb.ModelInferRequest, asked: InferenceRequest, context: "_Context"
    ) -> pb.ModelInferResponse:
        with _named_here():
            translated = await self._translations.Translate(asked.translate, context)
        answer = pb.ModelInferResponse(
            model_name=translated.model, model_version=translated.model_version, id=request.id
        )
        await self._translations.turns.take(_write_all(translated.translations, asked, answer))
        return answer

    async def _infer_as_asked(
        self, request: pb.ModelInferRequest, context: "_Context"
    ) -> AsyncGenerator[pb.ModelInferResponse, None]:
        """One answer, or one for every piece of text, the last of which says so."""
        asked = await self._read(request)
        if not asked.streams:
            answer = await self._infer(request, asked, context)
            answer.parameters[_FINAL].bool_param = True
            yield answer
            return
        num_open = len(asked.translate.contents)
        with _named_here():
            async with contextlib.aclosing(self._translations.StreamTranslate(asked.translate, context)) as parts:
                async for told in parts:
                    num_open -= told.HasField("translation")
                    yield _piece(request, asked, told, num_open)


def _version_to_change(
    request: pb.RepositoryModelLoadRequest | pb.RepositoryModelUnloadRequest, *without_meaning: str
) -> tuple[str, str]:
    """A model, and the version that its name may end with; `without_meaning`: parameters that may come. Raises
    InvalidRequest."""
    if request.repository_name:
        raise InvalidRequest("repository_name", f"none expected, got {shown(request.repository_name)}")
    for parameter in request.parameters:
        if parameter not in without_meaning:
            expected = f"{', '.join(without_meaning) or 'none'} expected"
            raise InvalidRequest("parameters", f"{expected}, got {shown(parameter)}")
    name, separator, version = request.model_name.partition(SEPARATOR)
    if separator and not version:  # which is not to mean the whole model
        raise InvalidRequest("model_name", f"a version behind {SEPARATOR} expected, got {shown(request.model_name)}")
    return name, version


def _piece(
    request: pb.ModelInferRequest,
    asked: InferenceRequest,
    told: translation_pb2.StreamTranslateResponse,
    num_open: int,
) -> pb.ModelInferResponse:
    """`num_open`: contents that more will be told of."""
    is_last = told.HasField("translation")
    answer = pb.ModelInferResponse(model_name=told.model, model_version=told.model_version, id=request.id)
    answer.parameters[_FINAL].bool_param = not num_open
    answer.parameters[_CONTENT_INDEX].int64_param = told.content_index
    answer.parameters[_CONTENT_FINAL].bool_param = is_last
    outputs = _outputs([told.translation], [told.text_delta]) if is_last else [_text([told.text_delta])]
    _write([output for output in outputs if output.name in asked.outputs], [1] * len(asked.shape), asked, answer)
    return answer


def _write_all(
    translations: Sequence[translation_pb2.Translation], asked: InferenceRequest, answer: pb.ModelInferResponse
) -> Steps[None]:
    texts = [translation.translated_text for translation in translations]
    yield
    by_name = {output.name: output for output in _outputs(translations, texts)}
    yield
    for name in asked.outputs:
        _write([by_name[name]], asked.shape, asked, answer)
        yield


def _write(
    outputs: Sequence[Output], shape: Sequence[int], asked: InferenceRequest, answer: pb.ModelInferResponse
) -> None:
    for output in outputs:
        write_output(output, shape, asked.is_raw, answer)


def _text(texts: Sequence[str]) -> Output:
    return Output(TEXT_OUTPUT, OUTPUTS[TEXT_OUTPUT], texts)


def _outputs(translations: Sequence[translation_pb2.Translation], texts: Sequence[str]) -> list[Output]:
    reasons = [translation_pb2.FinishReason.Name(one.finish_reason) for one in translations]
    values: dict[str, Sequence[Any]] = {
        TEXT_OUTPUT: texts,
        "score": [one.score for one in translations],
        "finish_reason": [reason.removeprefix("FINISH_REASON_") for reason in reasons],
        "source_token_count": [one.source_token_count for one in translations],
        "output_token_count": [one.output_token_count for one in translations],
    }
    return [Output(name, datatype, values[name]) for name, datatype in OUTPUTS.items()]


def _refusal(request: pb.ModelInferRequest, error: Exception) -> pb.ModelStreamInferResponse:
    """An error of one request of a stream. What is not of the project's own is described by its request id alone."""
    code, message, _ = status_of(error, current_call.get().request_id)
    response = pb.ModelInferResponse(model_name=request.model_name, id=request.id)
    response.parameters[_FINAL].bool_param = True
    return pb.ModelStreamInferResponse(error_message=f"{code.name}: {message}", infer_response=response)


@contextlib.contextmanager
def _named_here() -> Iterator[None]:
    """Inside, errors about fields of translation.v1 become errors about tensors and parameters."""
    try:
        yield
    except InvalidRequest as error:
        raise named_here(error) from None

"""Sends a case to a server in several ways at a time, and checks all answers."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import grpc
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from tests.fuzz.cases import HTML, Case
from tests.fuzz.checks import Readable, check_answer

_SECONDS = 30.0
"""For an answer, on a machine that does other things beside."""

_BUSY = (grpc.StatusCode.RESOURCE_EXHAUSTED,)


class Refused(NamedTuple):
    field: str
    description: str


class Attempt:
    """Of one server, by model."""

    def __init__(self, stub: pb_grpc.TranslationServiceStub, readable: Mapping[str, Readable]) -> None:
        self._stub = stub
        self._readable = readable

    async def check(self, case: Case) -> None:
        """Raises AssertionError for what is not as it should be."""
        try:
            await self._check(case)
        except BaseExceptionGroup as group:
            first: BaseException = group
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None

    async def _check(self, case: Case) -> None:
        alone = pb.TranslateRequest()
        alone.CopyFrom(case.request)
        alone.contents[:] = [case.request.contents[case.alone]]
        async with asyncio.TaskGroup() as group:
            both = group.create_task(self._both(case.request))
            group.create_task(self._both(case.beside))
            single = group.create_task(self._translate(alone))
        answer, by_itself = both.result(), single.result()
        if isinstance(answer, Refused):
            return
        assert not isinstance(by_itself, Refused), f"refused alone: {by_itself}"
        if _is_repeatable(case.request):
            among, itself = answer.translations[case.alone], by_itself.translations[0]
            assert among == itself, f"alone it is {itself.translated_text!r}, else {among.translated_text!r}"
        if case.request.mime_type != HTML:
            await self._score(case.request, among=answer)

    async def _both(self, request: pb.TranslateRequest) -> pb.TranslateResponse | Refused:
        """Unary and as a stream."""
        async with asyncio.TaskGroup() as group:
            unary = group.create_task(self._translate(request))
            stream = group.create_task(self._stream(request))
        answer, streamed = unary.result(), stream.result()
        if isinstance(answer, Refused):
            assert answer == streamed, f"the stream's answer is {streamed}"
            return answer
        assert not isinstance(streamed, Refused), f"the stream is refused: {streamed}"
        check_answer(request, answer, self._readable[request.model])
        if _is_repeatable(request):
            for unary_one, streamed_one in zip(answer.translations, streamed, strict=True):
                assert unary_one == streamed_one, f"streamed it is {streamed_one}, else {unary_one}"
        return answer

    async def _translate(self, request: pb.TranslateRequest) -> pb.TranslateResponse | Refused:
        while True:
            try:
                return await self._stub.Translate(request, timeout=_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _BUSY:
                    return _refused(error)
                await asyncio.sleep(0.2)

    async def _stream(self, request: pb.TranslateRequest) -> list[pb.Translation] | Refused:
        while True:
            deltas = [""] * len(request.contents)
            tokens: list[list[pb.OutputToken]] = [[] for _ in request.contents]
            translations: dict[int, pb.Translation] = {}
            try:
                async for message in self._stub.StreamTranslate(request, timeout=_SECONDS):
                    index = message.content_index
                    assert index not in translations, "something comes behind the translation"
                    deltas[index] += message.text_delta
                    tokens[index] += message.tokens
                    if message.HasField("translation"):
                        translations[index] = message.translation
            except grpc.aio.AioRpcError as error:
                if error.code() not in _BUSY:
                    return _refused(error)
                await asyncio.sleep(0.2)
                continue
            assert sorted(translations) == list(range(len(request.contents)))
            for index, translation in translations.items():
                text = translation.translated_text
                assert deltas[index] == text, f"the deltas are {deltas[index]!r}, the text is {text!r}"
                assert tokens[index] == list(translation.hypotheses[0].tokens), "tokens of the stream"
            return [translations[index] for index in range(len(request.contents))]

    async def _score(self, request: pb.TranslateRequest, among: pb.TranslateResponse) -> None:
        """What was translated is scored, or it is said why not."""
        pairs = [
            pb.ScoredPair(content=content, translated_text=translation.translated_text)
            for content, translation in zip(request.contents, among.translations, strict=True)
        ]
        await asyncio.gather(*(self._score_pair(request.model, pair) for pair in pairs[:2]))

    async def _score_pair(self, model: str, pair: pb.ScoredPair) -> None:
        try:
            answer = await self._stub.Score(pb.ScoreRequest(pairs=[pair], model=model), timeout=_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() not in _BUSY:
                _refused(error)
            return
        (score,) = answer.scores
        assert score.tokens
        assert score.log_prob <= 0.0


def _is_repeatable(request: pb.TranslateRequest) -> bool:
    return request.decoding.temperature == 0.0 or request.decoding.HasField("seed")


def _refused(error: grpc.aio.AioRpcError) -> Refused:
    """Why a request was refused, which is the caller's fault."""
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, f"{error.code()}: {error.details()}"
    status = rpc_status.from_call(cast(Any, error))  # typed for the synchronous API alone
    for packed in status.details if status else []:
        reasons = BadRequest()
        if packed.Unpack(reasons):
            (violation,) = reasons.field_violations
            assert violation.field, "no field is named"
            assert violation.description
            return Refused(violation.field, violation.description)
    raise AssertionError(f"no field is named: {error.details()}")

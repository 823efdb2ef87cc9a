"""Callers who know what each version of a model answers, and see whether an answer is lost or mixed."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import grpc

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from tests.fakes import PATIENCE
from tests.small_models import SENTENCES

Texts = Mapping[str, Mapping[str, str]]
"""Translations by version and sentence."""


async def read_texts(stub: pb_grpc.TranslationServiceStub, model: str, versions: Sequence[str]) -> Texts:
    """What versions that are served translate sentences to that no two of them translate alike."""
    texts = {}
    for version in versions:
        request = pb.TranslateRequest(contents=SENTENCES, model=f"{model}@{version}")
        answer = await stub.Translate(request, timeout=PATIENCE)
        translated = [translation.translated_text for translation in answer.translations]
        texts[version] = dict(zip(SENTENCES, translated, strict=True))
    telling = [one for one in SENTENCES if len({of_version[one] for of_version in texts.values()}) == len(versions)]
    assert len(telling) > len(SENTENCES) / 2
    return {version: {one: of_version[one] for one in telling} for version, of_version in texts.items()}


class Caller:
    """A client with a connection of its own, which calls again and again, in both ways, without a single retry."""

    def __init__(self, address: str, model: str, texts: Texts, busy: float = 1.0) -> None:
        """`busy`: share of the time in which it waits for an answer; in the rest it does nothing."""
        self._address = address
        self._model = model
        self._texts = texts
        self._busy = busy
        self._sentences = list(next(iter(texts.values())))
        self._is_stopped = False
        self.answered: Counter[str] = Counter()
        """Answers by version."""
        self.problems: list[str] = []

    def stop(self) -> None:
        self._is_stopped = True

    async def call_until_stopped(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        async with grpc.aio.insecure_channel(self._address, options) as channel:
            stub = pb_grpc.TranslationServiceStub(channel)
            for number in itertools.count():
                if self._is_stopped:
                    break
                first = number * 5 % (len(self._sentences) - 3)
                end = None if number % 3 == 0 else first + 3
                request = pb.TranslateRequest(contents=self._sentences[first:end], model=self._model)
                began = time.monotonic()
                try:
                    await (self._stream if number % 2 else self._translate)(stub, request)
                except grpc.aio.AioRpcError as error:
                    self.problems.append(f"{error.code().name}: {error.details()}")
                await asyncio.sleep((time.monotonic() - began) * (1 / self._busy - 1))

    async def _translate(self, stub: pb_grpc.TranslationServiceStub, request: pb.TranslateRequest) -> None:
        answer = await stub.Translate(request, timeout=PATIENCE)
        self._check(answer.model_version, request, [one.translated_text for one in answer.translations])

    async def _stream(self, stub: pb_grpc.TranslationServiceStub, request: pb.TranslateRequest) -> None:
        told = [""] * len(request.contents)
        whole = [""] * len(request.contents)
        versions = set()
        async for message in stub.StreamTranslate(request, timeout=PATIENCE):
            versions.add(message.model_version)
            told[message.content_index] += message.text_delta
            whole[message.content_index] += message.translation.translated_text
        version = versions.pop()
        if versions or told != whole:
            self.problems.append(f"versions {versions} and {version} in one stream: {told} and {whole}")
        self._check(version, request, whole)

    def _check(self, version: str, request: pb.TranslateRequest, texts: list[str]) -> None:
        if texts != [self._texts[version][content] for content in request.contents]:
            self.problems.append(f"version {version} answered {texts}")
        self.answered[version] += 1

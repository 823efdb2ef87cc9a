"""The stream against a client that reads more slowly than the engine writes."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from seq2serve.pb import translation_pb2 as pb
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.keys.key_file import TRANSLATE
from server.messages.sentence import Event, Finished, Listener
from server.serving.access.caller import Caller
from server.serving.access.refusals import RefusalLog
from server.serving.metrics import Metrics
from server.serving.models.backlog import Backlog
from server.serving.models.catalogue import Models
from server.serving.models.served import ServedModel
from server.serving.models.versions import ModelVersions
from server.serving.requests.admission import Admission
from server.serving.requests.options import OptionLimits
from server.serving.requests.parse import RequestLimits
from server.serving.rpc.call import Call, current_call
from server.serving.rpc.exchange import Exchange
from server.serving.rpc.failures import Failures
from server.serving.rpc.translation import TranslationService
from server.text.tokenizer import Tokenizer, Tokenizers
from tests.fakes import MANIFEST, NO_PIECES, PATIENCE, FakeBackend, InProcess, post


class Streaming:
    """The service's generator over an engine, both driven by hand."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.num_finished = 0
        metrics = EngineMetrics("fake")
        self.engine = InProcess(MANIFEST, FakeBackend(4), NO_PIECES, Limits(4, 1000), self._post, metrics)
        model = ServedModel(MANIFEST, Tokenizers.one(tokenizer), self.engine, Backlog(1.0))
        models = Models(["fake"], [ModelVersions({"1": model})])
        all_metrics = Metrics()
        self._service = TranslationService(
            models,
            RequestLimits(
                max_contents=9,
                max_content_characters=99,
                max_segments=9,
                max_do_not_translate=9,
                options=OptionLimits(4, 4, 4),
            ),
            all_metrics.requests,
            Exchange(Admission(9, 9), asyncio.Event(), Failures(all_metrics, RefusalLog())),
        )

    def start(self, *contents: str) -> AsyncIterator[pb.StreamTranslateResponse]:
        request = pb.TranslateRequest(contents=contents, decoding=pb.DecodingOptions(max_output_tokens=9))
        current_call.set(Call("request", Caller("caller"), math.inf, TRANSLATE))
        return self._service.StreamTranslate(request, cast(Any, None))  # it asks nothing of its context

    async def first(self, messages: AsyncIterator[pb.StreamTranslateResponse]) -> pb.StreamTranslateResponse:
        """Of what three steps write."""
        first = asyncio.ensure_future(anext(messages))
        while not self.engine.turn():  # until it has submitted
            await asyncio.sleep(0)
        for _ in range(2):
            assert self.engine.turn()
        return await asyncio.wait_for(first, PATIENCE)

    def _post(self, events: list[tuple[Listener, Event]]) -> None:
        post(events)
        self.num_finished += sum(isinstance(event, Finished) for _, event in events)


@pytest.fixture
def streaming(tokenizer: Tokenizer) -> Streaming:
    return Streaming(tokenizer)


@pytest.mark.parametrize("contents", [["She smiled."], ["She smiled.", "He left."]])
async def test_what_finishes_while_a_message_is_being_sent_is_still_sent_in_order(
    streaming: Streaming, contents: list[str]
) -> None:
    messages = streaming.start(*contents)
    received = [await streaming.first(messages)]
    assert streaming.engine.run()
    assert streaming.num_finished == len(contents)
    received += [message async for message in messages]
    for index in range(len(contents)):
        own = [message for message in received if message.content_index == index]
        assert [message.WhichOneof("event") for message in own[:-1]] == ["text_delta"] * (len(own) - 1)
        assert "".join(message.text_delta for message in own) == own[-1].translation.translated_text != ""


async def test_a_stream_that_is_closed_frees_its_rows(streaming: Streaming) -> None:
    messages = streaming.start("She smiled.")
    await streaming.first(messages)
    await messages.aclose()  # type: ignore[attr-defined]
    assert not streaming.engine.turn(), "nothing is left to do"
    assert streaming.num_finished == 0

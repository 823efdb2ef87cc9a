"""What becomes of the engine's events: texts, deltas, and a listener that cannot read them."""

import asyncio
import math
from pathlib import Path

import pytest

from server.engine import Engine, Finished, Written
from server.errors import EngineFailed
from server.metrics import Metrics
from server.open_request import ContentResult, OpenRequest
from server.repository import ServedModel
from server.request import ContentRequest, TranslationRequest
from server.scheduler import Limits
from server.text import Tokenizer
from tests.fakes import EOS, MANIFEST, PATIENCE, FakeBackend


def words(ids: list[int]) -> str:
    return " ".join(map(str, ids))


def result(num_segments: int) -> ContentResult:
    return ContentResult(ContentRequest([[4, EOS]] * num_segments, [9] * num_segments), words)


def test_empty_segments_leave_no_space_behind() -> None:
    content = result(4)
    deltas = []
    for segment, output in enumerate(([], [5, 6], [], [7])):
        content.update(segment, Finished(output, -1.0, False))
        deltas.append(content.take_delta())
    assert content.translation().translated_text == "".join(deltas) == "5 6 7"


def test_text_of_a_later_segment_waits_for_those_before() -> None:
    content = result(2)
    content.update(1, Written(7))
    assert content.take_delta() == ""
    content.update(0, Written(5))
    assert content.take_delta() == "5"
    content.update(0, Finished([5, 6], -1.0, False))
    assert content.take_delta() == " 6 7"
    content.update(1, Finished([7], -0.5, True))
    assert content.take_delta() == ""
    assert content.translation().score == pytest.approx(-1.5 / (3 + 1))


class Unreadable(Tokenizer):
    def decode(self, ids: list[int]) -> str:
        raise IndexError("secret of the tokenizer")


async def test_what_cannot_be_read_fails_its_own_request_alone(
    small_tokenizer: Path, tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()

    def post(events: list) -> None:  # type: ignore[type-arg]
        loop.call_soon_threadsafe(lambda: [listener(event) for listener, event in events])

    metrics = Metrics()
    engine = Engine(MANIFEST, FakeBackend(4), Limits(4, 100), 10, post, metrics.engine("fake"))

    def opened(own: Tokenizer, source: list[int]) -> OpenRequest:
        request = TranslationRequest(ServedModel(MANIFEST, own, engine), [ContentRequest([source], [9])])
        return OpenRequest(request, math.inf, streams=False, seconds=metrics.request_seconds)

    # Of one length, so that they end in the same step.
    with opened(Unreadable(small_tokenizer, EOS), [3, 5, EOS]) as bad, opened(tokenizer, [3, 6, EOS]) as good:
        bad.submit()
        good.submit()
        engine.start()
        with pytest.raises(EngineFailed):
            await asyncio.wait_for(bad.news(), PATIENCE)
        assert await asyncio.wait_for(good.news(), PATIENCE) == [0]
        assert good.is_finished
    await asyncio.to_thread(engine.close)
    assert "secret of the tokenizer" in caplog.text

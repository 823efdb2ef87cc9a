"""More than a server can do at once: what is refused, and what becomes of the rest."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo

from tests.fakes import PATIENCE
from tests.integration.served import refusal, serving
from tests.small_models import SENTENCES


async def test_an_overloaded_server_refuses_at_once_and_finishes_what_it_took(rnn_repository: Path) -> None:
    async with serving(rnn_repository, gated=True, max_rows=1, max_waiting=2) as served:
        running = asyncio.ensure_future(served.translate(SENTENCES[0]))
        await served.held()
        calls = [asyncio.ensure_future(served.translate(text)) for text in SENTENCES[1:6]]
        refused = await first_done(calls, 3)
        for call in refused:
            code, message, details = await refusal(call)
            assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert message == "queue is full: 2 sentences wait, 1 more would exceed the limit of 2"
            assert details["RetryInfo"] == RetryInfo(retry_delay=Duration(seconds=1))
        served.gate.open()
        for call in {running, *calls} - refused:
            [translation] = (await call).translations
            assert translation.translated_text


async def first_done(calls: Sequence[asyncio.Future[Any]], number: int) -> set[asyncio.Future[Any]]:
    done: set[asyncio.Future[Any]] = set()
    pending = set(calls)
    while len(done) < number:
        ended, pending = await asyncio.wait(pending, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        assert ended, "too few have ended"
        done |= ended
    assert len(done) == number
    return done


async def test_a_request_that_is_larger_than_the_queue_is_refused_as_a_whole(rnn_repository: Path) -> None:
    async with serving(rnn_repository, max_waiting=2) as served:
        code, message, _ = await refusal(served.translate(*SENTENCES[:3]))
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert message == "contents: at most 2 segments expected, got 3 or more in the first 3 contents"
        assert len((await served.translate(*SENTENCES[:2])).translations) == 2

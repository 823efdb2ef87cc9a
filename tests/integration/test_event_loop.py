"""Whatever a request is made of, as far as the limits allow, the event loop goes on turning for others."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from tests.conftest import Repositories
from tests.fakes import PATIENCE
from tests.integration.served import Served, request, serving
from tests.small_models import SENTENCES

MAX_SECONDS = 0.04
"""Processor time between two turns. A slice has a few milliseconds; all of a request's work at once has far more."""

NEIGHBOUR_MODEL = "lstm-en-fr"

NUM_LONG = 7
LONG = " ".join(SENTENCES * 9)[:9_900].rpartition(".")[0] + "."
"""`NUM_LONG` of them are nearly as many segments as may wait."""

REFUSED_AT_LAST = " "
"""A content that is found to be wrong once all others are parsed: nothing has to be decoded then."""


def letters(number: int) -> str:
    """Another word for every number below 1,000."""
    return "".join("acehilnost"[int(digit)] for digit in f"{number:03}")


PHRASES = [letters(number) + "ab" * 90 for number in range(64)]


def glossary(entries: dict[str, str]) -> dict[str, Any]:
    return {"entries": [pb.GlossaryEntry(source_term=source, target_term=target) for source, target in entries.items()]}


NASTY = {
    "few terms that are found everywhere, and phrases": request(
        *["A cat. " * 1_400] * NUM_LONG,
        REFUSED_AT_LAST,
        decoding={"forbidden_phrases": PHRASES, "glossary": glossary({"a": "one", "cat": "that"})},
    ),
    "many terms, many phrases, long contents": request(
        *[LONG] * 3,
        REFUSED_AT_LAST,
        decoding={
            "forbidden_phrases": PHRASES,
            "glossary": glossary({"a " * (number % 90) + letters(number): "that " * 20 for number in range(1_000)}),
        },
    ),
    "terms that nearly are there": request(
        *[("a " * 20 + ". ") * 200] * NUM_LONG,
        REFUSED_AT_LAST,
        decoding={"glossary": glossary({"a " * length + "b": "that" for length in range(1, 99)})},
    ),
    "short sentences": request(*["A. " * 3_000] * NUM_LONG, REFUSED_AT_LAST),
    "as many sentences as may wait": request(
        *[LONG] * NUM_LONG, max_output_tokens=1, decoding={"forbidden_phrases": PHRASES}
    ),
    "combinations of many segments": request(
        LONG, max_output_tokens=3, decoding={"beam_size": 8, "num_hypotheses": 8, "patience": 10.0}
    ),
    "a large answer": request(
        *[SENTENCES[0]] * 128,
        max_output_tokens=30,
        model="transformer-en-fr",
        decoding={"beam_size": 8, "num_hypotheses": 8, "return_alignment": True, "return_token_scores": True},
    ),
}


@pytest.fixture
async def served(repository_of: Repositories) -> AsyncIterator[Served]:
    async with serving(repository_of("rnn", "lstm", "transformer")) as server:
        yield server


class Turns:
    longest = 0.0
    """Seconds of the processor that the event loop's thread had between two turns of a task that is nearly always
    ready. Seconds of the clock would count what else the machine does."""


@asynccontextmanager
async def watched_turns() -> AsyncIterator[Turns]:
    turns = Turns()

    async def watch() -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            turns.longest = max(turns.longest, now - last)
            last = now

    watching = asyncio.ensure_future(watch())
    await asyncio.sleep(0)
    try:
        yield turns
    finally:
        watching.cancel()


def call(address: str, message: pb.TranslateRequest) -> grpc.StatusCode:
    """On a thread, so that none of the client's own work is done by the event loop."""
    with grpc.insecure_channel(address, [("grpc.max_receive_message_length", -1)]) as channel:
        try:
            pb_grpc.TranslationServiceStub(channel).Translate(message, timeout=PATIENCE)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("kind", NASTY)
async def test_a_request_leaves_turns_of_the_event_loop_to_its_neighbours(served: Served, kind: str) -> None:
    await served.translate("She smiled.", model=NEIGHBOUR_MODEL)
    async with watched_turns() as turns:
        nasty = asyncio.ensure_future(asyncio.to_thread(call, served.address, NASTY[kind]))
        num_answers = 0
        while not nasty.done():
            answer = await served.translate("She smiled.", model=NEIGHBOUR_MODEL, max_output_tokens=1)
            num_answers += len(answer.translations)
    assert await nasty in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT)
    assert num_answers
    assert turns.longest < MAX_SECONDS

"""Callers of a real server, of whom one has much to translate."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from seq2serve.pb import translation_pb2_grpc as pb_grpc
from tests.fakes import PATIENCE
from tests.integration.served import DEFAULT_MODEL, Served, eventually, refusal, request, serving

NUM_CONTENTS = 43
BULK = " ".join(["Two young men are playing guitar in the park while many people watch them from the benches."] * 14)
"""A content of several segments; `NUM_CONTENTS` with a beam of four are some dozens of times what has rows at once."""


@asynccontextmanager
async def another_connection(served: Served) -> AsyncIterator[pb_grpc.TranslationServiceStub]:
    """Channels of one process to one address share theirs otherwise."""
    own = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(served.address, own) as channel:
        yield pb_grpc.TranslationServiceStub(channel)


@pytest.fixture
async def served(rnn_repository: Path) -> AsyncIterator[Served]:
    async with serving(rnn_repository, max_rows=16) as made:
        yield made


async def test_a_single_sentence_is_answered_while_most_of_what_another_client_sent_is_open(served: Served) -> None:
    bulk = served.stub.StreamTranslate(
        request(*[BULK] * NUM_CONTENTS, decoding={"beam_size": 4}), timeout=10 * PATIENCE
    )
    finished: set[int] = set()

    async def read_bulk() -> None:
        async for message in bulk:
            if message.HasField("translation"):
                finished.add(message.content_index)

    reading = asyncio.ensure_future(read_bulk())

    async def is_in() -> bool:
        return await served.metric("seq2serve_waiting", model=DEFAULT_MODEL) > NUM_CONTENTS

    await eventually(is_in)
    async with another_connection(served) as stub:
        single = await stub.Translate(request("A dog runs."), timeout=PATIENCE)
    num_open = NUM_CONTENTS - len(finished)
    assert single.translations[0].translated_text
    assert num_open > NUM_CONTENTS * 3 // 4
    bulk.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_queue_that_one_connection_has_filled_is_open_to_another(rnn_repository: Path) -> None:
    async with serving(rnn_repository, gated=True, max_rows=1, max_waiting=8) as served:
        running = asyncio.ensure_future(served.translate("A man runs."))
        await served.held()
        bulk = [asyncio.ensure_future(served.translate("A woman sings.")) for _ in range(9)]
        [refused], accepted = await asyncio.wait(bulk, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        code, message, _ = await refusal(refused)
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert message == "queue is full: 8 sentences wait, 1 more would exceed the limit of 8"
        async with another_connection(served) as stub:
            single = asyncio.ensure_future(stub.Translate(request("A dog runs."), timeout=PATIENCE))
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(single), 0.1)  # it is in
            served.gate.open()
            for answer in (running, single, *accepted):
                assert (await answer).translations[0].translated_text


async def test_messages_that_one_connection_has_open_leave_room_for_those_of_another(rnn_repository: Path) -> None:
    """Answers that nobody reads keep their calls, and the messages with them."""
    large = ["\N{GRINNING FACE}" * 10_000] * 5  # 200 kB, of which nothing has to be decoded
    async with serving(rnn_repository, max_request_megabytes=1) as served, another_connection(served) as another:
        unread = [served.stub.StreamTranslate(request(*large), timeout=PATIENCE) for _ in range(8)]
        await served.wait_for_metric(8, "grpc_server_started_total", grpc_method="StreamTranslate")
        await served.wait_for_metric(5, "grpc_server_handled_total", grpc_code="ResourceExhausted")
        answer = await another.Translate(request(*large[:4], "A dog runs."), timeout=PATIENCE)
        assert answer.translations[4].translated_text
        for stream in unread:
            stream.cancel()


@pytest.mark.parametrize("is_same_client", [True, False])
async def test_a_bulk_request_lets_an_interactive_one_pass(rnn_repository: Path, is_same_client: bool) -> None:
    """Without a priority each would have every other turn."""
    texts = [f"A dog runs in the park {number} times." for number in range(24)]
    finished: list[str] = []

    async def read(stub: pb_grpc.TranslationServiceStub, priority: str) -> None:
        async for message in stub.StreamTranslate(request(*texts, priority=priority), timeout=10 * PATIENCE):
            if message.HasField("translation"):
                finished.append(priority)

    async with serving(rnn_repository, max_rows=1, gated=True) as served, another_connection(served) as another:
        backlog = served.app.registry.models[DEFAULT_MODEL].main.backlog
        bulk = asyncio.ensure_future(read(served.stub, "PRIORITY_BULK"))
        await served.held()
        of_bulk = backlog.open
        stub = served.stub if is_same_client else another
        interactive = asyncio.ensure_future(read(stub, "PRIORITY_INTERACTIVE"))

        async def are_both_in() -> bool:
            return backlog.open == 2 * of_bulk

        await eventually(are_both_in)
        served.gate.open()
        await asyncio.gather(bulk, interactive)
    num_interactive = sum(priority == "PRIORITY_INTERACTIVE" for priority in finished[:24])
    assert num_interactive >= 18

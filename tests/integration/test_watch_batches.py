"""The running batches as somebody sees them who watches a server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from seq2serve import AsyncClient, Batch, Client, TranslationError, Unavailable, WatchBatchesResponse
from seq2serve.pb import operations_pb2, operations_pb2_grpc
from server.decoding.engine import Engine
from server.messages.batch_state import BatchState
from server.serving.access import watched
from server.serving.rpc import operations
from server.serving.rpc.operations import MAX_WATCHERS
from tests.fakes import PATIENCE
from tests.integration.keyed import KEYS, key, write_keys
from tests.integration.served import DEFAULT_MODEL, OVERLONG_SENTENCE, Served, eventually, refusal, serving
from tests.integration.shipped import one_model

INTERVAL_SECONDS = 0.01

Watch = AsyncGenerator[WatchBatchesResponse, None]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "INTERVAL_SECONDS", INTERVAL_SECONDS)


@asynccontextmanager
async def watching(served: Served) -> AsyncIterator[Watch]:
    async with AsyncClient(served.address) as client, aclosing(client.watch_batches()) as watch:
        yield watch


async def seen_where(holds: Callable[[Batch], bool], watch: Watch, served: Served | None = None) -> Batch:
    """The first state of which that is so. `served`: whose gate lets a step pass between two states."""
    async with asyncio.timeout(PATIENCE):
        async for message in watch:
            for batch in message.batches:
                if holds(batch):
                    return batch
            if served:
                served.gate.allow(1)
    raise AssertionError("the watch has ended")


async def test_the_rows_and_those_who_wait_are_shown(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path), gated=True, max_rows=4) as served, watching(served) as watch:
        idle = await seen_where(lambda _: True, watch)
        assert (idle.model, idle.model_version, idle.engine, idle.max_rows) == (DEFAULT_MODEL, "1", 0, 4)
        assert not idle.running
        greedy = asyncio.create_task(served.translate(OVERLONG_SENTENCE))
        await served.held()
        beams = served.translate(*["A dog sleeps."] * 3, decoding={"beam_size": 3}, priority=2)
        wide = asyncio.create_task(beams)
        full = await seen_where(lambda batch: batch.waiting_count == 2, watch, served)
        assert [(one.rows, one.reserved_rows, one.is_bulk) for one in full.running] == [(1, 1, False), (3, 3, True)]
        assert full.running[0].output_token_count > full.running[1].output_token_count
        assert full.running[0].source_token_count > 50
        assert [(one.rows, one.reserved_rows, one.joined_milliseconds) for one in full.next] == [(0, 3, 0.0)] * 2
        for one in full.running:
            assert 0 < one.submitted_milliseconds <= one.joined_milliseconds <= full.milliseconds
        assert len({one.id for one in (*full.running, *full.next)}) == 4
        served.gate.open()
        await asyncio.gather(greedy, wide)
        empty = await seen_where(lambda batch: batch.left_count == 4, watch)
        assert (list(empty.running), empty.waiting_count, empty.joined_count) == ([], 0, 4)


async def test_a_sentence_that_was_there_between_two_looks_is_told_when_it_has_left(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path)) as served, watching(served) as watch:
        await anext(watch)
        [translation] = (await served.translate("A dog sleeps.")).translations
        batch = await seen_where(lambda batch: bool(batch.left), watch)
        [left] = batch.left
        assert left.source_token_count == translation.source_token_count
        assert left.output_token_count == translation.output_token_count + 1  # the end
        assert batch.output_token_count == left.output_token_count
        assert left.submitted_milliseconds <= left.joined_milliseconds < left.left_milliseconds <= batch.milliseconds


async def test_each_engine_has_its_own_batch(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path), engines="2") as served, watching(served) as watch:
        async for message in watch:
            if len(message.batches) == 2:
                assert [batch.engine for batch in message.batches] == [0, 1]
                break


async def test_engines_are_asked_only_while_somebody_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    num_looks = 0
    look = Engine.look

    def counted(engine: Engine) -> BatchState:
        nonlocal num_looks
        num_looks += 1
        return look(engine)

    async def is_quiet() -> bool:
        before = num_looks
        await asyncio.sleep(5 * INTERVAL_SECONDS)
        return num_looks == before

    monkeypatch.setattr(Engine, "look", counted)
    async with serving(one_model(tmp_path)) as served:
        assert await is_quiet()
        async with watching(served) as first:
            await anext(first)
            async with watching(served) as second:
                await anext(second)
            assert not await is_quiet()
        await eventually(is_quiet)
        async with watching(served) as again:
            assert (await anext(again)).batches


async def test_so_many_may_watch_and_one_who_leaves_makes_room(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path)) as served:
        stub: Any = operations_pb2_grpc.OperationsServiceStub(served.channel)

        async def begin(watches: list[Any]) -> None:
            watches.append(stub.WatchBatches(operations_pb2.WatchBatchesRequest()))
            assert await watches[-1].read() is not grpc.aio.EOF

        watches: list[Any] = []

        async def begin_all() -> None:
            while len(watches) <= MAX_WATCHERS:
                await begin(watches)

        code, message, _ = await refusal(begin_all())
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "watches of batches" in message
        assert len(watches) > MAX_WATCHERS // 2
        watches[0].cancel()

        async def has_room() -> bool:
            try:
                await begin(watches)
            except grpc.aio.AioRpcError:
                return False
            return True

        await eventually(has_room)
        for watch in watches:
            watch.cancel()


async def test_a_watch_ends_with_the_server(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path)) as served, watching(served) as watch:
        await anext(watch)
        stopping = asyncio.create_task(served.stop())
        with pytest.raises(Unavailable):
            await seen_where(lambda _: False, watch)
        assert await stopping


async def test_a_key_that_is_gone_watches_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "INTERVAL_SECONDS", 0.02)
    keys = write_keys(tmp_path, key("watcher"), key("reader"))
    async with serving(one_model(tmp_path), keys=keys) as served:
        client = AsyncClient(served.address, api_key=KEYS["watcher"])
        async with client, aclosing(client.watch_batches()) as watch:
            await anext(watch)
            write_keys(tmp_path, key("reader"))
            with pytest.raises(TranslationError, match="not known any more"):
                await seen_where(lambda _: False, watch)


async def test_a_program_that_blocks_watches_as_well(tmp_path: Path) -> None:
    async with serving(one_model(tmp_path)) as served:

        def first() -> WatchBatchesResponse:
            with Client(served.address) as client:
                return next(client.watch_batches())

        assert (await asyncio.to_thread(first)).batches[0].model == DEFAULT_MODEL

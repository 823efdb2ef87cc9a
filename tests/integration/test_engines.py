"""The engines seen from the serving process: what crosses, what is refused, and what a stuck or dead one does."""

import asyncio
import socket
import subprocess

import pytest

from server.bundle.manifest import Bundle, BundleError
from server.config import ServerConfig
from server.decoding.graphs.backend import BackendOptions
from server.errors import NotServing, QueueFull
from server.messages.sentence import Finished
from server.serving.engines.keeper import Timing
from server.serving.engines.processes import BundleEngines
from tests.fakes import EOS, FakeBackend, translate
from tests.integration.remote_engine import LIMIT, remote
from tests.integration.running_engine import endless
from tests.integration.served import launched_here


async def test_sentences_end_once_each_and_a_closed_engine_refuses(bundle: Bundle) -> None:
    async with remote(bundle, max_rows=3) as made:
        made.gate.open()
        sources = [[2 + number % 5, 10 + number, EOS] for number in range(50)]
        made.submit(*sources)
        for key, source in enumerate(sources):
            assert await made.ended(key) == translate(source, LIMIT)
        await made.engines.close()
        with pytest.raises(NotServing):
            made.submit([2, EOS])


async def test_closing_finishes_what_is_in(bundle: Bundle) -> None:
    async with remote(bundle) as made:
        made.submit(endless(1))
        await made.held()
        closing = asyncio.ensure_future(made.engines.close())
        await asyncio.sleep(0)
        made.gate.open()
        assert await closing
        assert isinstance(made.ends[0], Finished)


async def test_a_full_queue_is_refused_while_the_engine_is_in_a_step(bundle: Bundle) -> None:
    async with remote(bundle, max_rows=2, max_waiting=2) as made:
        made.submit(endless(1))
        await made.held()
        made.submit(endless(2), endless(3), key=1)
        made.submit(endless(4), key=3)  # one more than may wait, but there may be a row for one
        with pytest.raises(QueueFull, match="2 sentences wait, 1 more would exceed the limit of 2"):
            made.submit(endless(5), key=4)
        made.gate.open()
        for key in range(4):
            assert isinstance(await made.ended(key), Finished)
        assert 4 not in made.ends


async def test_a_queue_that_one_caller_has_filled_takes_another_s_sentence(bundle: Bundle) -> None:
    async with remote(bundle, max_rows=2, max_waiting=8) as made:
        made.submit(endless(0), endless(1), caller="bulk")
        await made.held()
        ids = made.submit(*(endless(number) for number in range(2, 10)), key=2, caller="bulk")
        with pytest.raises(QueueFull, match="8 sentences wait, 1 more would exceed the limit of 8"):
            made.submit(endless(10), key=10, caller="bulk")
        with pytest.raises(QueueFull, match=r"0 of the caller's sentences wait beside 8 of others, .* the limit of 1"):
            made.submit(endless(11), endless(12), key=11, caller="single")
        made.submit(endless(11), key=11, caller="single")
        made.engine.cancel(ids[6:])
        made.gate.open()
        for key in [*range(8), 11]:
            assert isinstance(await made.ended(key), Finished)
        # Neither ended nor cancelled ones have places.
        made.submit(*(endless(number) for number in range(8)), key=20, caller="bulk")
        for key in range(20, 28):
            assert isinstance(await made.ended(key), Finished)


async def test_a_cancelled_sentence_is_told_nothing_more(bundle: Bundle) -> None:
    async with remote(bundle) as made:
        [number] = made.submit(endless(1))
        await made.held()
        made.submit([3, 9, EOS], key=1)
        made.engine.cancel([number, number, 12345])
        made.gate.open()
        assert await made.ended(1) == translate([3, 9, EOS], LIMIT)
        assert await made.series("seq2serve_rows_left_total") == 2
    assert 0 not in made.ends


async def test_a_scrape_of_a_stuck_engine_has_what_was_known_last(bundle: Bundle) -> None:
    async with remote(bundle) as made:
        made.submit(endless(1))
        await made.held()
        assert await made.series("seq2serve_rows_joined_total") is None
        joined = await asyncio.gather(*[made.series("seq2serve_rows_joined_total") for _ in range(2)])
        assert joined == [None, None]
        made.gate.open()
        await made.ended(0)
        assert await made.series("seq2serve_rows_joined_total") == 1
    assert await made.series("seq2serve_rows_joined_total") == 1


async def test_the_queue_of_an_engine_that_does_not_read_is_full(bundle: Bundle) -> None:
    async with remote(bundle, max_waiting=10) as made:
        made.submit(endless(1))
        await made.held()
        with pytest.raises(QueueFull):  # noqa: PT012
            for _ in range(1000):
                made.engine.cancel(made.submit([2, *[5] * 20_000, EOS], key=1))
                await asyncio.sleep(0)


async def test_a_time_in_the_socket_counts_as_waiting(bundle: Bundle) -> None:
    async with remote(bundle) as made:
        made.submit(endless(1))
        await made.held()
        made.submit([2, 9, EOS], key=1)
        await asyncio.sleep(0.2)
        made.gate.open()
        await made.ended(1)
        assert (await made.series("seq2serve_queue_seconds_sum") or 0) >= 0.2


async def test_a_bundle_that_cannot_be_loaded_is_named_and_nothing_else_is_said(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Bundle, __: BackendOptions) -> FakeBackend:
        raise BundleError("step.onnx: is broken")

    launch = launched_here(refuse)
    engines = BundleEngines(ServerConfig(), bundle, lambda: pytest.fail("it has never served"), launch, Timing())
    await engines.start()
    with pytest.raises(BundleError, match=r"step\.onnx: is broken"):
        await engines.wait_until_loaded()
    await engines.abandon()
    assert not caplog.records


async def test_a_decoding_process_that_does_not_end_is_killed(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.serving.engines.keeper.CLOSE_SECONDS", 0.1)
    processes = []

    def launch(_: str, connection: socket.socket) -> subprocess.Popen[bytes]:
        processes.append(subprocess.Popen(["sleep", "1000"], pass_fds=[connection.fileno()]))
        return processes[0]

    engines = BundleEngines(ServerConfig(), bundle, lambda: None, launch, Timing())
    await engines.start()
    assert not await engines.close()
    assert processes[0].returncode == -9

"""The engines seen from the serving process: what crosses, what is refused, and what a stuck or dead one does."""

import asyncio
import dataclasses
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from server.bundle.manifest import Bundle, BundleError
from server.config import ServerConfig
from server.decoding.graphs.backend import BackendOptions
from server.errors import EngineFailed, NotServing, QueueFull
from server.messages.sentence import Event, Failed, Finished, Listener, Sentence
from server.serving.engines.processes import Engines
from server.serving.engines.remote import RemoteEngine
from tests.fakes import EOS, MANIFEST, PATIENCE, FakeBackend, Gate, greedy, translate
from tests.integration.running_engine import endless
from tests.integration.served import launched_here

LIMIT = 20


class Remote:
    """One engine of a fake model, behind a gate, and how its sentences ended."""

    def __init__(self, engines: Engines, gate: Gate) -> None:
        self.engines = engines
        self.engine: RemoteEngine = engines["fake"]
        self.gate = gate
        self.ends: dict[int, Event] = {}
        self._changed = asyncio.Event()

    def submit(self, *sources: list[int], key: int = 0) -> list[int]:
        """Keys are counted from `key`."""
        sentences = [
            Sentence(source, greedy(LIMIT), self._listener(key + number)) for number, source in enumerate(sources)
        ]
        return self.engine.submit(sentences)

    def _listener(self, key: int) -> Listener:
        def listen(event: Event) -> None:
            assert key not in self.ends
            self.ends[key] = event
            self._changed.set()

        return listen

    async def ended(self, key: int) -> Event:
        async with asyncio.timeout(PATIENCE):
            while key not in self.ends:
                self._changed.clear()
                await self._changed.wait()
        return self.ends[key]

    async def held(self) -> None:
        await asyncio.to_thread(self.gate.wait_until_held)

    async def series(self, name: str) -> float:
        [value] = [s.value for metric in await self.engines.collect() for s in metric.samples if s.name == name]
        return value


@pytest.fixture
def bundle(small_tokenizer: Path, tmp_path: Path) -> Bundle:
    (tmp_path / "tokenizer.model").write_bytes(small_tokenizer.read_bytes())
    return Bundle(tmp_path, MANIFEST)


@asynccontextmanager
async def remote(
    bundle: Bundle,
    on_failure: Callable[[], None] = lambda: None,
    backend: type[FakeBackend] = FakeBackend,
    **settings: Any,
) -> AsyncIterator[Remote]:
    gate = Gate()

    class Warm(backend):  # type: ignore[misc, valid-type]
        def warm_up(self, source: list[int]) -> None:
            """Nothing: it would stand before the gate."""

    def open_backend(_: Bundle, options: BackendOptions) -> FakeBackend:
        opened: FakeBackend = Warm(options.max_rows, gate)
        return opened

    engines = Engines(on_failure, launched_here(open_backend))
    await engines.start(dataclasses.replace(ServerConfig(), **settings), [bundle])
    try:
        await engines.wait_until_loaded()
        yield Remote(engines, gate)
    finally:
        gate.open()
        await engines.close()


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


async def test_a_full_queue_is_refused_while_the_engine_is_in_a_step_and_by_the_engine(bundle: Bundle) -> None:
    async with remote(bundle, max_rows=2, max_waiting=2) as made:
        made.submit(endless(1))
        await made.held()
        made.submit(endless(2), endless(3), key=1)
        made.submit(endless(4), key=3)  # one more than may wait, but there may be a row for one
        with pytest.raises(QueueFull, match="2 sentences wait, 1 more would exceed the limit of 2"):
            made.submit(endless(5), key=4)
        await asyncio.sleep(0)  # what was submitted is in the socket now
        await asyncio.to_thread(made.gate.allow, 1)
        refused = await made.ended(3)
        assert isinstance(refused, Failed)
        assert isinstance(refused.error, QueueFull)
        made.gate.open()
        for key in range(3):
            assert isinstance(await made.ended(key), Finished)
        assert 4 not in made.ends


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
        assert await made.engines.collect() == []
        for series in await asyncio.gather(made.engines.collect(), made.engines.collect()):
            assert series == []
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
        assert await made.series("seq2serve_queue_seconds_sum") >= 0.2


class Broken(FakeBackend):
    def step(self, num_rows: int) -> None:
        raise RuntimeError("secret of the backend")


async def test_a_loop_that_breaks_fails_its_sentences_and_says_so(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    failed = asyncio.Event()
    async with remote(bundle, failed.set, Broken) as made:
        made.submit(endless(1))
        event = await made.ended(0)
        assert isinstance(event, Failed)
        assert isinstance(event.error, EngineFailed)
        await asyncio.wait_for(failed.wait(), PATIENCE)
        with pytest.raises(NotServing):
            made.submit(endless(1))
    assert "secret of the backend" in caplog.text


async def test_a_bundle_that_cannot_be_loaded_is_named_and_nothing_else_is_said(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Bundle, __: BackendOptions) -> FakeBackend:
        raise BundleError("step.onnx: is broken")

    engines = Engines(lambda: pytest.fail("it has not ended by itself"), launched_here(refuse))
    await engines.start(ServerConfig(), [bundle])
    with pytest.raises(BundleError, match=r"step\.onnx: is broken"):
        await engines.wait_until_loaded()
    await engines.abandon()
    assert not caplog.records


async def test_a_decoding_process_that_does_not_end_is_killed(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.serving.engines.processes.CLOSE_SECONDS", 0.1)
    processes = []

    def launch(connections: object) -> subprocess.Popen[bytes]:
        descriptors = [connection.fileno() for connection in connections]  # type: ignore[attr-defined]
        processes.append(subprocess.Popen(["sleep", "1000"], pass_fds=descriptors))
        return processes[0]

    engines = Engines(lambda: None, launch)
    await engines.start(ServerConfig(), [bundle])
    assert not await engines.close()
    assert processes[0].returncode == -9

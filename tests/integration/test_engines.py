"""The engines seen from the serving process: what crosses, what is refused, and what a stuck or dead one does."""

import asyncio
import dataclasses
import itertools
import json
import os
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest

from server.bundle.manifest import TOKENIZER, Bundle, BundleError, TokenizerSpec
from server.config import ServerConfig
from server.decoding.graphs.backend import BackendOptions
from server.decoding.graphs.state import Array
from server.errors import EngineFailed, EngineLost, NotServing, QueueFull, SentenceFailed
from server.messages.frames import Close, Load, Loaded, Ping, Pong, Unframed, framed
from server.messages.sentence import Event, Failed, Finished, Listener, Sentence, Written
from server.serving.engines.keeper import Timing
from server.serving.engines.pool import EnginePool
from server.serving.engines.processes import BundleEngines
from server.text.sentencepieces import SentencePieceTokenizer
from tests.fakes import EOS, MANIFEST, PATIENCE, FakeBackend, Gate, greedy, translate
from tests.integration.running_engine import endless
from tests.integration.served import PATIENT, Decoding, eventually, launched_here

LaunchHere = Callable[[str, socket.socket], Decoding]

LIMIT = 20
POISON = 77
"""A source token at which the fake process dies."""
QUICK = Timing(ping_seconds=PATIENCE, first_delay=0.01, hold_seconds=PATIENCE)
"""Starts engines again at once, and takes none for lost that only stands before its gate."""
WATCHFUL = Timing(ping_seconds=0.02, lost_pings=5, killed_pings=10**6, first_delay=0.01, hold_seconds=0.05)


class Remote:
    """One engine of a fake model, behind a gate, and how its sentences ended."""

    def __init__(self, engines: BundleEngines, gate: Gate) -> None:
        self.engines = engines
        self.engine: EnginePool = engines.pool
        self.gate = gate
        self.ends: dict[int, Event] = {}
        self.written: set[int] = set()
        """Keys of which a part has been told."""
        self._changed = asyncio.Event()

    def submit(self, *sources: list[int], key: int = 0, caller: str = "", streams: bool = False) -> list[int]:
        """Keys are counted from `key`."""
        sentences = [
            Sentence(source, greedy(LIMIT), self.listener(key + number), streams=streams, caller=caller)
            for number, source in enumerate(sources)
        ]
        return self.engine.submit(sentences)

    def listener(self, key: int) -> Listener:
        def listen(event: Event) -> None:
            assert key not in self.ends
            if isinstance(event, Written):
                self.written.add(key)
            else:
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

    async def error(self, key: int) -> Exception:
        event = await self.ended(key)
        assert isinstance(event, Failed)
        return event.error

    async def series(self, name: str) -> float | None:
        """None where there is no such series."""
        values = [s.value for metric in await self.engines.collect() for s in metric.samples if s.name == name]
        assert len(values) <= 1
        return values[0] if values else None

    async def serving(self, number: int) -> None:
        """Wait until so many engines serve."""

        async def has_come() -> bool:
            return self.engine.num_serving == number

        await eventually(has_come)


@pytest.fixture
def bundle(small_tokenizer: Path, tmp_path: Path) -> Bundle:
    """The fake model's, with as many of the small tokenizer's pieces as its vocabulary has."""
    (tmp_path / TOKENIZER).write_bytes(small_tokenizer.read_bytes())
    names = SentencePieceTokenizer(small_tokenizer, EOS).names[: MANIFEST.target_vocabulary_size]
    (tmp_path / "pieces.json").write_text(json.dumps(names), encoding="utf-8")
    spec = TokenizerSpec(sentencepiece=TOKENIZER, pieces="pieces.json")
    return Bundle(tmp_path, dataclasses.replace(MANIFEST, source_tokenizer=spec, target_tokenizer=spec))


@asynccontextmanager
async def remote(
    bundle: Bundle,
    backend: type[FakeBackend] = FakeBackend,
    timing: Timing = PATIENT,
    around: Callable[[LaunchHere], LaunchHere] = lambda launch: launch,
    **settings: Any,
) -> AsyncIterator[Remote]:
    """`around`: what the test has to do with every start of an engine."""
    gate = Gate()

    class Warm(backend):  # type: ignore[misc, valid-type]
        def warm_up(self, source: list[int]) -> None:
            """Nothing: it would stand before the gate."""

    def open_backend(_: Bundle, options: BackendOptions) -> FakeBackend:
        opened: FakeBackend = Warm(options.max_rows, gate)
        return opened

    config, launch = dataclasses.replace(ServerConfig(), **settings), around(launched_here(open_backend))
    engines = BundleEngines(config, bundle, lambda: None, launch, timing)
    await engines.start()
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


class Mortal(FakeBackend):
    """Its process dies at a poisoned sentence."""

    def encode(self, sources: Sequence[Sequence[int]], *arguments: Any) -> dict[str, Array]:
        if any(POISON in source for source in sources):
            raise SystemExit("dead")
        return super().encode(sources, *arguments)


class Broken(FakeBackend):
    def step(self, num_rows: int) -> NoReturn:
        raise RuntimeError("secret of the backend")


class Cut:
    """Keeps a hand on the engines' ends of their connections, to end them as a process's death does, or to speak in
    their place."""

    def __init__(self) -> None:
        self.connections: list[socket.socket] = []

    def __call__(self, launch: LaunchHere) -> LaunchHere:
        def launch_and_remember(model: str, connection: socket.socket) -> Decoding:
            launched = launch(model, connection)
            self.connections.append(launched.connection)
            return launched

        return launch_and_remember

    def cut(self, number: int) -> None:
        """The connection that was made as the nth."""
        self.connections[number].shutdown(socket.SHUT_RDWR)


@pytest.fixture
def cut() -> Cut:
    return Cut()


async def test_sentences_of_an_engine_that_died_are_decoded_by_the_next_one(bundle: Bundle, cut: Cut) -> None:
    async with remote(bundle, timing=QUICK, around=cut) as made:
        sources = [[2 + number % 5, 10 + number, EOS] for number in range(50)]
        made.submit(*sources)
        await made.held()
        cut.cut(0)
        made.gate.open()
        for key, source in enumerate(sources):
            assert await made.ended(key) == translate(source, LIMIT)
        assert await made.series("seq2serve_engine_restarts_total") == 1


async def test_sentences_of_an_engine_that_died_are_decoded_by_another_one_at_once(bundle: Bundle, cut: Cut) -> None:
    never = dataclasses.replace(QUICK, first_delay=1000.0)
    async with remote(bundle, timing=never, around=cut, engines="2") as made:
        sources = [[2 + number % 5, 10 + number, EOS] for number in range(50)]
        made.submit(*sources)
        await made.held()
        cut.cut(0)
        await made.serving(1)
        made.gate.open()
        for key, source in enumerate(sources):
            assert await made.ended(key) == translate(source, LIMIT)
        assert await made.series("seq2serve_engines") == 1


async def test_a_sentence_of_which_a_part_was_told_is_lost_with_its_engine(bundle: Bundle, cut: Cut) -> None:
    async with remote(bundle, timing=QUICK, around=cut) as made:
        made.submit(endless(1), streams=True)
        made.submit(endless(2), key=1)
        await asyncio.to_thread(made.gate.allow, 5)

        async def is_written() -> bool:
            return 0 in made.written

        await eventually(is_written)
        cut.cut(0)
        assert isinstance(await made.error(0), EngineLost)
        made.gate.open()
        assert await made.ended(1) == translate(endless(2), LIMIT)


async def test_a_sentence_that_kills_engines_kills_no_more_than_two(bundle: Bundle) -> None:
    async with remote(bundle, Mortal, QUICK, engines="2") as made:
        made.gate.open()
        made.submit([2, POISON, EOS])
        assert isinstance(await made.error(0), EngineFailed)
        await made.serving(2)
        assert await made.series("seq2serve_engine_restarts_total") == 2
        made.submit([3, 9, EOS], key=1)
        assert await made.ended(1) == translate([3, 9, EOS], LIMIT)


async def test_steps_that_always_raise_fail_their_sentences_and_in_the_end_the_loop_and_the_next_engine_serves(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    async with remote(bundle, Broken, QUICK) as made:
        for key in range(4):
            made.submit(endless(1), key=key)
            assert isinstance(await made.error(key), SentenceFailed | EngineFailed)
        await made.serving(1)
        assert await made.series("seq2serve_engine_restarts_total") == 1
    assert "secret of the backend" in caplog.text


async def test_nonsense_from_an_engine_is_its_end(bundle: Bundle, cut: Cut, caplog: pytest.LogCaptureFixture) -> None:
    async with remote(bundle, timing=QUICK, around=cut) as made:
        made.submit([2, 9, EOS])
        await made.held()
        cut.connections[0].sendall(b"\x08\0\0\0nonsense")
        made.gate.open()
        assert await made.ended(0) == translate([2, 9, EOS], LIMIT)
        assert await made.series("seq2serve_engine_restarts_total") == 1
    assert "what an engine of fake says cannot be read" in caplog.text


async def test_without_an_engine_for_long_open_and_new_sentences_are_refused_until_one_is_back(
    bundle: Bundle, cut: Cut
) -> None:
    slow = dataclasses.replace(QUICK, first_delay=0.3, hold_seconds=0.05)
    async with remote(bundle, timing=slow, around=cut) as made:
        made.submit([2, 9, EOS])
        await made.held()
        cut.cut(0)
        await made.serving(0)
        made.submit([2, 9, EOS], key=1)  # it may wait for a while
        for key in range(2):
            assert isinstance(await made.error(key), EngineLost)
        with pytest.raises(EngineLost):
            made.submit([2, 9, EOS], key=2)
        await made.serving(1)
        made.gate.open()
        made.submit([2, 9, EOS], key=3)
        assert await made.ended(3) == translate([2, 9, EOS], LIMIT)


async def test_an_engine_that_hangs_serves_no_more_until_it_answers_again(bundle: Bundle) -> None:
    async with remote(bundle, timing=WATCHFUL) as made:
        made.submit([2, 9, EOS])
        await made.held()
        await made.serving(0)
        assert isinstance(await made.error(0), EngineLost)
        made.gate.open()
        await made.serving(1)
        made.submit([2, 9, EOS], key=1)
        assert await made.ended(1) == translate([2, 9, EOS], LIMIT)
        assert await made.series("seq2serve_engine_restarts_total") == 0


class Puppet:
    """An engine that answers pings when the test says so."""

    pid = os.getpid()

    def __init__(self, _: str, connection: socket.socket) -> None:
        self.was_killed = False
        self._connection = connection.dup()
        self._answers = True
        self._num_unanswered = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        unframed = Unframed()
        with self._connection:
            while received := self._connection.recv(1 << 16):
                for message in unframed.feed(received):
                    if isinstance(message, Load):
                        self._connection.sendall(framed(Loaded()))
                    elif isinstance(message, Ping):
                        self._num_unanswered += 1
                        self.answer(self._answers)
                    elif isinstance(message, Close) and self._answers:
                        return

    def answer(self, answers: bool) -> None:
        """From now on, or no more."""
        with self._lock:
            self._answers = answers
            if answers and self._num_unanswered:
                self._connection.sendall(framed(Pong()))
                self._num_unanswered = 0

    def wait(self, timeout: float | None = None) -> int:
        self._thread.join(timeout)
        return -9 if self.was_killed else 0

    def kill(self) -> None:
        self.was_killed = True
        self._connection.shutdown(socket.SHUT_RDWR)


async def test_an_engine_is_watched_on_and_on_and_killed_if_it_does_not_come_back(bundle: Bundle) -> None:
    puppets: list[Puppet] = []

    def launch(model: str, connection: socket.socket) -> Puppet:
        puppets.append(Puppet(model, connection))
        return puppets[-1]

    timing = dataclasses.replace(WATCHFUL, killed_pings=20)
    engines = BundleEngines(ServerConfig(), bundle, lambda: None, launch, timing)
    await engines.start()
    await engines.wait_until_loaded()
    made = Remote(engines, Gate())
    for _ in range(2):
        puppets[0].answer(False)
        await made.serving(0)
        puppets[0].answer(True)
        await made.serving(1)
    assert not puppets[0].was_killed
    puppets[0].answer(False)
    await made.serving(0)
    assert not puppets[0].was_killed
    await made.serving(1)
    assert puppets[0].was_killed
    assert len(puppets) == 2
    puppets[1].answer(False)
    await made.serving(0)
    async with asyncio.timeout(5):
        assert await engines.close(), "nothing was in an engine that hangs"
    assert puppets[1].was_killed


async def test_an_engine_that_does_not_start_is_tried_again_ever_more_slowly(bundle: Bundle, cut: Cut) -> None:
    starts: list[float] = []

    def around(launch: LaunchHere) -> LaunchHere:
        launch = cut(launch)

        def launch_or_not(model: str, connection: socket.socket) -> Decoding:
            starts.append(asyncio.get_running_loop().time())
            if 1 < len(starts) < 6:
                raise OSError("no more processes")
            return launch(model, connection)

        return launch_or_not

    async with remote(bundle, timing=QUICK, around=around) as made:
        cut.cut(0)
        await made.serving(0)
        await made.serving(1)
        assert await made.series("seq2serve_engine_restarts_total") == 5
    waits = [later - earlier for earlier, later in itertools.pairwise(starts[1:])]
    assert all(wait >= 0.02 * 2**number for number, wait in enumerate(waits))


async def test_rows_of_an_engine_that_died_are_not_active_for_ever(bundle: Bundle, cut: Cut) -> None:
    async with remote(bundle, timing=QUICK, around=cut) as made:
        made.submit(endless(1))
        await made.held()

        async def has_an_active_row() -> bool:
            asked = asyncio.ensure_future(made.series("seq2serve_active_rows"))
            await asyncio.sleep(0)
            await asyncio.to_thread(made.gate.allow, 1)  # it answers between two steps
            return await asked == 1

        await eventually(has_an_active_row)
        cut.cut(0)
        made.gate.open()
        await made.ended(0)
        assert await made.series("seq2serve_active_rows") == 0


async def test_totals_do_not_fall_with_an_engine_and_are_those_of_all_engines(bundle: Bundle, cut: Cut) -> None:
    async with remote(bundle, timing=QUICK, around=cut, engines="2") as made:
        made.gate.open()
        made.submit(*[[2, 10 + number, EOS] for number in range(10)])
        for key in range(10):
            await made.ended(key)
        assert await made.series("seq2serve_rows_joined_total") == 10
        assert await made.series("seq2serve_queue_seconds_count") == 10
        cut.cut(0)
        await made.serving(1)
        await made.serving(2)
        assert await made.series("seq2serve_rows_joined_total") == 10
        made.submit([2, 9, EOS], key=10)
        await made.ended(10)
        assert await made.series("seq2serve_rows_joined_total") == 11
        assert await made.series("seq2serve_active_rows") == 0


class Changeling:
    """Options in this process, and none in the engine's."""

    num_rows = 1

    def __reduce__(self) -> Any:
        return int, ()


async def test_a_submission_that_raises_is_answered_and_the_next_one_is_decoded(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    async with remote(bundle) as made:
        made.gate.open()
        made.engine.submit([Sentence([2, 9, EOS], cast(Any, Changeling()), made.listener(key)) for key in range(2)])
        made.submit([3, 9, EOS], key=2)
        for key in (0, 1):
            event = await made.ended(key)
            assert isinstance(event, Failed)
            assert isinstance(event.error, SentenceFailed)
        assert await made.ended(2) == translate([3, 9, EOS], LIMIT)
    assert "could not be submitted" in caplog.text


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

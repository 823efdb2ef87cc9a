"""Engines that die, hang or never start, and what becomes of their sentences."""

import asyncio
import dataclasses
import itertools
import os
import socket
import threading
from collections.abc import Sequence
from typing import Any, NoReturn, cast

import pytest

from server.bundle.manifest import Bundle
from server.config import ServerConfig
from server.decoding.graphs.state import Array
from server.errors import EngineFailed, EngineLost, SentenceFailed
from server.messages.frames import Close, Load, Loaded, Ping, Pong, Unframed, framed
from server.messages.sentence import Failed, Sentence
from server.serving.engines.processes import BundleEngines
from tests.fakes import EOS, FakeBackend, Gate, translate
from tests.integration.remote_engine import LIMIT, QUICK, WATCHFUL, LaunchHere, Remote, remote
from tests.integration.running_engine import endless
from tests.integration.served import Decoding, eventually

POISON = 77
"""A source token at which the fake process dies."""


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

    def cost(self, num_source_tokens: int) -> int:
        return num_source_tokens

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

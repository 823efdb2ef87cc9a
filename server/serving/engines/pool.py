"""A model's engines as one: sentences go to the least busy of them, and outlive the engine that they are in.

The pool owns the open sentences. Which engines there are it is told by `keeper.py`, which starts and watches them.
All of this runs on the event loop's thread.
"""

import asyncio
import dataclasses
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from server.errors import EngineFailed, EngineLost, NotServing, QueueFull, TranslationError
from server.messages.sentence import Event, Failed, Sentence, Written
from server.serving.engines.places import check_places

_MAX_LOSSES = 2
"""Lost engines that a sentence was in, with which it fails: it may be what kills them."""


class PooledEngine(Protocol):
    """What a pool wants of an engine; `RemoteEngine` has it."""

    @property
    def is_behind(self) -> bool:
        """Whether the engine should be sent no more sentences for now."""

    def submit(self, sentences: list[Sentence]) -> None:
        """Queue sentences. The listener of each is a number, under which `EnginePool.tell` is told of it."""

    def cancel(self, numbers: list[int]) -> None:
        """Stop decoding the sentences with these numbers."""


@dataclasses.dataclass(eq=False)
class _OpenSentence:
    id: int
    """What whoever submitted the sentence cancels it by."""
    sentence: Sentence
    """The sentence as it was submitted; `sentence.listener` is told what becomes of it."""
    submitted: float
    """When the sentence was submitted, on the clock of `time.monotonic`."""
    engine: PooledEngine | None = None
    """Where the sentence is decoded; None while it waits for an engine."""
    number: int = -1
    """What `engine` knows the sentence by. The number is another one in every engine, so that what an engine said
    before it was lost is never taken for news."""
    has_written: bool = False
    """Whether the listener has been told a part of the translation."""
    num_losses: int = 0
    """Engines that were lost with this sentence in them."""

    @property
    def weight(self) -> int:
        """How much of an engine the sentence occupies."""
        return self.sentence.options.cost(len(self.sentence.source_ids))


class EnginePool:
    """Implements `SentenceDecoder` over the engines that serve now. While none serves, sentences wait for one, but not
    for long."""

    def __init__(self, max_waiting: int, max_rows: int, hold_seconds: float, on_change: Callable[[], None]) -> None:
        """`max_waiting`: sentences that may wait, in all engines together; `max_rows`: rows of each engine;
        `hold_seconds`: time that sentences wait for an engine while none serves; `on_change` is called when
        `num_serving` has changed."""
        self._max_waiting = max_waiting
        self._max_rows = max_rows
        self._hold_seconds = hold_seconds
        self._on_change = on_change
        self._counter = itertools.count()  # of ids and numbers alike
        self._open: dict[int, _OpenSentence] = {}
        """All open sentences, by id."""
        self._num_open: Counter[str] = Counter()
        """Number of open sentences, by caller; those count for which places are kept."""
        self._kept: dict[int, tuple[str, int]] = {}
        """Requests of which more sentences follow, by number: the caller, and the places that are kept for them."""
        self._sent: dict[int, _OpenSentence] = {}
        """Sentences that are in an engine, by number."""
        self._loads: dict[PooledEngine, int] = {}
        """Weight of what is open in each engine that serves."""
        self._holding: asyncio.TimerHandle | None = None
        """Ends the time for which sentences wait while no engine serves."""
        self._is_holding = True
        """Whether sentences may wait for an engine, if none serves."""
        self._is_closing = False

    @property
    def num_serving(self) -> int:
        """Engines that serve."""
        return len(self._loads)

    def submit(self, sentences: Sequence[Sentence], num_following: int = 0) -> list[int]:
        """Accept all of the sentences, or none. Returns their ids, for `cancel`. `num_following`: see SentenceDecoder.
        Sentences that follow have their places, whoever has come meanwhile.

        Raises QueueFull where more are open than can run and wait, so that nobody waits for an engine's next step to be
        refused; EngineLost where no engine serves and none is expected soon; NotServing once the pool is closing.
        """
        if self._is_closing:
            raise NotServing
        if not self._loads and not self._is_holding:
            raise EngineLost
        caller, request = sentences[0].caller, sentences[0].request
        if request in self._kept:
            self.release(request)
        else:
            self._check_queue(len(sentences) + num_following, caller, sentences[0].is_bulk)
        if num_following:
            self._kept[request] = caller, num_following
            self._num_open[caller] += num_following
        now = time.monotonic()
        opened = [_OpenSentence(next(self._counter), sentence, now) for sentence in sentences]
        self._open.update((one.id, one) for one in opened)
        self._num_open[caller] += len(opened)
        self._dispatch(opened)
        return [one.id for one in opened]

    def _check_queue(self, num_submitted: int, caller: str, is_bulk: bool) -> None:
        """Raise QueueFull where more sentences of a caller would have to wait than may. Which sentences run is known to
        the engines alone; each of them has a row at least. The caller's own sentences are taken to run as far as there
        are rows, so that nothing is refused that an engine would take."""
        num_rows = self._max_rows * len(self._loads)
        num_own = self._num_open[caller]
        num_others = len(self._open) + sum(number for _, number in self._kept.values()) - num_own
        own_waiting = max(num_own - num_rows, 0)
        others_waiting = max(num_others - max(num_rows - num_own, 0), 0)
        check_places(num_submitted, own_waiting, others_waiting, self._max_waiting, is_bulk)
        if self._loads and all(engine.is_behind for engine in self._loads):
            raise QueueFull(own_waiting, num_submitted, 0, others_waiting)

    def cancel(self, ids: Sequence[int]) -> None:
        """Drop sentences that nobody waits for any more. Sentences that have ended are passed over."""
        opened = [self._open[id_] for id_ in dict.fromkeys(ids) if id_ in self._open]
        for engine, numbers in self._numbers_by_engine(opened).items():
            engine.cancel(numbers)
        for one in opened:
            self._forget(one)

    def release(self, request: int) -> None:
        caller, number = self._kept.pop(request, ("", 0))
        self._count_out(caller, number)

    def close(self) -> None:
        """Accept no more sentences, and let none wait for an engine any longer."""
        self._is_closing = True
        if self._holding:
            self._stop_holding()
            self._give_up_holding()

    # From the keepers of the engines.

    def join(self, engine: PooledEngine) -> None:
        """Let an engine serve from now on; it gets the sentences that wait for one."""
        self._loads[engine] = 0
        self._is_holding = True
        self._stop_holding()
        self._dispatch_again(one for one in self._open.values() if one.engine is None)
        self._on_change()

    def leave(self, engine: PooledEngine) -> None:
        """Take out an engine that is lost: it has ended, or hangs.

        Its sentences are decoded again by another engine, except for sentences of which a part was told already, and
        for sentences that may be why engines are lost.
        """
        if self._loads.pop(engine, None) is None:
            return
        lost = [one for one in self._sent.values() if one.engine is engine]
        engine.cancel([one.number for one in lost])  # it may go on one day
        for one in lost:
            del self._sent[one.number]
            one.engine = None
            one.num_losses += 1
            if one.num_losses >= _MAX_LOSSES:
                self._fail(one, EngineFailed())
            elif one.has_written:
                self._fail(one, EngineLost())
        if not self._loads:
            hold_seconds = 0 if self._is_closing else self._hold_seconds
            self._holding = asyncio.get_running_loop().call_later(hold_seconds, self._give_up_holding)
        self._dispatch_again(one for one in lost if one.id in self._open)
        self._on_change()

    def tell(self, events: Iterable[tuple[int, Event]]) -> None:
        """Pass on what engines say of sentences, each by its number."""
        for number, event in events:
            one = self._sent.get(number)
            if one is None:
                continue  # cancelled, or in another engine by now
            if isinstance(event, Failed) and isinstance(event.error, EngineLost):
                continue  # the engine's end follows
            if isinstance(event, Written):
                one.has_written = True
            else:
                self._forget(one)
            one.sentence.listener(event)

    # The pool's own.

    def _dispatch(self, opened: Sequence[_OpenSentence]) -> None:
        """Send each sentence to the engine that is least busy by then; while none serves, sentences wait for one."""
        if not self._loads:
            return
        able = [engine for engine in self._loads if not engine.is_behind] or list(self._loads)
        sentences: dict[PooledEngine, list[Sentence]] = defaultdict(list)
        for one in opened:
            engine = min(able, key=self._loads.__getitem__)
            one.engine, one.number = engine, next(self._counter)
            self._sent[one.number] = one
            self._loads[engine] += one.weight
            sentences[engine].append(dataclasses.replace(one.sentence, listener=one.number, submitted=one.submitted))
        for engine, those in sentences.items():
            engine.submit(those)

    def _dispatch_again(self, opened: Iterable[_OpenSentence]) -> None:
        """Send sentences one by one: an engine whose queue they fill refuses only those for which there is no room."""
        for one in opened:
            self._dispatch([one])

    def _numbers_by_engine(self, opened: Iterable[_OpenSentence]) -> dict[PooledEngine, list[int]]:
        """The numbers of the sentences that are in an engine, by engine."""
        numbers: dict[PooledEngine, list[int]] = defaultdict(list)
        for one in opened:
            if one.engine:
                numbers[one.engine].append(one.number)
        return numbers

    def _forget(self, one: _OpenSentence) -> None:
        """Take out a sentence that has ended, or is to end."""
        del self._open[one.id]
        self._count_out(one.sentence.caller, 1)
        if one.engine:
            del self._sent[one.number]
            self._loads[one.engine] -= one.weight

    def _count_out(self, caller: str, number: int) -> None:
        """Count sentences of a caller that have ended, or do not come."""
        self._num_open[caller] -= number
        if not self._num_open[caller]:
            del self._num_open[caller]

    def _fail(self, one: _OpenSentence, error: TranslationError) -> None:
        """End a sentence with an error."""
        self._forget(one)
        one.sentence.listener(Failed(error))

    def _give_up_holding(self) -> None:
        """Fail the sentences that wait for an engine: none has come back in time, or will."""
        self._is_holding = False
        for one in list(self._open.values()):
            self._fail(one, EngineLost())

    def _stop_holding(self) -> None:
        if self._holding:
            self._holding.cancel()
            self._holding = None

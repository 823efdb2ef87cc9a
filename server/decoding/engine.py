"""The continuous batch: sentences join and leave the running rows at every step, whatever the architecture.

An engine is used by one thread alone. Between two steps its loop fetches, by itself, what others ask for. Listeners are
told what has become of their sentences through `post`, once a step for all of them.
The engine knows ids and deadlines, and nothing of text, protobuf or gRPC.
"""

import dataclasses
import itertools
import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from prometheus_client import Metric

from server.bundle.manifest import Manifest
from server.decoding.batch import RunningBatch
from server.decoding.encoded_ahead import EncodedAhead
from server.decoding.encoder_runs import EncoderRun, encoder_runs
from server.decoding.fair_queue import FairQueue
from server.decoding.graphs.backend import Backend
from server.decoding.look import Departures, next_of, state_of
from server.decoding.metrics import EngineMetrics, FailureReason
from server.decoding.open_sentence import OpenSentence
from server.decoding.scheduler import Limits, Ticket, plan
from server.decoding.search.holder import NonFiniteScores
from server.errors import DeadlineExceeded, EngineLost, NotServing, SentenceFailed
from server.messages.batch_state import BatchState
from server.messages.sentence import Event, Failed, Sentence
from server.text.pieces import Pieces

_logger = logging.getLogger(__name__)

_MAX_FAILED_STEPS = 3
"""Failed steps in a row with which the loop breaks: what fails whichever sentences run is mended by a new process at
best."""

Post = Callable[[list[tuple[Any, Event]]], None]
"""Brings events to their listeners, wherever these live; called between two steps."""


class Fetch(Protocol):
    """Brings to an engine what others ask of it."""

    def __call__(self, wait: bool) -> None:
        """Submit and cancel what has been asked for; `wait` until there is something."""


class Engine:
    """Decodes sentences of one model in one running batch, from `submit` to the event that ends each."""

    def __init__(
        self,
        manifest: Manifest,
        backend: Backend,
        pieces: Pieces,
        limits: Limits,
        post: Post,
        metrics: EngineMetrics,
        clock: Callable[[], float] = time.monotonic,
        fetch: Fetch | None = None,
    ) -> None:
        """`fetch` is called at the start of every turn; without it the loop ends where there is nothing to do."""
        self._limits = limits
        self._post = post
        self._metrics = metrics
        self._clock = clock
        self._fetch = fetch
        self._ids = itertools.count()
        self._is_closing = False
        self._waiting: dict[int, OpenSentence] = {}
        self._queue = FairQueue()
        """The tickets of sentences that wait, and the order of their turns."""
        self._ahead = EncodedAhead()
        self._running: dict[int, OpenSentence] = {}
        self._next_deadline = math.inf
        """The first deadline of the running sentences, where none wait; too early once that sentence has left."""
        self._new_batch = partial(RunningBatch, manifest, backend, pieces)
        self._batch = self._new_batch()
        self._num_failed_steps = 0
        """Steps that have failed since the last one that went well."""
        self._events: list[tuple[Any, Event]] = []
        self._num_reserved = 0
        """Rows that running sentences may come to hold."""
        self._departures = Departures()

    # From `fetch` and `post`, or between two turns: never in the middle of a step, so that rows may leave at once.

    def submit(self, sentences: Sequence[Sentence]) -> list[int]:
        """Queue sentences, however many wait already: the serving process has given them their places. Returns their
        ids, for `cancel`.

        Every sentence ends in exactly one Finished or Failed, unless it is cancelled. What goes wrong with it alone
        fails it alone, with SentenceFailed.
        Raises NotServing once the engine is closing.
        """
        if self._is_closing:
            raise NotServing
        now = self._clock()
        opened = [OpenSentence(one, self._ticket(one), one.submitted or now) for one in sentences]
        for sentence in opened:
            self._queue.add(sentence.ticket)
            self._waiting[sentence.ticket.id] = sentence
        self._metrics.waiting.add(sum(now - sentence.submitted for sentence in opened))  # on their way here
        self._metrics.waiting.set(len(self._waiting), now)
        return [sentence.ticket.id for sentence in opened]

    def cancel(self, ids: Sequence[int]) -> None:
        """Drop sentences that nobody waits for any more: their rows are free. Sentences that have ended are passed
        over."""
        for id_ in ids:
            self._drop(id_)

    def begin_closing(self) -> None:
        """Refuse new sentences; once those that are in are finished, the loop ends."""
        self._is_closing = True

    def collect(self) -> list[Metric]:
        """The engine's series, as they are now."""
        now = self._clock()
        self._metrics.rows.set(self._batch.num_rows, now)
        self._metrics.waiting.set(len(self._waiting), now)
        self._metrics.reserved_rows = self._num_reserved
        return self._metrics.collect()

    def look(self) -> BatchState:
        """The batch as it is now, and the sentences that have left it since the last look."""
        in_turn = (self._waiting[ticket.id] for ticket in self._queue.in_turn(self._limits.max_rows))
        return BatchState(
            self._clock(),
            self._limits.max_rows,
            [state_of(running, self._batch.num_written(running)) for running in self._running.values()],
            self._departures.take(),
            next_of(in_turn),
            len(self._waiting),
            self._metrics.joined,
            self._metrics.left,
            self._metrics.output_tokens,
        )

    def _ticket(self, sentence: Sentence) -> Ticket:
        num_rows = sentence.options.num_rows
        length = len(sentence.source_ids)
        caller, request, is_bulk = sentence.caller, sentence.request, sentence.is_bulk
        return Ticket(next(self._ids), length, sentence.deadline, num_rows, caller, request, is_bulk)

    # The loop.

    def run(self) -> bool:
        """Turn until nothing is left to do. Returns False where the loop has broken: every open sentence has failed
        then, with EngineLost."""
        try:
            while self.turn():
                pass
        except Exception:
            _logger.exception("the decode loop broke")
            self._fail_everything()
            return False
        return True

    def turn(self) -> bool:
        """Take one turn of the loop: fetch what others ask for, let sentences join, take a step. Waits where there is
        nothing to do and more may be fetched.

        Returns False if there was nothing to do, and nothing more can come.
        """
        if self._fetch:
            self._fetch(wait=not (self._running or self._waiting or self._is_closing))
        had_work = bool(self._running or self._waiting)
        self._admit_and_expire()
        if self._running:
            self._step()
        self._metrics.keep_up()
        self._publish()
        return had_work or (self._fetch is not None and not self._is_closing)

    def _admit_and_expire(self) -> None:
        """Take out sentences whose deadline has passed, and let those join whose turn it is."""
        if not self._waiting and self._clock() < self._next_deadline:
            return  # nobody joins, and nobody is late
        decision = plan(
            self._clock(),
            self._queue.in_turn(self._limits.max_rows),
            (running.ticket for running in self._running.values()),
            self._limits,
        )
        for id_ in decision.expired:
            where = "while decoding" if id_ in self._running else "in the queue"
            expired = self._drop(id_)
            if expired:
                self._events.append((expired.sentence.listener, Failed(DeadlineExceeded(where))))
        joining = [self._waiting[id_] for id_ in decision.joining]
        now = self._clock()
        for joiner in joining:
            joiner.chosen = now
            self._metrics.queue_seconds.observe(now - joiner.submitted)
        self._metrics.waiting.set(len(self._waiting) - len(joining), now)
        self._join(joining)
        deadlines = (running.ticket.deadline for running in self._running.values())
        # The waiting may be cancelled, after which the running ones have to be looked at.
        self._next_deadline = -math.inf if self._waiting else min(deadlines, default=math.inf)

    def _join(self, joining: list[OpenSentence]) -> None:
        """Encode sentences, and give them rows."""
        in_turn: Iterable[OpenSentence] = ()
        if self._ahead.num_bytes < self._limits.max_ahead_bytes:
            in_turn = (self._waiting[ticket.id] for ticket in self._queue.in_turn(self._limits.max_rows))
        runs = encoder_runs(joining, in_turn, self._limits.max_joining_tokens)
        for joiner in joining:
            if joiner.encoded:
                self._give_rows(joiner)
        for run in runs:
            error = self._encode([*run.joining, *run.companions])
            if error:
                self._encode_apart(run, error)
            else:
                self._ahead.add(run.companions)
                for joiner in run.joining:
                    self._give_rows(joiner)

    def _encode_apart(self, run: EncoderRun, problem: Exception) -> None:
        """Encode the sentences of a run that raised one after the other, so that only those fail with which the encoder
        raises again. The others are translated as they would have been: a source's values do not depend on its
        padding."""
        num_failed = 0
        for one in (*run.joining, *run.companions):
            error = self._encode([one])
            if error:
                del self._waiting[one.ticket.id]
                self._queue.remove(one.ticket)
                self._fail(one, "encode", error)
                num_failed += 1
            elif one in run.joining:
                self._give_rows(one)
            else:
                self._ahead.add([one])
        if not num_failed:
            _logger.warning("an encoder run raised, and none of its sentences by itself", exc_info=problem)

    def _encode(self, group: list[OpenSentence]) -> Exception | None:
        """Encode sentences together. Returns the error that this raises."""
        started = self._clock()
        try:
            self._batch.encode(group)
        except Exception as error:
            return error
        now = self._clock()
        for one in group:
            one.encode_start, one.encode_end = started, now
        self._metrics.encode_seconds.observe(now - started)
        lengths = [opened.ticket.num_source_tokens for opened in group]
        self._metrics.source_tokens += sum(lengths)
        self._metrics.padding_tokens += len(lengths) * max(lengths) - sum(lengths)
        return None

    def _give_rows(self, joiner: OpenSentence) -> None:
        """Give an encoded sentence its rows. If it cannot have them, it fails."""
        waiting = self._waiting.pop(joiner.ticket.id)
        self._ahead.discard(joiner)
        self._queue.give_rows(joiner.ticket)
        try:
            self._batch.join(joiner)
        except Exception as error:
            self._queue.free_rows(joiner.ticket)
            self._fail(waiting, "join", error)
            return
        self._running[joiner.ticket.id] = waiting
        joiner.joined = self._clock()
        self._num_reserved += joiner.ticket.num_rows
        self._metrics.joined += 1

    def _step(self) -> None:
        """Take a step of the batch, and note what it comes to."""
        started, num_rows = self._clock(), self._batch.num_rows
        self._metrics.rows.set(num_rows, started)
        try:
            result = self._batch.step()
        except Exception as error:
            self._fail_running(error)
            return
        self._num_failed_steps = 0
        now = self._clock()
        for failed, problem in result.failed:
            self._end(failed)
            self._fail(failed, "scores" if isinstance(problem, NonFiniteScores) else "search", problem)
        for begun in result.begun.difference(failed for failed, _ in result.failed):
            self._metrics.first_token_seconds.observe(now - begun.submitted)
        for ended, finished in result.finished:
            self._end(ended)
            self._metrics.output_tokens += finished.hypotheses[0].num_scored
        self._events += [(writing.sentence.listener, written) for writing, written in result.written]
        for ended, finished in result.finished:
            self._events.append((ended.sentence.listener, dataclasses.replace(finished, times=ended.times(now))))
        self._metrics.step_seconds.observe(now - started)
        self._metrics.batch_rows.observe(num_rows)
        self._metrics.rows.set(self._batch.num_rows, now)

    def _publish(self) -> None:
        """Post all events of this turn."""
        if self._events:
            events, self._events = self._events, []
            self._post(events)

    def _drop(self, id_: int) -> OpenSentence | None:
        """Take out a sentence that nobody waits for any more, whether it waits or runs, and return it; None if it has
        ended already."""
        waiting = self._waiting.pop(id_, None)
        if waiting:
            self._queue.remove(waiting.ticket)
            self._ahead.discard(waiting)
            self._metrics.drop("queue", waiting.sentence.options.max_output_tokens)
            self._metrics.waiting.set(len(self._waiting), self._clock())
            return waiting
        running = self._running.get(id_)
        if running:
            num_left = running.sentence.options.max_output_tokens - self._batch.num_written(running)
            self._metrics.drop("batch", max(num_left, 0))
            self._batch.leave(running)
            self._end(running)
            self._metrics.rows.set(self._batch.num_rows, self._clock())
        return running

    def _end(self, ended: OpenSentence) -> None:
        """Note that a sentence has left the batch."""
        del self._running[ended.ticket.id]
        self._metrics.left += 1
        if self._departures.are_noted:
            self._departures.note(ended, self._batch.num_written(ended), self._clock())
        self._queue.free_rows(ended.ticket)
        self._num_reserved -= ended.ticket.num_rows

    def _fail(self, failed: OpenSentence, reason: FailureReason, error: Exception) -> None:
        """Tell that a sentence has failed, which neither waits nor runs any more."""
        _logger.error("sentence %d failed (%s)", failed.ticket.id, reason, exc_info=error)
        self._metrics.failed[reason] += 1
        self._events.append((failed.sentence.listener, Failed(SentenceFailed())))

    def _fail_running(self, error: Exception) -> None:
        """Fail all sentences that run after a step that raised, as nobody knows how much of it was done; sentences that
        wait go on. Raises the error where the loop has to break."""
        self._num_failed_steps += 1
        if self._num_failed_steps >= _MAX_FAILED_STEPS:
            raise error
        running = list(self._running.values())
        _logger.error("a step failed, and the %d sentences that ran with it", len(running), exc_info=error)
        for failed in running:
            self._end(failed)
            self._events.append((failed.sentence.listener, Failed(SentenceFailed())))
        self._metrics.failed["step"] += len(running)
        self._batch = self._new_batch()
        self._metrics.rows.set(0, self._clock())

    def _fail_everything(self) -> None:
        """Fail every open sentence with EngineLost, after the loop has broken."""
        self._is_closing = True
        opened = [*self._waiting.values(), *self._running.values()]
        self._waiting.clear()
        self._running.clear()
        self._queue, self._ahead = FairQueue(), EncodedAhead()
        self._num_reserved = 0
        self._events += [(sentence.sentence.listener, Failed(EngineLost())) for sentence in opened]
        self._publish()

"""The continuous batch: sentences join and leave the running rows at every step, whatever the architecture.

One thread a model runs the loop and owns the queue, the rows and the buffers. Other threads only send it messages:
`submit` and `cancel`. What happens to a sentence is told to its listener, through `post`, once a step for all of them.
The engine knows ids and deadlines, and nothing of text, protobuf or gRPC.
"""

import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from server.backend import Backend
from server.bundle import Manifest
from server.decoding import DecodingRows
from server.errors import DeadlineExceeded, EngineFailed, NotServing, QueueFull, TranslationError
from server.metrics import EngineMetrics
from server.scheduler import Limits, Ticket, plan

_logger = logging.getLogger(__name__)


class Written(NamedTuple):
    """A streaming sentence has gained a token, which is not EOS."""

    id: int


class Finished(NamedTuple):
    output_ids: list[int]
    """Without EOS."""
    log_prob: float
    """Sum over the output tokens, EOS included where the model wrote it."""
    reached_limit: bool


class Failed(NamedTuple):
    error: TranslationError


Event = Written | Finished | Failed
Listener = Callable[[Event], None]
"""Must not raise: the events behind its own are of other sentences."""
Post = Callable[[list[tuple[Listener, Event]]], None]
"""Brings events to their listeners, on whatever thread those live; called from the engine's thread."""


@dataclass(frozen=True)
class Sentence:
    """What a client submits."""

    source_ids: list[int]
    """Ends with EOS."""
    max_output_tokens: int
    listener: Listener
    deadline: float = math.inf
    """On the engine's clock."""
    streams: bool = False
    """Whether the listener wants `Written` events."""


@dataclass(eq=False)
class _Sequence:
    """A sentence inside the engine."""

    sentence: Sentence
    ticket: Ticket
    submitted: float
    row: int = -1
    """Of the running batch; -1 while it waits."""


@dataclass
class _Inbox:
    """Messages to the loop, and the only state that other threads touch; guarded by `changed`."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    submitted: list[_Sequence] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    num_waiting: int = 0
    """Sentences that have no row yet, in the inbox and in the loop."""
    closing: bool = False


class Engine:
    def __init__(
        self,
        manifest: Manifest,
        backend: Backend,
        limits: Limits,
        max_waiting: int,
        post: Post,
        metrics: EngineMetrics,
        on_failure: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_failure` is called from the loop when it has broken, after every open sentence was told."""
        self._bos = manifest.special_ids.bos
        self._backend = backend
        self._limits = limits
        self._max_waiting = max_waiting
        self._post = post
        self._metrics = metrics
        self._on_failure = on_failure
        self._clock = clock
        self._ids = itertools.count()
        self._inbox = _Inbox()
        self._waiting: dict[int, _Sequence] = {}  # in order of arrival
        self._running: dict[int, _Sequence] = {}
        self._rows: list[_Sequence] = []  # by row
        self._decoding = DecodingRows(manifest.special_ids, limits.max_rows, manifest.max_output_tokens)
        self._events: list[tuple[Listener, Event]] = []
        self._thread = threading.Thread(target=self._run, name=f"engine {manifest.name}", daemon=True)

    # From any thread.

    def start(self) -> None:
        self._thread.start()

    def submit(self, sentences: Sequence[Sentence]) -> list[int]:
        """Queue all of the sentences, or none. Returns their ids, for `cancel`.

        Every sentence ends in exactly one Finished or Failed, unless it is cancelled.
        Raises QueueFull, or NotServing once the engine is closing.
        """
        now = self._clock()
        sequences = [
            _Sequence(sentence, Ticket(next(self._ids), len(sentence.source_ids), sentence.deadline), now)
            for sentence in sentences
        ]
        inbox = self._inbox
        with inbox.changed:
            if inbox.closing:
                raise NotServing
            if inbox.num_waiting + len(sequences) > self._max_waiting:
                raise QueueFull(inbox.num_waiting, len(sequences), self._max_waiting)
            inbox.num_waiting += len(sequences)
            inbox.submitted += sequences
            inbox.changed.notify()
        return [sequence.ticket.id for sequence in sequences]

    def cancel(self, ids: Sequence[int]) -> None:
        """Nobody waits for these any more: their rows are free at the next step. Ended ones are passed over."""
        with self._inbox.changed:
            self._inbox.cancelled += ids
            self._inbox.changed.notify()

    def close(self) -> None:
        """Refuse new sentences, finish those that are in, and end the thread."""
        with self._inbox.changed:
            self._inbox.closing = True
            self._inbox.changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    # The loop's own.

    def _run(self) -> None:
        try:
            while self._receive():
                self._admit_and_expire()
                if self._rows:
                    self._step()
                self._publish()
        except Exception:
            _logger.exception("the decode loop broke")
            self._fail_everything()
            self._on_failure()

    def _receive(self) -> bool:
        """Take the messages, waiting for one where there is nothing to do. False: closed, and all is done."""
        inbox = self._inbox
        with inbox.changed:
            idle = not self._waiting and not self._rows
            while idle and not inbox.submitted and not inbox.closing:
                inbox.cancelled.clear()
                inbox.changed.wait()
            submitted, inbox.submitted = inbox.submitted, []
            cancelled, inbox.cancelled = inbox.cancelled, []
        self._waiting.update((sequence.ticket.id, sequence) for sequence in submitted)
        for id_ in cancelled:
            self._remove(id_)
        return bool(self._waiting or self._rows or not inbox.closing)

    def _admit_and_expire(self) -> None:
        decision = plan(
            self._clock(),
            (sequence.ticket for sequence in self._waiting.values()),
            (sequence.ticket for sequence in self._running.values()),
            self._limits,
        )
        for id_ in decision.expired:
            where = "while decoding" if id_ in self._running else "in the queue"
            sequence = self._remove(id_)
            if sequence:
                self._events.append((sequence.sentence.listener, Failed(DeadlineExceeded(where))))
        self._join([self._waiting[id_] for id_ in decision.joining])

    def _join(self, sequences: list[_Sequence]) -> None:
        """Encode the joiners, those of one length together, and give each a row."""
        by_length: dict[int, list[_Sequence]] = {}
        for sequence in sequences:
            by_length.setdefault(sequence.ticket.num_source_tokens, []).append(sequence)
        backend = self._backend
        for num_source, group in by_length.items():
            started = self._clock()
            encoded = backend.encode([sequence.sentence.source_ids for sequence in group])
            for index, sequence in enumerate(group):
                row = sequence.row = len(self._rows)
                backend.state.write(row, encoded, index, num_source)
                backend.previous_ids[row] = self._bos
                backend.positions[row] = 0
                self._decoding.start(row, sequence.sentence.max_output_tokens)
                self._rows.append(sequence)
                self._running[sequence.ticket.id] = self._waiting.pop(sequence.ticket.id)
                self._metrics.queue_seconds.observe(started - sequence.submitted)
            self._metrics.encode_seconds.observe(self._clock() - started)
            self._metrics.source_tokens.inc(num_source * len(group))
        if sequences:
            self._count_waiting(-len(sequences))
            self._metrics.joined.inc(len(sequences))

    def _step(self) -> None:
        """One token for every row; rows that end leave."""
        started = self._clock()
        backend, num_rows = self._backend, len(self._rows)
        backend.step(num_rows)
        first = [self._rows[row] for row in np.flatnonzero(backend.positions[:num_rows] == 0)]
        ended = self._decoding.advance(backend.log_probs, backend.previous_ids, backend.positions, num_rows)
        now = self._clock()
        for sequence in first:
            self._metrics.first_token_seconds.observe(now - sequence.submitted)
        for row, reached_limit in ended:
            sequence = self._rows[row]
            num_written = int(backend.positions[row]) - (not reached_limit)  # without EOS
            output_ids = self._decoding.output_ids[row, :num_written].tolist()
            event = Finished(output_ids, float(self._decoding.log_prob[row]), reached_limit)
            self._leave(sequence)
            self._events.append((sequence.sentence.listener, event))
        ids = backend.previous_ids[: len(self._rows)].tolist()
        for sequence, id_ in zip(self._rows, ids, strict=True):
            if sequence.sentence.streams:
                self._events.append((sequence.sentence.listener, Written(id_)))
        self._metrics.output_tokens.inc(num_rows)
        self._metrics.step_seconds.observe(now - started)
        self._metrics.batch_rows.observe(num_rows)

    def _publish(self) -> None:
        self._metrics.active_rows.set(len(self._rows))
        self._metrics.waiting.set(len(self._waiting))
        if self._events:
            events, self._events = self._events, []
            self._post(events)

    def _remove(self, id_: int) -> _Sequence | None:
        """Take a sentence out, wherever it is; None if it has ended already."""
        if id_ in self._waiting:
            self._count_waiting(-1)
            return self._waiting.pop(id_)
        sequence = self._running.get(id_)
        if sequence:
            self._leave(sequence)
        return sequence

    def _leave(self, sequence: _Sequence) -> None:
        """Free the row: the last row moves into its place, so that the rows stay compact."""
        del self._running[sequence.ticket.id]
        last = self._rows.pop()
        backend, row = self._backend, sequence.row
        if last is not sequence:
            num_written = int(backend.positions[last.row])
            backend.state.move(last.row, row, last.ticket.num_source_tokens, num_written)
            backend.previous_ids[row] = backend.previous_ids[last.row]
            backend.positions[row] = backend.positions[last.row]
            self._decoding.move(last.row, row, num_written)
            self._rows[row] = last
            last.row = row
        self._metrics.left.inc()

    def _count_waiting(self, change: int) -> None:
        with self._inbox.changed:
            self._inbox.num_waiting += change

    def _fail_everything(self) -> None:
        with self._inbox.changed:
            self._inbox.closing = True
            sequences = [*self._inbox.submitted, *self._waiting.values(), *self._running.values()]
        self._events += [(sequence.sentence.listener, Failed(EngineFailed())) for sequence in sequences]
        self._post(self._events)

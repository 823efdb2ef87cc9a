"""What stands in for the engine's surroundings: a backend without ONNX Runtime, a gate that holds its steps, a clock,
and a listener that remembers."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from server.bundle.languages import TEXT, bilingual
from server.bundle.manifest import FORMAT_VERSION, TOKENIZER, Bundle, Manifest, SpecialIds, StateSpec, TokenizerSpec
from server.decoding.engine import Engine
from server.decoding.graphs.backend import Backend, BackendOptions
from server.decoding.graphs.state import Array, StateBuffers
from server.decoding.scores import StepScores
from server.messages.hypothesis import Ending, Float32, Hypothesis
from server.messages.options import DecodingOptions
from server.messages.sentence import Event, Failed, Finished, Listener, Sentence, Written
from server.text.pieces import Pieces
from server.text.steps import Steps

PATIENCE = 30.0
"""Seconds after which a test gives up on something that has to happen; none waits for the time to pass."""

EOS = 3
VOCABULARY_SIZE = 101
MAX_SOURCE_TOKENS = 12
MAX_OUTPUT_TOKENS = 30
MAX_START_IDS = 2
ENDLESS = 99
"""First id of a source whose translation has no end, but for the limit."""

_LOG_PROB = -0.5
_FIRST_WORD = 4


NO_PIECES = Pieces(())
"""Of an engine whose sentences have no forbidden phrases and no required terms."""


_Result = TypeVar("_Result")


def all_at_once(steps: Steps[_Result]) -> _Result:
    """What the steps return, without a turn for anybody else."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _Result = end.value
            return result


class Gate:
    """Holds the decode loop before every step, until the test lets it through."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_allowed = 0.0
        self._is_held = False
        self.num_passed = 0

    def allow(self, num_steps: int) -> None:
        """Let so many more steps through, and return when they are done and the loop stands before the next."""
        self.allow_soon(num_steps)
        self.wait_until_held()

    def allow_soon(self, num_steps: int) -> None:
        """Let so many more steps through, whenever the loop comes to them."""
        with self._changed:
            self._num_allowed += num_steps
            self._changed.notify_all()

    def open(self) -> None:
        with self._changed:
            self._num_allowed = math.inf
            self._changed.notify_all()

    def wait_until_held(self) -> None:
        give_up = time.monotonic() + PATIENCE
        with self._changed:
            while not (self._is_held and self.num_passed >= self._num_allowed):
                assert time.monotonic() < give_up, "the decode loop has not come to its next step"
                self._changed.wait(0.01)

    def pass_through(self) -> None:
        with self._changed:
            while self.num_passed >= self._num_allowed:
                self._is_held = True
                self._changed.notify_all()
                self._changed.wait()
            self._is_held = False
            self.num_passed += 1


class GatedBackend(Backend):
    """ONNX Runtime behind a gate."""

    def __init__(self, bundle: Bundle, options: BackendOptions, gate: Gate) -> None:
        super().__init__(bundle, options)
        self._gate = gate

    def warm_up(self, source: list[int]) -> None:
        """Nothing: it would stand before the gate."""

    def step(self, num_rows: int) -> StepScores:
        self._gate.pass_through()
        return super().step(num_rows)


class FakeBackend(Backend):
    """A model of integers: each token depends on the whole source and on every token before, through all three kinds
    of state. A row that is lost, mixed up or only half moved shows in what it writes. See `translate`.

    The first source id says how many tokens there are before EOS, those that the decoder reads behind its start
    included.
    """

    def __init__(self, max_rows: int, gate: Gate | None = None) -> None:
        self.state = StateBuffers(MANIFEST.state, max_rows, MAX_SOURCE_TOKENS, MAX_START_IDS + MAX_OUTPUT_TOKENS)
        self.previous_ids = np.zeros(max_rows, np.int64)
        self.positions = np.zeros(max_rows, np.int64)
        self.log_probs = np.zeros((max_rows, VOCABULARY_SIZE), np.float32)
        self.batch_sizes: list[int] = []
        """Rows of every step."""
        self.encoded: list[list[int]] = []
        """Lengths of the sources of every encoder run."""
        self.encode_error: Exception | None = None
        self.step_error: Exception | None = None
        """Raised by the next one."""
        self.unreadable: set[int] = set()
        """Tokens of a source with which an encoder run raises."""
        self.poisons: dict[int, Callable[[int, Float32], None]] = {}
        """By the last token of a source: what happens at a position to log-probabilities [vocabulary] of its rows."""
        self._gate = gate

    def encode(self, sources: Sequence[Sequence[int]]) -> dict[str, Array]:
        if self.encode_error:
            raise self.encode_error
        if any(not self.unreadable.isdisjoint(source) for source in sources):
            raise RuntimeError("a source is unreadable")
        self.encoded.append([len(source) for source in sources])
        longest = max(map(len, sources))
        return {
            "source": np.array([[*source, *[0] * (longest - len(source))] for source in sources], np.int64),
            "source_length": np.array([len(source) for source in sources]),
            "checksum": np.array([sum(source) for source in sources]),
        }

    def step(self, num_rows: int) -> StepScores:
        if self._gate:
            self._gate.pass_through()
        if self.step_error:
            raise self.step_error
        self.batch_sizes.append(num_rows)
        for row in range(num_rows):
            self._step_row(row)
        self.state.flip()
        return StepScores(self.log_probs[:num_rows])

    def _step_row(self, row: int) -> None:
        state, position = self.state.current, int(self.positions[row])
        source = state["source"][row, : int(state["source_length"][row])].tolist()
        state["history"][row, position] = self.previous_ids[row]
        history = state["history"][row, : position + 1].tolist()
        checksum = _next_checksum(int(state["checksum"][row]), int(self.previous_ids[row]))
        self.state.following["checksum"][row] = checksum
        self.log_probs[row] = -10.0
        self.log_probs[row, _next_id(source, history, checksum)] = _LOG_PROB
        if source[-2:-1] and source[-2] in self.poisons:
            self.poisons[source[-2]](position, self.log_probs[row])


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Outcomes:
    """Listens for any number of sentences, each by a key of the test's choosing."""

    def __init__(self) -> None:
        self._events: dict[object, list[Event]] = {}

    def listener(self, key: object) -> Listener:
        events = self._events[key] = []
        return events.append

    def events(self, key: object) -> list[Event]:
        return self._events[key]

    def ends(self, key: object) -> list[Finished | Failed]:
        return [event for event in self.events(key) if not isinstance(event, Written)]

    def finished(self, key: object) -> Finished:
        [event] = self.ends(key)
        assert isinstance(event, Finished), event
        return event

    def best(self, key: object) -> Hypothesis:
        return self.finished(key).hypotheses[0]

    def failed(self, key: object) -> Failed:
        [event] = self.ends(key)
        assert isinstance(event, Failed), event
        return event


def post(events: list[tuple[Listener, Event]]) -> None:
    """Straight to the listeners."""
    for listener, event in events:
        listener(event)


def greedy(max_output_tokens: int, start_ids: tuple[int, ...] = ()) -> DecodingOptions:
    return DecodingOptions(max_output_tokens=max_output_tokens, start_ids=start_ids)


def translate(source: Sequence[int], max_output_tokens: int, start_ids: Sequence[int] = ()) -> Finished:
    """What a sentence's outcome is, whatever happens beside it."""
    output: list[int] = []
    checksum, previous = sum(source), MANIFEST.special_ids.start
    history: list[int] = []
    for start_id in start_ids:
        history.append(previous)
        checksum, previous = _next_checksum(checksum, previous), start_id
    while len(output) < max_output_tokens:
        history.append(previous)
        checksum = _next_checksum(checksum, previous)
        previous = _next_id(source, history, checksum)
        if previous == EOS:
            return _finished(output, _LOG_PROB * (len(output) + 1), Ending.EOS)
        output.append(previous)
    return _finished(output, _LOG_PROB * len(output), Ending.LIMIT)


def _finished(output: list[int], log_prob: float, ending: Ending) -> Finished:
    return Finished([Hypothesis(output, log_prob, log_prob, ending=ending, score=log_prob)])


def _next_checksum(checksum: int, previous_id: int) -> int:
    return (31 * checksum + previous_id + 7) % 1_000_003


def _next_id(source: Sequence[int], history: Sequence[int], checksum: int) -> int:
    num_written = len(history) - 1
    if num_written == source[0] and source[0] != ENDLESS:
        return EOS
    mixed = checksum + sum((index + 1) * id_ for index, id_ in enumerate([*source, *history]))
    return _FIRST_WORD + mixed % (VOCABULARY_SIZE - _FIRST_WORD)


MANIFEST = Manifest(
    format_version=FORMAT_VERSION,
    name="fake",
    version="1",
    architecture="fake",
    precision="fp32",
    source_vocabulary_size=VOCABULARY_SIZE,
    target_vocabulary_size=VOCABULARY_SIZE,
    source_tokenizer=TokenizerSpec(sentencepiece=TOKENIZER),
    target_tokenizer=TokenizerSpec(sentencepiece=TOKENIZER),
    special_ids=SpecialIds(start=2, eos=EOS, pad=0, unknown=1, never_written=(0, 1, 2)),
    languages=bilingual("en", "fr"),
    source_template=(TEXT, EOS),
    max_source_tokens=MAX_SOURCE_TOKENS,
    max_output_tokens=MAX_OUTPUT_TOKENS,
    state=(
        StateSpec(name="source", kind="constant", shape=("source",), dtype="int64"),
        StateSpec(name="source_length", kind="constant", shape=(), dtype="int64"),
        StateSpec(name="checksum", kind="replace", shape=(), dtype="int64"),
        StateSpec(name="history", kind="append", shape=("target",), dtype="int64"),
    ),
    alignment=None,
    has_shortlist=False,
    quality=(),
    provenance={},
    sha256={},
)


class InProcess(Engine):
    """An engine that requests are submitted to without a pool, with places for all."""

    def submit(self, sentences: Sequence[Sentence], num_following: int = 0) -> list[int]:
        return super().submit(sentences)

    def release(self, request: int) -> None:
        """No place is kept."""

"""The engine under any sequence of arrivals, cancellations, steps and passing time: nothing lost, nothing mixed up."""

from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import DeadlineExceeded
from server.messages.hypothesis import Ending
from server.messages.sentence import Failed, Finished, Sentence, Written
from tests.fakes import ENDLESS, EOS, MAX_OUTPUT_TOKENS, MAX_START_IDS, greedy, translate
from tests.integration.running_engine import Running


class Submitted(NamedTuple):
    source: list[int]
    limit: int
    """Of output tokens."""
    timeout: float
    """After how many seconds it expires."""
    streams: bool
    start_ids: list[int]


@dataclass(frozen=True)
class Submit:
    sentences: list[Submitted]
    caller: str


@dataclass(frozen=True)
class Cancel:
    which: int
    """Of all that were accepted, counted round and round."""


@dataclass(frozen=True)
class Steps:
    number: int


@dataclass(frozen=True)
class Pass:
    seconds: float


sources = st.builds(
    lambda num_written, words: [num_written, *words, EOS],
    st.one_of(st.integers(MAX_START_IDS + 1, 12), st.just(ENDLESS)),
    st.lists(st.integers(4, 90), max_size=4),
)
timeouts = st.sampled_from([2.0, 10.0, 1e9, 1e9])
starts = st.lists(st.integers(4, 90), max_size=MAX_START_IDS)
sentences = st.builds(Submitted, sources, st.integers(1, MAX_OUTPUT_TOKENS), timeouts, st.booleans(), starts)
actions = st.one_of(
    st.builds(Submit, st.lists(sentences, min_size=1, max_size=4), st.sampled_from("abc")),
    st.builds(Cancel, st.integers(0, 50)),
    st.builds(Steps, st.integers(1, 9)),
    st.builds(Pass, st.sampled_from([1.0, 5.0])),
)


@dataclass
class Ledger:
    """What was asked of the engine. A sentence's number is its index, and the key of its outcome."""

    made: Running
    sentences: list[Sentence] = field(default_factory=list)
    ids: dict[int, int] = field(default_factory=dict)
    """The engine's, of the accepted ones, by number."""
    cancelled: dict[int, int] = field(default_factory=dict)
    """How many events there were before, by number."""

    def perform(self, action: Submit | Cancel | Steps | Pass) -> None:
        match action:
            case Submit(sentences, caller):
                self.submit(sentences, caller)
            case Cancel(which) if self.ids:
                number = list(self.ids)[which % len(self.ids)]
                self.cancelled.setdefault(number, len(self.made.outcomes.events(number)))
                self.made.engine.cancel([self.ids[number]])
            case Steps(number):
                self.made.turn(number)
            case Pass(seconds):
                self.made.clock.now += seconds

    def submit(self, sentences: list[Submitted], caller: str) -> None:
        """As one request, whose number is that of its first sentence."""
        first, now = len(self.sentences), self.made.clock()
        submitted = [
            Sentence(
                source,
                greedy(limit, tuple(start_ids)),
                self.made.outcomes.listener(number),
                now + timeout,
                streams,
                caller=caller,
                request=first,
            )
            for number, (source, limit, timeout, streams, start_ids) in enumerate(sentences, first)
        ]
        self.sentences += submitted
        self.ids.update(enumerate(self.made.engine.submit(submitted), first))

    def check(self) -> None:
        """Once all is done."""
        assert len(set(self.ids.values())) == len(self.ids)
        for number in range(len(self.sentences)):
            self.check_ended(number)

    def check_ended(self, number: int) -> None:
        sentence, events = self.sentences[number], self.made.outcomes.events(number)
        options = sentence.options
        whole = translate(sentence.source_ids, options.max_output_tokens, options.start_ids)
        output_ids = whole.hypotheses[0].output_ids
        written = [event for event in events if isinstance(event, Written)]
        told_of = [id_ for event in written for id_ in event.part.output_ids]
        assert told_of == output_ids[: len(told_of)]
        assert sentence.streams or not written
        assert len(events) == self.cancelled.get(number, len(events)), "nothing is told of a cancelled one"
        match events[len(written) :]:
            case []:
                assert number in self.cancelled
            case [Finished() as finished]:
                assert finished == whole
                if sentence.streams:  # a last token that is not EOS comes with the end
                    assert len(told_of) == len(output_ids) - (whole.hypotheses[0].ending is Ending.LIMIT)
            case [Failed(error)]:
                assert isinstance(error, DeadlineExceeded)
                assert sentence.deadline <= self.made.clock()
            case others:
                raise AssertionError(f"told more than one end, or more after it: {others}")


@settings(max_examples=60)
@given(
    max_rows=st.integers(1, 4),
    max_joining_tokens=st.integers(1, 20),
    max_ahead_bytes=st.sampled_from([0, 200, 10_000]),
    script=st.lists(actions, max_size=25),
)
def test_every_sentence_ends_in_its_own_translation_or_its_own_error(
    max_rows: int, max_joining_tokens: int, max_ahead_bytes: int, script: list[Submit | Cancel | Steps | Pass]
) -> None:
    made = Running(max_rows, max_joining_tokens, max_ahead_bytes)
    ledger = Ledger(made)
    for action in script:
        ledger.perform(action)
    made.run()
    goes_on(made)
    assert made.metric("active_rows") == made.metric("waiting") == 0
    ledger.check()
    assert made.metric("rows_joined_total") == made.metric("rows_left_total")
    assert max(made.backend.batch_sizes) <= max_rows


def goes_on(made: Running) -> None:
    """As if nothing had been before."""
    keys = [("last", index) for index in range(6)]
    made.engine.submit([Sentence([5, 4, EOS], greedy(9), made.outcomes.listener(key)) for key in keys])
    made.run()
    for key in keys:
        assert made.outcomes.ends(key) == [translate([5, 4, EOS], 9)]

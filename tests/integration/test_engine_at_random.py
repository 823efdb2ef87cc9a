"""The engine under any sequence of arrivals, cancellations, steps and passing time: nothing lost, nothing mixed up."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import DeadlineExceeded, QueueFull
from server.sentence import Failed, Sentence
from tests.fakes import ENDLESS, EOS, MAX_OUTPUT_TOKENS, greedy, translate
from tests.integration.running_engine import Running

MAX_WAITING = 6


@dataclass(frozen=True)
class Submit:
    sentences: list[tuple[list[int], int, float]]
    """Sources, their output limits, and after how many seconds they expire."""


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
    st.one_of(st.integers(0, 12), st.just(ENDLESS)),
    st.lists(st.integers(4, 90), max_size=4),
)
sentences = st.tuples(sources, st.integers(1, MAX_OUTPUT_TOKENS), st.sampled_from([2.0, 10.0, 1e9, 1e9]))
actions = st.one_of(
    st.builds(Submit, st.lists(sentences, min_size=1, max_size=4)),
    st.builds(Cancel, st.integers(0, 50)),
    st.builds(Steps, st.integers(1, 9)),
    st.builds(Pass, st.sampled_from([1.0, 5.0])),
)


@dataclass
class Ledger:
    """What was asked of the engine."""

    made: Running
    accepted: dict[int, Sentence] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)

    def perform(self, action: Submit | Cancel | Steps | Pass) -> None:
        match action:
            case Submit(sentences):
                self.submit(sentences)
            case Cancel(which) if self.accepted:
                id_ = list(self.accepted)[which % len(self.accepted)]
                self.cancelled.add(id_)
                self.made.engine.cancel([id_])
            case Steps(number):
                self.made.turn(number)
            case Pass(seconds):
                self.made.clock.now += seconds

    def submit(self, sentences: list[tuple[list[int], int, float]]) -> None:
        first = len(self.accepted)
        submitted = [
            Sentence(source, greedy(limit), self.made.outcomes.listener(first + index), self.made.clock() + timeout)
            for index, (source, limit, timeout) in enumerate(sentences)
        ]
        try:
            ids = self.made.engine.submit(submitted)
        except QueueFull:
            for index in range(len(submitted)):
                assert self.made.outcomes.events(first + index) == []
        else:
            assert ids == list(range(first, first + len(ids)))
            self.accepted.update(zip(ids, submitted, strict=True))

    def check(self, id_: int) -> None:
        sentence, ends = self.accepted[id_], self.made.outcomes.ends(id_)
        assert len(ends) == 1 or (id_ in self.cancelled and not ends)
        for end in ends:
            if isinstance(end, Failed):
                assert isinstance(end.error, DeadlineExceeded)
                assert sentence.deadline <= self.made.clock()
            else:
                assert end == translate(sentence.source_ids, sentence.options.max_output_tokens)


@settings(max_examples=60)
@given(max_rows=st.integers(1, 4), max_joining_tokens=st.integers(1, 20), script=st.lists(actions, max_size=25))
def test_every_accepted_sentence_ends_in_its_own_translation_or_its_own_error(
    max_rows: int, max_joining_tokens: int, script: list[Submit | Cancel | Steps | Pass]
) -> None:
    made = Running(max_rows, MAX_WAITING, max_joining_tokens)
    ledger = Ledger(made)
    for action in script:
        ledger.perform(action)
    made.run()
    fill_the_queue(made)
    assert made.metric("active_rows") == made.metric("waiting") == 0
    for id_ in ledger.accepted:
        ledger.check(id_)
    assert made.metric("rows_joined_total") == made.metric("rows_left_total")
    assert max(made.backend.batch_sizes) <= max_rows


def fill_the_queue(made: Running) -> None:
    """All places of the queue are free again."""
    keys = [("last", index) for index in range(MAX_WAITING)]
    made.engine.submit([Sentence([5, 4, EOS], greedy(9), made.outcomes.listener(key)) for key in keys])
    made.run()
    for key in keys:
        assert made.outcomes.ends(key) == [translate([5, 4, EOS], 9)]

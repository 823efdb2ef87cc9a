"""One thing that goes wrong inside the engine stays one thing: a sentence fails, and its neighbours never know."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from server.bundle.manifest import Bundle
from server.decoding.engine import Engine
from server.decoding.graphs.backend import Backend, BackendOptions
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.errors import EngineFailed, SentenceFailed
from server.messages.hypothesis import Ending, Float32
from server.messages.options import DecodingOptions
from server.messages.sentence import Event, Failed, Finished, Sentence, Written
from tests.conftest import SmallModels
from tests.examples import examples
from tests.fakes import ENDLESS, EOS, NO_PIECES, Outcomes, greedy, post, translate
from tests.integration.running_engine import Running, endless
from tests.small_models import VOCABULARY_SIZE

MAX_ROWS = 5

ONE_NAN, ALL_NAN, NEGATIVE_NAN, INFINITE, POSITIVE, NO_TOKEN, SOME_ROWS, ONLY_END, UNREADABLE = range(90, 99)
"""Last tokens of sources that are not well."""


Poison = Callable[[int, Float32], None]


def later(poison: Callable[[Float32], object]) -> Poison:
    """From the third step on."""

    def act(position: int, log_probs: Float32) -> None:
        if position >= 2:
            poison(log_probs)

    return act


def negative_nan(log_probs: Float32) -> None:
    """What processors make of infinity less infinity, beside a probability of 1."""
    log_probs[40] = 0.0
    log_probs.view(np.uint32)[41] = 0xFFC00000


def some_rows(log_probs: Float32) -> None:
    if log_probs.argmax() % 3 == 0:
        log_probs[70:] = np.nan


def only_end(position: int, log_probs: Float32) -> None:
    log_probs.fill(-np.inf)
    log_probs[EOS] = -0.5


POISONS: dict[int, Poison] = {
    ONE_NAN: later(lambda log_probs: log_probs.put(50, np.nan)),
    ALL_NAN: later(lambda log_probs: log_probs.fill(np.nan)),
    NEGATIVE_NAN: later(negative_nan),
    INFINITE: later(lambda log_probs: log_probs.put(50, np.inf)),
    POSITIVE: later(lambda log_probs: log_probs.put(50, 0.5)),
    SOME_ROWS: later(some_rows),
    NO_TOKEN: lambda _, log_probs: log_probs.fill(-np.inf),
    ONLY_END: only_end,
}


def running(max_rows: int = MAX_ROWS) -> Running:
    made = Running(max_rows)
    made.backend.poisons = POISONS
    made.backend.unreadable = {UNREADABLE}
    return made


LIMIT = 9
OPTIONS = {
    "greedy": greedy(LIMIT),
    "beam": DecodingOptions(max_output_tokens=LIMIT, beam_size=2, patience=9.0),
    "larger beam": DecodingOptions(max_output_tokens=LIMIT, beam_size=3, patience=9.0),
    "searched beam": DecodingOptions(max_output_tokens=LIMIT, beam_size=3, patience=9.0, no_repeat_ngram_size=2),
    "samples": DecodingOptions(max_output_tokens=LIMIT, num_samples=3, temperature=5.0, seed=7),
    "forced": DecodingOptions(max_output_tokens=LIMIT, forced_ids=(5, 6, 7, 8)),
}
BROKEN_OPTIONS = {
    "a search that raises at once": DecodingOptions(max_output_tokens=LIMIT, prefix=(10**6,)),
    "a search that raises later": DecodingOptions(max_output_tokens=LIMIT, forced_ids=(5, 6, 10**6)),
    "a search that cannot be opened": DecodingOptions(max_output_tokens=LIMIT, num_samples=2, seed=-1),
    "a shortlist that the model does not have": DecodingOptions(max_output_tokens=LIMIT, use_shortlist=True),
}

Asked = tuple[list[int], DecodingOptions, bool]
"""A source, its options, and whether it streams."""

asked = st.tuples(
    st.builds(
        lambda num_written, word, last: [num_written, word, last, EOS],
        st.sampled_from([1, 5, 8, ENDLESS]),
        st.integers(4, 60),
        st.sampled_from([50, 51, 52, 53, *range(ONE_NAN, UNREADABLE + 1)]),
    ),
    st.sampled_from([*OPTIONS.values(), *OPTIONS.values(), *BROKEN_OPTIONS.values()]),
    st.booleans(),
)


def submit(made: Running, number: int, wanted: Asked) -> int:
    source, options, streams = wanted
    [id_] = made.engine.submit([Sentence(source, options, made.outcomes.listener(number), streams=streams)])
    return id_


def in_short(events: Sequence[Event]) -> list[object]:
    """Events as they can be compared: errors by their type."""
    return [type(event.error) if isinstance(event, Failed) else event for event in events]


def alone(wanted: Asked) -> list[object]:
    made = running()
    submit(made, 0, wanted)
    made.run()
    return in_short(made.outcomes.events(0))


@examples(2)
@given(script=st.lists(st.tuples(asked, st.integers(0, 4), st.booleans()), min_size=1, max_size=10))
def test_whatever_fails_beside_it_a_sentence_ends_as_it_does_alone(script: list[tuple[Asked, int, bool]]) -> None:
    """`script`: what is asked, how many steps follow, and whether it is cancelled then."""
    made = running()
    cancelled = set()
    for number, (wanted, num_steps, is_cancelled) in enumerate(script):
        id_ = submit(made, number, wanted)
        made.turn(num_steps)
        if is_cancelled:
            made.engine.cancel([id_])
            cancelled.add(number)
    made.run()
    num_failed = 0
    for number, (wanted, _, _) in enumerate(script):
        events, expected = in_short(made.outcomes.events(number)), alone(wanted)
        assert events == (expected[: len(events)] if number in cancelled else expected)
        num_failed += events[-1:] == [SentenceFailed]
    reasons = ("encode", "join", "scores", "search", "step")
    assert sum(made.metric("failed_sentences_total", reason=reason) for reason in reasons) == num_failed
    assert made.metric("rows_joined_total") == made.metric("rows_left_total")
    assert made.metric("active_rows") == made.metric("waiting") == made.metric("reserved_rows") == 0


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("last", [ONE_NAN, ALL_NAN, NEGATIVE_NAN, INFINITE, POSITIVE])
def test_log_probabilities_that_are_none_fail_their_sentence(
    last: int, options: DecodingOptions, streams: bool, caplog: pytest.LogCaptureFixture
) -> None:
    made = running()
    submit(made, 0, ([ENDLESS, 5, last, EOS], options, streams))
    made.run()
    *written, end = made.outcomes.events(0)
    assert isinstance(end, Failed)
    assert isinstance(end.error, SentenceFailed)
    assert sum(len(event.part.output_ids) for event in written if isinstance(event, Written)) <= 2
    assert made.metric("failed_sentences_total", reason="scores") == 1
    [record] = caplog.records
    assert record.getMessage() == "sentence 0 failed (scores)"


@pytest.mark.parametrize("name", ["greedy", "beam", "larger beam"])
def test_where_no_token_has_a_probability_a_sentence_without_constraints_fails(name: str) -> None:
    made = running()
    submit(made, 0, ([ENDLESS, 5, NO_TOKEN, EOS], OPTIONS[name], False))
    made.run()
    assert isinstance(made.outcomes.failed(0).error, SentenceFailed)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("name", [name for name in OPTIONS if name != "forced"])
def test_where_nothing_but_an_end_has_a_probability_a_sentence_is_empty_by_its_constraints(
    name: str, streams: bool
) -> None:
    """As a shortlist may have it."""
    made = running()
    submit(made, 0, ([ENDLESS, 5, ONLY_END, EOS], OPTIONS[name], streams))
    made.submit([2, 5, EOS])
    made.run()
    made.assert_translated([2, 5, EOS])
    [end] = made.outcomes.events(0)
    assert isinstance(end, Finished)
    assert {(tuple(one.output_ids), one.ending, one.score) for one in end.hypotheses} == {((), Ending.CONSTRAINTS, 0.0)}


@pytest.mark.parametrize(
    ("options", "reason"),
    list(zip(BROKEN_OPTIONS.values(), ["search", "search", "join", "join"], strict=True)),
    ids=BROKEN_OPTIONS,
)
def test_a_sentence_whose_search_raises_fails_and_is_logged_once(
    options: DecodingOptions, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = running()
    made.submit([2, 5, EOS])
    submit(made, 0, ([3, 5, 6, EOS], options, False))
    made.submit([2, 6, EOS])
    made.run()
    made.assert_translated([2, 5, EOS], [2, 6, EOS])
    assert isinstance(made.outcomes.failed(0).error, SentenceFailed)
    assert str(made.outcomes.failed(0).error) == "decoding this sentence failed"
    assert made.metric("failed_sentences_total", reason=reason) == 1
    [record] = caplog.records
    assert record.getMessage() == f"sentence 1 failed ({reason})"
    assert record.exc_info


def test_an_encoder_run_that_raises_is_run_again_one_by_one_and_only_who_is_guilty_fails() -> None:
    made = running(max_rows=2)
    sources = [[2, 4, last, EOS] for last in (50, UNREADABLE, 51, 52)]
    made.submit(*sources)
    made.submit([1, UNREADABLE, EOS])
    made.run()
    for source in sources:
        if UNREADABLE not in source:
            assert made.outcomes.ends(tuple(source)) == [translate(source, 20)]
    assert made.backend.encoded == [[4], [4], [4]], "two that wait are encoded with them"
    for failed in sources[1], [1, UNREADABLE, EOS]:
        assert isinstance(made.outcomes.failed(tuple(failed)).error, SentenceFailed)
    assert made.metric("failed_sentences_total", reason="encode") == 2
    assert made.metric("time_to_first_token_seconds_count") == made.metric("rows_joined_total") == 3


def test_a_step_that_raises_fails_those_that_run_and_those_that_wait_go_on(caplog: pytest.LogCaptureFixture) -> None:
    made = running(max_rows=4)
    beam = dataclasses.replace(OPTIONS["larger beam"], max_output_tokens=20)
    submit(made, 0, (endless(5), beam, True))
    made.submit(endless(1), endless(2))
    made.turn(2)
    made.backend.step_error = RuntimeError("secret of the backend")
    made.turn()
    made.backend.step_error = None
    made.run()
    for failed in (0, tuple(endless(1))):
        end = made.outcomes.events(failed)[-1]
        assert isinstance(end, Failed)
        assert isinstance(end.error, SentenceFailed)
    made.assert_translated(endless(2))
    assert made.metric("failed_sentences_total", reason="step") == 2
    assert made.metric("active_rows") == made.metric("reserved_rows") == 0
    assert made.metric("rows_joined_total") == made.metric("rows_left_total") == 3
    [record] = caplog.records
    assert record.getMessage() == "a step failed, and the 2 sentences that ran with it"
    assert "secret of the backend" in caplog.text


def test_steps_that_fail_now_and_then_do_not_break_the_loop() -> None:
    made = running(max_rows=1)
    for number in range(6):
        made.submit(endless(number), [1, number, EOS])
        made.backend.step_error = RuntimeError("now")
        made.turn()
        made.backend.step_error = None
        made.run()
        assert not isinstance(made.outcomes.failed(tuple(endless(number))).error, EngineFailed)
        made.assert_translated([1, number, EOS])


# On real graphs.


def decoded(bundle: Bundle, wanted: Sequence[tuple[list[int], DecodingOptions]]) -> list[Finished | Failed]:
    """Each sentence's end, of all that are decoded together."""
    outcomes = Outcomes()
    sentences = [Sentence(source, options, outcomes.listener(key)) for key, (source, options) in enumerate(wanted)]
    limits, backend = Limits(16, max_joining_tokens=512), Backend(bundle, BackendOptions(16, 1))
    engine = Engine(bundle.manifest, backend, NO_PIECES, limits, post, EngineMetrics("small"))
    engine.submit(sentences)
    while engine.turn():
        pass
    return [end for key in range(len(wanted)) for end in outcomes.ends(key)]


@pytest.mark.parametrize("use_shortlist", [False, True])
def test_a_source_that_the_encoder_cannot_read_fails_alone(small_model: SmallModels, use_shortlist: bool) -> None:
    bundle = small_model("transformer").bundle
    options = dataclasses.replace(greedy(12), use_shortlist=use_shortlist)
    good = [([10 + number, 20, 30, 40, EOS], options) for number in range(4)]
    bad = ([11, VOCABULARY_SIZE + 5, 30, 40, EOS], options)
    demanding = dataclasses.replace(greedy(12), use_shortlist=True, prefix=(VOCABULARY_SIZE + 5,))
    wanted = [good[0], bad, good[1], (good[1][0], demanding), *good[2:]]
    expected = [decoded(bundle, [one])[0] for one in good]
    ends = decoded(bundle, wanted)
    assert [isinstance(end, Failed) for end in ends] == [False, True, False, True, False, False]
    assert [end for end in ends if isinstance(end, Finished)] == expected


def test_a_model_of_nan_fails_every_sentence_and_the_loop_goes_on(small_model: SmallModels, tmp_path: Path) -> None:
    """Decoding in any way, with alignments where it has them."""
    bundle = small_model("transformer").bundle
    spoilt = dataclasses.replace(bundle, folder=tmp_path)
    for path in bundle.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    step = onnx.load(spoilt.step)
    for tensor in step.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and list(tensor.dims) == [VOCABULARY_SIZE]:
            tensor.CopyFrom(numpy_helper.from_array(np.full(VOCABULARY_SIZE, np.nan, np.float32), tensor.name))
    onnx.save(step, spoilt.step)
    kinds = [*OPTIONS.values(), dataclasses.replace(OPTIONS["searched beam"], alignment=True)]
    ends = decoded(spoilt, [([10, 20, 30, EOS], options) for options in kinds])
    assert [type(end) for end in ends] == [Failed] * len(kinds)

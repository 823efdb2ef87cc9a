import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.records import Record
from loadtest.report.knees import Knee, find_knee
from loadtest.report.latency_sections import latency_by_length
from loadtest.report.points import combine, labels, main_setting, setting
from tests.loadtest.synthetic import case, exact

LSTM = case("lstm")


def knee(*records: Record) -> Knee:
    return find_knee("lstm-en-fr", combine(records))


def test_rounds_are_combined_by_medians_so_that_one_slow_round_decides_nothing() -> None:
    [point] = combine([exact(LSTM, 100, latency, number) for number, latency in enumerate((10.0, 900.0, 12.0))])
    assert (point.p50, point.p95, point.p99) == (12.0, 12.0, 12.0)
    assert point.p99_spread == pytest.approx(890 / 12)


def test_percentiles_are_taken_in_each_round_and_not_of_all_calls_together() -> None:
    slow_end = [1.0] * 98 + [50.0, 60.0]
    [point] = combine([exact(LSTM, 100, slow_end, 0), exact(LSTM, 100, [2.0] * 1000, 1), exact(LSTM, 100, 3.0, 2)])
    assert (point.p50, point.p99) == (2.0, 3.0)


def test_errors_of_all_rounds_count_as_a_median_would_hide_them() -> None:
    [point] = combine([exact(LSTM, 100, 1.0, 0), exact(LSTM, 100, 1.0, 1), exact(LSTM, 100, 1.0, 2, {"INTERNAL": 60})])
    assert point.error_share == pytest.approx(60 / 3060)
    assert not point.holds


def test_a_point_without_a_single_answer_never_holds() -> None:
    [point] = combine([exact(LSTM, 100, [], 0, {"UNAVAILABLE": 5})])
    assert (point.p50, point.error_share, point.holds) == (math.inf, 1.0, False)


def test_rounds_of_a_slow_generator_do_not_count_and_half_of_them_make_a_point_unbelieved() -> None:
    [point] = combine(
        [exact(LSTM, 100, 5.0, 0), exact(LSTM, 100, 7.0, 1), exact(LSTM, 100, 900.0, 2, saturated="late")]
    )
    assert (point.is_believed, point.p99) == (True, 6.0)
    [point] = combine([exact(LSTM, 100, 5.0, 0), exact(LSTM, 100, 900.0, 1, saturated="late")])
    assert not point.is_believed


def test_what_was_measured_again_in_a_round_counts_once_as_it_went_better() -> None:
    [point] = combine([exact(LSTM, 100, 400.0, 0), exact(LSTM, 100, 20.0, 0), exact(LSTM, 100, 30.0, 1)])
    assert (len(point.rounds), point.p99) == (2, 25.0)
    [point] = combine([exact(LSTM, 100, 1.0, 0, saturated="late"), exact(LSTM, 100, 20.0, 0)])
    assert (point.is_believed, point.p99) == (True, 20.0)
    [point] = combine([exact(LSTM, 100, 20.0, 0), exact(LSTM, 100, 1.0, 0, {"INTERNAL": 500})])
    assert point.p99 == 20.0


def test_the_knee_is_the_highest_rate_that_held_and_is_broken_by_the_next() -> None:
    found = knee(
        *(exact(LSTM, rate, latency) for rate, latency in ((50, 5), (100, 9), (200, 249), (400, 251), (800, 9e3)))
    )
    assert (found.rate, found.broken, found.doubted) == (200, 400, False)
    assert found.words == "holds 200 a second, breaks at 400 a second"


def test_a_p99_of_a_quarter_of_a_second_or_one_error_in_a_thousand_breaks() -> None:
    assert knee(exact(LSTM, 100, 250.0)).rate == 0
    assert knee(exact(LSTM, 100, 249.9)).rate == 100
    assert knee(exact(LSTM, 100, [1.0] * 999, 0, {"INTERNAL": 1})).rate == 0
    assert knee(exact(LSTM, 100, [1.0] * 1000, 0, {"INTERNAL": 1})).rate == 100


def test_one_slow_call_of_a_hundred_is_allowed_and_two_are_not() -> None:
    assert knee(exact(LSTM, 100, [1.0] * 99 + [900.0])).rate == 100
    assert knee(exact(LSTM, 100, [1.0] * 98 + [900.0] * 2)).rate == 0


def test_without_a_broken_rate_the_knee_is_said_to_be_what_was_measured() -> None:
    assert knee(exact(LSTM, 100, 9.0)).words == "holds 100 a second, the highest that was measured"
    assert knee(exact(LSTM, 100, 900.0)).words == "holds none of the measured rates"
    assert knee().rate == 0


def test_no_knee_is_taken_from_what_is_not_believed() -> None:
    found = knee(exact(LSTM, 100, 9.0), exact(LSTM, 200, 9.0, saturated="late"))
    assert (found.rate, found.broken, found.doubted) == (100, None, True)
    assert found.words == "holds 100 a second; the load generator could not offer more"


def test_a_rate_that_was_missed_once_and_held_when_it_was_tried_again_holds() -> None:
    assert knee(exact(LSTM, 100, 900.0), exact(LSTM, 100, 20.0), exact(LSTM, 200, 900.0)).rate == 100


def test_the_knee_is_the_median_of_the_rounds_knees() -> None:
    records = [
        exact(LSTM, rate, 9.0 if rate <= highest else 900.0, number)
        for number, highest in enumerate((100, 400, 200))
        for rate in (100, 200, 400, 800)
    ]
    found = knee(*records)
    assert (found.rate, found.broken, found.rounds) == (200, 400, (100, 200, 400))
    assert found.words == "holds 200 a second (rounds: 100 to 400), breaks at 400 a second"


def test_a_round_that_was_stopped_before_its_knee_does_not_count() -> None:
    found = knee(exact(LSTM, 100, 9.0), exact(LSTM, 200, 900.0), exact(LSTM, 20, 9.0, 1))
    assert (found.rate, found.rounds) == (100, (100,))


def test_closed_loops_have_no_knee() -> None:
    record = exact(LSTM, 100, 9.0)
    closed = Record(**(vars(record) | {"load": "closed", "rate": 0.0, "users": 8}))
    assert knee(closed).rate == 0


@given(st.lists(st.tuples(st.sampled_from([50, 100, 200, 400]), st.floats(1, 1000), st.booleans()), min_size=1))
def test_a_knee_always_is_a_believed_rate_that_held_in_some_round(measured: list[tuple[int, float, bool]]) -> None:
    records = [
        exact(LSTM, rate, [latency], number, saturated="late" if is_late else "")
        for number, (rate, latency, is_late) in enumerate(measured)
    ]
    found = knee(*records)
    held = {rate for rate, latency, is_late in measured if latency < 250 and not is_late}
    assert found.rate in held | {0}
    assert found.broken is None or found.broken > found.rate


def test_models_are_named_after_their_architectures_unless_these_are_shared() -> None:
    records = [exact(case(name), 100, 1.0) for name in ("lstm_attention", "transformer-without-cache")]
    assert [*labels(combine(records)).values()] == ["lstm attention", "transformer without cache"]
    other = Record(**(vars(records[0]) | {"case": case("marian")}))
    shared = Record(**(vars(other) | {"case": type(other.case)(**(vars(other.case) | {"model": "a", "name": "a"}))}))
    assert labels(combine([other, shared])) == {"marian-en-fr": "marian-en-fr", "a": "a"}


def test_architectures_are_compared_in_the_greedy_setting_that_most_were_driven_in() -> None:
    beam = {"beam_size": 4}
    records = [exact(case("lstm", beam), rate, 1.0) for rate in (50, 100, 200)]
    records += [exact(case("lstm", workload="texts"), rate, 1.0) for rate in (50, 100)]
    records += [exact(case(name), 50, 1.0) for name in ("lstm", "rnn")]
    assert main_setting(combine(records)) == setting(case("rnn"))
    assert main_setting(combine(records[:3])) == setting(case("lstm", beam))
    assert main_setting([]) is None


def test_latency_is_told_by_length_and_each_group_begins_at_its_bound() -> None:
    record = exact(LSTM, 100, [1.0, 2.0, 30.0, 50.0])
    lengths = Record(**(vars(record) | {"source_tokens": [5, 5, 9, 10]}))
    assert latency_by_length(combine([lengths])[0], [9]) == [(5, 1.0), (9.5, 30.0)]
    assert latency_by_length(combine([lengths])[0], [9, 10, 11]) == [(5, 1.0), (9, 30.0), (10, 50.0)]

"""The search for knees, and the order of a run: policy alone, against servers that are made up."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.knee import Search, grid_rate, holds
from loadtest.measuring import Order
from loadtest.plan import Plan
from loadtest.records import Record
from tests.loadtest.made_records import a_case, a_record, answer

FULL = Search(first=24, step=4, nearness=1)
QUICK = Search(first=24, step=8, nearness=2)
SEARCHES = {"full": FULL, "quick": QUICK}


def rates(search: Search, capacity: float, earlier: Sequence[Record] = ()) -> list[float]:
    """Those that the search tries."""
    records = list(earlier)
    while (rate := search.next(records)) is not None:
        records.append(answer(Order(case=a_case(), round=0, rate=rate, seconds=1.0), capacity))
        assert len(records) < 100
    return [record.rate for record in records[len(earlier) :]]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(SEARCHES.values())), st.floats(10.0, 50_000.0))
def test_the_knee_is_the_highest_rate_of_the_grid_that_holds(search: Search, capacity: float) -> None:
    tried = rates(search, capacity)
    records = [answer(Order(case=a_case(), round=0, rate=rate, seconds=1.0), capacity) for rate in tried]
    assert search.knee(records) <= capacity < search.knee(records) * 2 ** ((search.nearness + 0.1) / 8)
    assert search.stopped(records) == ""
    assert len(tried) <= 45
    missed = [rate for rate in tried if rate > capacity]
    assert all(missed.count(rate) in (1, 2) for rate in missed)


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_a_server_that_holds_nothing_has_no_knee(search: Search) -> None:
    tried = rates(search, 0.0)
    assert min(tried) == grid_rate(0)
    assert search.knee([answer(Order(case=a_case(), round=0, rate=rate, seconds=1.0), 0.0) for rate in tried]) == 0


def test_quick_searches_take_few_measurements() -> None:
    assert max(len(rates(QUICK, capacity)) for capacity in (100, 300, 1000, 1500, 2000)) <= 11


def test_a_rate_that_is_missed_once_is_tried_again_and_may_hold() -> None:
    slow = [a_record(rate=grid_rate(24), latencies=[400.0])]
    assert FULL.next(slow) == grid_rate(24)
    assert FULL.next([*slow, a_record(rate=grid_rate(24))]) == grid_rate(28)


def test_a_measurement_at_a_low_rate_does_not_make_the_search_begin_there() -> None:
    assert rates(FULL, 500.0, earlier=[a_record(rate=grid_rate(8))])[0] == grid_rate(24)


def test_a_search_stops_where_the_generator_is_too_slow_and_says_so() -> None:
    saturated = [a_record(rate=grid_rate(28), saturated="no core left")] * 2
    records = [a_record(rate=grid_rate(24)), *saturated]
    while (rate := FULL.next(records)) is not None:
        records.append(a_record(rate=rate, saturated="no core left" if rate > grid_rate(25) else ""))
    assert FULL.knee(records) == grid_rate(25)
    assert FULL.stopped(records) == "no core left"


@pytest.mark.parametrize(
    ("latencies", "errors", "expected"),
    [
        ([249.0] * 99 + [900.0], 0, True),
        ([249.0] * 98 + [900.0] * 2, 0, False),
        ([250.0] * 100, 0, False),
        ([1.0] * 2000, 1, True),
        ([1.0] * 999, 1, False),
        ([], 0, False),
        ([], 3, False),
    ],
)
def test_what_holds(latencies: list[float], errors: int, expected: bool) -> None:
    assert holds(a_record(latencies=latencies, errors={"UNAVAILABLE": errors})) is expected


CAPACITIES = {"fast": 900.0, "middle": 300.0, "slow": 40.0}


def a_plan(rounds: int = 2) -> Plan:
    cases = [a_case(name) for name in CAPACITIES]
    streams = [a_case(f"{name}, stream", model=name, method="stream") for name in CAPACITIES]
    fixed = [Order(case=case, round=0, rate=grid_rate(8), seconds=1.0) for case in (*cases, *streams)]
    fixed.append(Order(case=cases[0], round=0, users=8, seconds=1.0))
    return Plan(fixed=fixed, searched=cases, search=FULL, rounds=rounds, seconds=2.0, max_seconds=20.0)


def carried_out(plan: Plan, capacities: Mapping[str, float] = CAPACITIES) -> list[Record]:
    records: list[Record] = []
    while order := plan.next(records):
        records.append(answer(order, capacities[order.case.model]))
        assert len(records) < 500
    return records


def test_every_round_has_every_fixed_measurement_once_and_finds_every_knee() -> None:
    plan = a_plan()
    records = carried_out(plan)
    for number in range(2):
        of_round = [record for record in records if record.round == number]
        assert sum(record.case.method == "stream" for record in of_round) == 3
        assert sum(record.load == "closed" for record in of_round) == 1
    for name, found in plan.knees(records).items():
        assert len(found) == 2
        assert all(rate <= CAPACITIES[name] < rate * 1.1 for rate, _ in found)


def test_a_fixed_measurement_that_is_not_to_be_believed_is_made_once_more() -> None:
    plan = a_plan()
    first = plan.next([])
    assert first
    doubted = dataclasses.replace(answer(first, 900.0), saturated="busy")
    assert plan.next([doubted]) == first
    assert plan.next([doubted, answer(first, 900.0)]) != first
    assert plan.next([doubted, doubted]) != first


def test_rounds_follow_each_other_and_the_cases_of_a_search_take_turns() -> None:
    records = carried_out(a_plan())
    assert [record.round for record in records] == sorted(record.round for record in records)
    names = [[record.case.name for record in records if record.round == number] for number in range(2)]
    assert names[1][:7] == names[0][6::-1]
    searched = names[0][7:]
    assert searched[:6] == ["fast", "middle", "slow"] * 2


def test_later_rounds_are_shorter() -> None:
    counts = [sum(record.round == number for record in carried_out(a_plan(3))) for number in range(3)]
    assert counts[1] < counts[0]
    assert counts[2] == counts[1]


def test_a_run_that_was_stopped_anywhere_goes_on_as_if_it_had_not_been() -> None:
    plan, records = a_plan(), carried_out(a_plan())
    for made in range(len(records)):
        order = plan.next(records[:made])
        assert order
        assert order.is_answered_by(records[made])


def test_measurements_of_a_search_have_a_thousand_calls_where_there_is_time_for_them() -> None:
    plan = a_plan()
    orders = [plan.next(carried_out(plan)[:made]) for made in range(7, 20)]
    for order in filter(None, orders):
        assert order.seconds == pytest.approx(min(20.0, max(2.0, 1000 / order.rate)))


def test_the_time_left_goes_down_to_nothing() -> None:
    plan, records = a_plan(), carried_out(a_plan())
    left = [plan.seconds_left(records[:made], [2.0]) for made in range(len(records) + 1)]
    assert left[-1] == 0.0
    assert all(later <= earlier for earlier, later in itertools.pairwise(left))
    assert left[0] == pytest.approx(2.0 * len(records), rel=0.5)
    assert plan.seconds_left([], []) > 60.0

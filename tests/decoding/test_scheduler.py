import math
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from server.decoding.scheduler import Limits, Plan, Ticket, plan

NOW = 50.0
ROOMY = Limits(max_rows=8, max_joining_tokens=1000)

deadlines = st.one_of(st.just(math.inf), st.floats(0.0, 100.0))
limits = st.builds(Limits, max_rows=st.integers(1, 8), max_joining_tokens=st.integers(1, 60))


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Ticket], list[Ticket], Limits]:
    """Waiting and running tickets, and limits that the running ones keep."""
    chosen = draw(limits)
    ids = count()
    num_rows = st.integers(1, chosen.max_rows)
    ticket = st.builds(Ticket, st.builds(lambda: next(ids)), st.integers(1, 40), deadlines, num_rows)
    running: list[Ticket] = []
    for one in draw(st.lists(ticket, max_size=chosen.max_rows)):
        if sum(other.num_rows for other in running) + one.num_rows <= chosen.max_rows:
            running.append(one)
    waiting = draw(st.lists(ticket, max_size=20))
    return waiting, running, chosen


def ticket(id_: int, num_source_tokens: int = 5, deadline: float = math.inf) -> Ticket:
    return Ticket(id_, num_source_tokens, deadline)


def test_nothing_to_do_is_an_empty_plan() -> None:
    assert plan(NOW, [], [], ROOMY) == Plan([], [])


def test_waiting_sentences_join_in_order_of_arrival() -> None:
    assert plan(NOW, [ticket(7), ticket(3), ticket(5)], [ticket(1)], ROOMY) == Plan([7, 3, 5], [])


def test_no_more_join_than_rows_are_free() -> None:
    limits = Limits(max_rows=3, max_joining_tokens=1000)
    assert plan(NOW, [ticket(2), ticket(3), ticket(4)], [ticket(0), ticket(1)], limits).joining == [2]


def test_the_row_of_an_expired_sentence_is_free_at_once() -> None:
    limits = Limits(max_rows=1, max_joining_tokens=1000)
    assert plan(NOW, [ticket(2)], [ticket(1, deadline=NOW)], limits) == Plan([2], [1])


def test_joiners_stop_at_the_bound_of_source_tokens() -> None:
    limits = Limits(max_rows=8, max_joining_tokens=20)
    assert plan(NOW, [ticket(1, 10), ticket(2, 10), ticket(3, 1)], [], limits).joining == [1, 2]


def test_a_sentence_longer_than_the_bound_joins_alone() -> None:
    limits = Limits(max_rows=8, max_joining_tokens=20)
    assert plan(NOW, [ticket(1, 50), ticket(2, 1)], [], limits).joining == [1]


def test_a_short_sentence_does_not_overtake_one_that_has_to_wait() -> None:
    limits = Limits(max_rows=8, max_joining_tokens=20)
    assert plan(NOW, [ticket(1, 15), ticket(2, 10), ticket(3, 2)], [], limits).joining == [1]


def test_a_sentence_that_expired_in_the_queue_takes_neither_row_nor_tokens() -> None:
    limits = Limits(max_rows=1, max_joining_tokens=20)
    waiting = [ticket(1, 20, deadline=NOW - 1), ticket(2, 20)]
    assert plan(NOW, waiting, [], limits) == Plan([2], [1])


def test_a_deadline_that_is_still_to_come_changes_nothing() -> None:
    assert plan(NOW, [ticket(2, deadline=NOW + 1)], [ticket(1, deadline=NOW + 1)], ROOMY) == Plan([2], [])


@given(situations())
def test_joiners_are_a_prefix_of_those_that_wait_and_have_not_expired(
    situation: tuple[list[Ticket], list[Ticket], Limits],
) -> None:
    waiting, running, limits = situation
    joining = plan(NOW, waiting, running, limits).joining
    alive = [ticket.id for ticket in waiting if ticket.deadline > NOW]
    assert joining == alive[: len(joining)]


@given(situations())
def test_expired_ones_are_expired_and_named_once(situation: tuple[list[Ticket], list[Ticket], Limits]) -> None:
    waiting, running, limits = situation
    expired = plan(NOW, waiting, running, limits).expired
    late = {ticket.id for ticket in [*waiting, *running] if ticket.deadline <= NOW}
    assert len(expired) == len(set(expired))
    assert set(expired) <= late
    assert {ticket.id for ticket in running if ticket.deadline <= NOW} <= set(expired)


@given(situations())
def test_the_limits_hold_and_nobody_waits_without_reason(situation: tuple[list[Ticket], list[Ticket], Limits]) -> None:
    waiting, running, limits = situation
    joining = plan(NOW, waiting, running, limits).joining
    num_running = sum(ticket.num_rows for ticket in running if ticket.deadline > NOW)
    alive = [ticket for ticket in waiting if ticket.deadline > NOW]
    num_tokens = sum(ticket.num_source_tokens for ticket in alive[: len(joining)])
    num_rows = num_running + sum(ticket.num_rows for ticket in alive[: len(joining)])
    assert num_rows <= limits.max_rows
    assert num_tokens <= limits.max_joining_tokens or len(joining) == 1
    if len(joining) < len(alive) and num_rows + alive[len(joining)].num_rows <= limits.max_rows:
        following = alive[len(joining)]
        assert joining, "the first may always join, however long it is"
        assert num_tokens + following.num_source_tokens > limits.max_joining_tokens


@given(situations(), st.data())
def test_every_sentence_gets_a_row_or_expires_however_the_others_leave(
    situation: tuple[list[Ticket], list[Ticket], Limits], data: st.DataObject
) -> None:
    """The loop as the engine runs it, until all is empty: nothing is lost, doubled or left to starve."""
    waiting, running, limits = list(situation[0]), list(situation[1]), situation[2]
    submitted = {ticket.id for ticket in [*waiting, *running]}
    joined: list[int] = [ticket.id for ticket in running]
    expired: list[int] = []
    arrival = [ticket.id for ticket in waiting]
    now = 0.0
    for _ in range(2 * len(submitted) + 2):
        decision = plan(now, waiting, running, limits)
        expired += decision.expired
        running = [ticket for ticket in running if ticket.id not in decision.expired]
        running += [ticket for ticket in waiting if ticket.id in decision.joining]
        waiting = [ticket for ticket in waiting if ticket.id not in {*decision.joining, *decision.expired}]
        joined += decision.joining
        if not waiting and not running:
            break
        if running:  # at least one ends, which one is chance
            running.pop(data.draw(st.integers(0, len(running) - 1)))
        now += data.draw(st.sampled_from([0.0, 1.0, 30.0]))
    assert not waiting
    assert not running
    assert len(joined) == len(set(joined))
    assert set(joined) | set(expired) == submitted
    assert [id_ for id_ in joined if id_ in arrival] == [id_ for id_ in arrival if id_ in joined]

"""What the siege makes of what it has seen."""

import dataclasses
import math
from collections import Counter
from typing import Any

import pytest
from hpack import Decoder

from loadtest.siege.attack import Attack, Bounds, Outcome, Target
from loadtest.siege.attacks import ATTACKS
from loadtest.siege.calls import STREAM_REFUSED
from loadtest.siege.frames import literal_header
from loadtest.siege.metrics import longest_lag_ms, num_handled, parse_metrics
from loadtest.siege.report import Sight, notes, table, violations
from loadtest.siege.witness import HonestCall, seconds_to_calm


async def do_nothing(target: Target) -> Outcome:
    return Outcome()


def honest(milliseconds: float = 5.0, status: str = "OK", method: str = "Translate", number: int = 0) -> HonestCall:
    return HonestCall(number, method, 0.05 * number, milliseconds, 0.0, status)


def sight(bounds: Bounds | None = None, outcome: Outcome | None = None, **seen: Any) -> Sight:
    """One at which nothing happened but what is given."""
    quiet = Sight(
        attack=Attack("nothing", "nothing is done", do_nothing, bounds or Bounds()),
        outcome=outcome or Outcome(),
        seconds=1.0,
        during=[honest(), honest(method="ListModels")],
        after=[honest()],
        back_seconds=0.0,
        memory_before_mb=200.0,
        memory_peak_mb=210.0,
        lag_ms=None,
        num_counted=3,
        num_log_lines=0,
        server_status=None,
    )
    return dataclasses.replace(quiet, **seen)


def outcome(answered_ms: float = 0.0, refused_ms: float = 0.0, **statuses: int) -> Outcome:
    return Outcome(Counter(statuses), [answered_ms], [refused_ms])


def test_where_nothing_happens_every_bound_is_held() -> None:
    tight = Bounds(
        honest_ms=5,
        begin_ms=5,
        memory_mb=10,
        statuses=frozenset({"OK"}),
        answered_ms=1,
        refused_ms=1,
        goodput=0.8,
        all_counted=True,
        log_lines=0,
    )
    assert violations(sight(tight)) == []


@pytest.mark.parametrize(
    ("seen", "violation"),
    [
        (sight(during=[honest(status="CANCELLED")]), "1 calls of the honest client failed: CANCELLED"),
        (sight(after=[honest(status="UNAVAILABLE")]), "1 calls of the honest client failed: UNAVAILABLE"),
        (sight(during=[honest(status="RESOURCE_EXHAUSTED")]), "the honest client failed: RESOURCE_EXHAUSTED"),
        (sight(outcome=outcome(CANCELLED=7)), "7 of the attacker's calls ended with CANCELLED"),
        (sight(outcome=outcome(UNKNOWN=7)), "7 of the attacker's calls ended with UNKNOWN"),
        (sight(outcome=outcome(INTERNAL=7)), "7 of the attacker's calls ended with INTERNAL"),
        (sight(Bounds(statuses=frozenset({"OK"})), outcome(OK=1, NOT_FOUND=2)), "2 of the attacker's calls"),
        (sight(Bounds(honest_ms=100), during=[honest(100.5)]), "longest sentence of the honest client, ms: 100.5"),
        (sight(Bounds(begin_ms=100), during=[honest(200, method="ListModels")]), "longest ListModels"),
        (sight(back_seconds=1.1), "back to normal, s: 1.1, at most 1 expected"),
        (sight(back_seconds=None), "back to normal, s: inf"),
        (sight(Bounds(memory_mb=100), memory_peak_mb=301), "growth of the server's memory, MB: 101"),
        (sight(Bounds(answered_ms=500), outcome(answered_ms=501)), "p99 of what was answered, ms: 501"),
        (sight(Bounds(refused_ms=100), outcome(refused_ms=101)), "p99 of what was refused, ms: 101"),
        (sight(Bounds(all_counted=True), outcome(OK=2, RESOURCE_EXHAUSTED=5)), "counted 3 of 10 calls"),
        (sight(Bounds(log_lines=10), num_log_lines=11), "logged 11 lines, at most 10 expected"),
        (sight(server_status=1), "the server has ended, with status 1"),
        (sight(Bounds(ends_server=True), server_status=1), "the server ended with status 1, 0 expected"),
        (sight(Bounds(ends_server=True), server_status=None), "the server ended with status None"),
        (sight(outcome=Outcome(complaints=["nothing was sent"])), "nothing was sent"),
    ],
)
def test_a_broken_bound_is_told(seen: Sight, violation: str) -> None:
    assert violation in "\n".join(violations(seen))
    assert violation in "\n".join(notes(seen))
    assert " NO " in table([seen])


def test_goodput_is_compared_with_the_knees() -> None:
    bounds = Bounds(goodput=0.8)
    for goodput, is_held in ((80, True), (79, False)):
        measured = Outcome(evidence={"knee/s": 100, "goodput/s": goodput})
        assert (violations(sight(bounds, measured)) == []) is is_held


def test_the_honest_client_may_be_refused_where_the_attack_says_so_but_never_fail() -> None:
    bounds = Bounds(may_refuse_honest=True)
    assert violations(sight(bounds, during=[honest(status="RESOURCE_EXHAUSTED")])) == []
    assert violations(sight(bounds, during=[honest(status="CANCELLED")]))


def test_an_attack_that_is_to_end_the_server_ends_the_honest_client_too() -> None:
    ended = sight(Bounds(ends_server=True), during=[honest(status="UNAVAILABLE")], back_seconds=None, server_status=0)
    assert violations(ended) == []


def test_calls_that_the_server_need_not_have_seen_are_not_missed_in_its_metrics() -> None:
    statuses = Counter({"OK": 3, "UNAVAILABLE": 9, STREAM_REFUSED: 9, "DEADLINE_EXCEEDED": 9, "given up": 9})
    assert violations(sight(Bounds(all_counted=True), Outcome(statuses), num_counted=6)) == []
    assert violations(sight(Bounds(all_counted=True), Outcome(statuses), num_counted=5))


def test_what_several_processes_saw_is_added_up() -> None:
    total = Outcome(last_sent=5.0)
    total.add(Outcome(Counter(OK=1), [1.0], [], {"knee/s": 10.0}, ["late"], 7.0))
    total.add(Outcome(Counter(OK=2, CANCELLED=1), [2.0], [3.0], {"knee/s": 20.0}, ["late"], 6.0))
    assert total == Outcome(Counter(OK=3, CANCELLED=1), [1.0, 2.0], [3.0], {"knee/s": 30.0}, ["late"], 7.0)


def test_it_is_calm_from_the_first_of_five_quick_calls_in_a_row() -> None:
    times = [5, 90, 5, 5, 5, 5, 90, 5, 5, 5, 5, 5]
    calls = [honest(milliseconds, number=number) for number, milliseconds in enumerate(times)]
    assert seconds_to_calm(calls, since=0.0, usual_ms=50) == pytest.approx(7 * 0.05)
    assert seconds_to_calm(calls[:-1], since=0.0, usual_ms=50) is None
    assert seconds_to_calm(calls, since=0.0, usual_ms=100) == 0.0
    failed = [honest(status="CANCELLED", number=number) for number in range(12)]
    assert seconds_to_calm(failed, since=0.0, usual_ms=100) is None


METRICS = """\
# HELP grpc_server_handled_total Calls
grpc_server_handled_total{grpc_method="Translate",grpc_code="OK"} 10.0
grpc_server_handled_total{grpc_method="Score",grpc_code="OK"} 2.0
seq2serve_event_loop_lag_seconds_bucket{le="0.01"} 5.0
seq2serve_event_loop_lag_seconds_bucket{le="0.1"} 7.0
seq2serve_event_loop_lag_seconds_bucket{le="+Inf"} 8.0
"""


def test_calls_are_counted_and_the_longest_lag_is_found_between_two_readings_of_the_metrics() -> None:
    before = parse_metrics(METRICS)
    assert num_handled(before, before) == 0
    assert num_handled({}, before) == 12
    assert longest_lag_ms(before, before) == 10
    assert longest_lag_ms({}, before) == math.inf
    later = parse_metrics(METRICS.replace("7.0", "8.0").replace('+Inf"} 8.0', '+Inf"} 9.0'))
    assert longest_lag_ms(before, later) == 100
    assert longest_lag_ms({}, {}) is None


@pytest.mark.parametrize("length", [1, 126, 127, 128, 254, 255, 1000, 20_000])
def test_header_fields_are_those_that_http2_decoders_read(length: int) -> None:
    decoder = Decoder(max_header_list_size=100_000)
    [(name, value)] = decoder.decode(literal_header("x-flood", "f" * length), raw=True)
    assert (name, value) == (b"x-flood", b"f" * length)


def test_every_attack_says_what_it_does() -> None:
    assert len({attack.what for attack in ATTACKS.values()}) == len(ATTACKS)

"""What was seen during an attack, what of it broke a bound, and the table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.percentiles import percentile
from loadtest.siege.attack import Attack, Outcome
from loadtest.siege.witness import HonestCall

_NEVER = frozenset({"CANCELLED", "UNKNOWN", "INTERNAL"})
"""How no call may end: calls that their callers cancelled are counted apart."""

_MAYBE_UNSEEN = frozenset({"CANCELLED", "UNAVAILABLE", "DEADLINE_EXCEEDED"})
"""What the client's side can say by itself, of a call that the server has not seen."""


@dataclass(frozen=True)
class Sight:
    """One attack, as all who watched it saw it."""

    attack: Attack
    outcome: Outcome
    seconds: float
    """That the attack took."""

    during: Sequence[HonestCall]
    """Of the honest client, from the attack's begin to its end."""

    after: Sequence[HonestCall]
    """Of the honest client, in the second after the attack."""

    back_seconds: float | None
    """From when the attacker stopped to send, until the honest client's calls were as before; None: not in time."""

    memory_before_mb: float
    memory_peak_mb: float
    lag_ms: float | None
    """The event loop's longest, as the server measures it; None if it does not."""

    num_counted: float
    """Calls that the server has counted, the honest client's too."""

    num_log_lines: int
    """That the server has written."""

    server_status: int | None
    """With which the server has ended; None if it still runs."""


def violations(sight: Sight) -> list[str]:
    """What was not as it has to be, each with the limit and what was seen."""
    bounds, outcome = sight.attack.bounds, sight.outcome
    found = list(outcome.complaints)
    if bounds.ends_server:
        if sight.server_status != 0:
            found.append(f"the server ended with status {sight.server_status}, 0 expected")
    else:
        if sight.server_status is not None:
            found.append(f"the server has ended, with status {sight.server_status}")
        found += _honest_violations(sight)
    bad = {status for status in outcome.statuses if status in _NEVER}
    if bounds.statuses is not None:
        bad |= outcome.statuses.keys() - bounds.statuses
    found += [f"{outcome.statuses[status]} of the attacker's calls ended with {status}" for status in sorted(bad)]
    growth = sight.memory_peak_mb - sight.memory_before_mb
    limits = [
        ("p99 of what was answered, ms", percentile(sorted(outcome.answered_ms), 99), bounds.answered_ms),
        ("p99 of what was refused, ms", percentile(sorted(outcome.refused_ms), 99), bounds.refused_ms),
        ("growth of the server's memory, MB", growth, bounds.memory_mb),
    ]
    found += _above(limits)
    knee = outcome.evidence.get("knee/s", 0.0)
    if bounds.goodput is not None and outcome.evidence.get("goodput/s", 0.0) < bounds.goodput * knee:
        found.append(
            f"goodput: {outcome.evidence.get('goodput/s', 0.0):.0f}/s, {bounds.goodput:.0%} of {knee:.0f}/s expected"
        )
    num_answers = num_answered_by_server(sight)
    if bounds.all_counted and sight.num_counted < num_answers:
        found.append(f"the server has counted {sight.num_counted:.0f} of {num_answers} calls that it has answered")
    if bounds.log_lines is not None and sight.num_log_lines > bounds.log_lines:
        found.append(f"the server has logged {sight.num_log_lines} lines, at most {bounds.log_lines} expected")
    return found


def num_answered_by_server(sight: Sight) -> int:
    """Calls of both clients that only the server can have ended as they did."""
    statuses = sight.outcome.statuses
    by_attacker = sum(number for status, number in statuses.items() if status.isupper() and status not in _MAYBE_UNSEEN)
    return by_attacker + sum(call.status not in _MAYBE_UNSEEN for call in (*sight.during, *sight.after))


def _honest_violations(sight: Sight) -> list[str]:
    bounds = sight.attack.bounds
    failures = [call for call in (*sight.during, *sight.after) if is_failure(call, bounds.may_refuse_honest)]
    kinds = sorted({call.status for call in failures})
    found = [f"{len(failures)} calls of the honest client failed: {', '.join(kinds)}"] if failures else []
    limits = [
        ("longest sentence of the honest client, ms", longest(sight.during, "Translate"), bounds.honest_ms),
        ("longest ListModels of the honest client, ms", longest(sight.during, "ListModels"), bounds.begin_ms),
        ("back to normal, s", math.inf if sight.back_seconds is None else sight.back_seconds, bounds.back_seconds),
    ]
    return found + _above(limits)


def _above(limits: Sequence[tuple[str, float | None, float | None]]) -> list[str]:
    """Of (what, seen, limit) those that are above it."""
    return [
        f"{what}: {seen:.4g}, at most {limit:.4g} expected"
        for what, seen, limit in limits
        if seen is not None and limit is not None and seen > limit
    ]


def is_failure(call: HonestCall, may_be_refused: bool) -> bool:
    return call.status != "OK" and not (may_be_refused and call.status == "RESOURCE_EXHAUSTED")


def longest(calls: Sequence[HonestCall], method: str) -> float | None:
    """Milliseconds of the longest successful call of a method; None if there is none."""
    return max((call.milliseconds for call in calls if call.method == method and call.status == "OK"), default=None)


def table(sights: Sequence[Sight]) -> str:
    header = ["attack", "s", "p50", "p99", "max", "late", "list", "failed", "refused", "after", "back s"]
    header += ["peak MB", "grown", "lag ms", "held", "how the attacker's calls ended"]
    rows = [header, *(_row(sight) for sight in sights)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells, row[-1]]))
    return "\n".join(lines)


def _row(sight: Sight) -> list[str]:
    bounds = sight.attack.bounds
    answered = sorted(call.milliseconds for call in sight.during if call.status == "OK")
    honest = [*sight.during, *sight.after]
    failed = sum(is_failure(call, bounds.may_refuse_honest) for call in honest)
    refused = sum(call.status != "OK" for call in honest) - failed
    return [
        sight.attack.name,
        f"{sight.seconds:.1f}",
        *(
            _number(value)
            for value in (percentile(answered, 50), percentile(answered, 99), max(answered, default=None))
        ),
        _number(max((call.late_ms for call in sight.during), default=None)),
        _number(longest(sight.during, "ListModels")),
        "-" if bounds.ends_server else str(failed),
        str(refused),
        _number(max((call.milliseconds for call in sight.after if call.status == "OK"), default=None)),
        "-" if sight.back_seconds is None else f"{sight.back_seconds:.1f}",
        f"{sight.memory_peak_mb:.0f}",
        f"{sight.memory_peak_mb - sight.memory_before_mb:+.0f}",
        _number(sight.lag_ms),
        "NO" if violations(sight) else "yes",
        ", ".join(f"{number} {status}" for status, number in sight.outcome.statuses.most_common() if number),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


EXPLANATION = """\
p50, p99, max: latency of the honest client's calls during the attack, from when they were meant to start, ms; late: of
that the most that its own process took; list: longest ListModels; failed, refused: its calls, in the second after the
attack too; after: longest in that second; back s: until all was as before, from when the attacker stopped to send; peak
and growth of the server's memory; lag: of its event loop, at most; held: whether every bound did"""


def notes(sight: Sight) -> list[str]:
    """The attack in words, with its evidence, and what did not hold."""
    outcome = sight.outcome
    evidence = [f"{number:g} {what}" for what, number in outcome.evidence.items()]
    for what, latencies in (("answered", outcome.answered_ms), ("refused", outcome.refused_ms)):
        if latencies:
            ordered = sorted(latencies)
            evidence.append(f"{what} p50 {percentile(ordered, 50):.0f} p99 {percentile(ordered, 99):.0f} ms")
    if sight.num_log_lines:
        evidence.append(f"{sight.num_log_lines} lines of log")
    told = f"{sight.attack.name}: {sight.attack.what}"
    return [
        f"{told} ({', '.join(evidence)})" if evidence else told,
        *(f"    NOT HELD: {violation}" for violation in violations(sight)),
    ]

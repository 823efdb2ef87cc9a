"""The tables of what was done and what became of the calls."""

from collections import Counter
from collections.abc import Iterator

from tests.cluster.run import Outcome, Record

_MOST_SHOWN = 20


def tables(record: Record) -> str:
    """One of each way, and what did not hold."""
    lines = [line for outcome in record.outcomes for line in [*table(record, outcome), ""]]
    lines.append(f"{record.num_resumed} streams broke and went on where they were")
    lines += [f"left out: {what}" for what in record.left_out]
    problems = Counter(record.problems)
    lines += [f"DID NOT HOLD {number} times: {problem}" for problem, number in problems.most_common(_MOST_SHOWN)]
    return "\n".join(lines)


def table(record: Record, outcome: Outcome) -> Iterator[str]:
    yield f"{outcome.way:40}{'calls':>7}{'lost':>6}{'wrong':>7}{'p50 ms':>9}{'p99 ms':>9}{'longest ms':>12}"
    for phase in record.phases:
        calls = outcome.of(phase)
        lost = sum(bool(call.lost) for call in calls)
        wrong = sum(call in calls for call in outcome.wrong)
        longest = max((call.seconds for call in calls), default=0.0)
        p50, p99 = (1000 * outcome.percentile(phase, share) for share in (0.5, 0.99))
        yield f"{phase.what:40}{len(calls):7}{lost:6}{wrong:7}{p50:9.1f}{p99:9.1f}{1000 * longest:12.0f}"
    by_kind = Counter(call.request.kind for call in outcome.calls)
    kinds = ", ".join(f"{number} of kind {kind}" for kind, number in by_kind.items())
    lost = sum(bool(call.lost) for call in outcome.calls)
    yield f"{len(outcome.calls)} calls ({kinds}): {lost} lost, {len(outcome.wrong)} wrong"

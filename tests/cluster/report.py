"""The table of what was done and what became of the calls, and the picture of it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from tests.cluster.run import Outcome

_MOST_SHOWN = 20


def table(outcome: Outcome) -> str:
    lines = [
        f"{outcome.way:40}{'calls':>7}{'lost':>6}{'wrong':>7}{'p50 ms':>9}{'p99 ms':>9}{'longest ms':>12}",
    ]
    for phase in outcome.phases:
        calls = outcome.of(phase)
        lost = sum(bool(call.lost) for call in calls)
        wrong = sum(call in calls for call in outcome.wrong)
        longest = max((call.seconds for call in calls), default=0.0)
        p50, p99 = (1000 * outcome.percentile(phase, share) for share in (0.5, 0.99))
        lines.append(f"{phase.what:40}{len(calls):7}{lost:6}{wrong:7}{p50:9.1f}{p99:9.1f}{1000 * longest:12.0f}")
    by_kind = Counter(call.request.kind for call in outcome.calls)
    kinds = ", ".join(f"{number} of kind {kind}" for kind, number in by_kind.items())
    lost = sum(bool(call.lost) for call in outcome.calls)
    lines.append(f"{len(outcome.calls)} calls ({kinds}): {lost} lost, {len(outcome.wrong)} wrong")
    lines.append(f"{outcome.num_resumed} streams broke and went on where they were")
    lines += [f"left out: {what}" for what in outcome.left_out]
    problems = Counter(outcome.problems)
    lines += [f"DID NOT HOLD {number} times: {problem}" for problem, number in problems.most_common(_MOST_SHOWN)]
    return "\n".join(lines)


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """Calls a second of each server, by its own counters, and what sentences took, by the clients' clocks."""
    figure = Figure(figsize=(12, 4.5 * len(outcomes)), layout="constrained")
    all_axes = figure.subplots(2 * len(outcomes), 1, squeeze=False, sharex=False)[:, 0]
    for index, outcome in enumerate(outcomes):
        rates, times = all_axes[2 * index : 2 * index + 2]
        origin = outcome.phases[0].start
        for name, samples in sorted(outcome.series.samples.items()):
            # Over two seconds; a server that was started again counts from 0.
            pairs = [(old, new) for old, new in zip(samples, samples[4:], strict=False) if new.handled >= old.handled]
            at = [new.at - origin for _, new in pairs]
            rates.plot(at, [(new.handled - old.handled) / (new.at - old.at) for old, new in pairs], label=name)
        rates.set(title=outcome.way, ylabel="calls a second", ylim=(0, None))
        rates.legend(loc="upper right", fontsize="small")
        by_second = defaultdict(list)
        for call in outcome.calls:
            if call.request.kind == "sentence" and not call.lost:
                by_second[int(call.due - origin)].append(1000 * call.seconds)
        seconds = sorted(by_second)
        times.plot(seconds, [sorted(by_second[one])[len(by_second[one]) // 2] for one in seconds], label="median")
        times.plot(seconds, [max(by_second[one]) for one in seconds], label="longest", linewidth=0.8)
        times.set(ylabel="ms for a sentence", xlabel="seconds", yscale="log")
        times.legend(loc="upper right", fontsize="small")
        for axes in (rates, times):
            axes.set_xlim(0, outcome.phases[-1].end - origin)
            for phase in outcome.phases[1:]:
                axes.axvline(phase.start - origin, color="grey", linewidth=0.6, linestyle=":")
        for phase in outcome.phases[1:]:
            place = phase.start - origin, times.get_ylim()[1]
            times.annotate(phase.what, place, rotation=90, va="top", fontsize=7, color="grey")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)

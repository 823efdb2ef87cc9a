"""The table of what held."""

from collections import Counter, defaultdict

from tests.together.run import Outcome

_MOST_SHOWN = 20


def report(outcome: Outcome) -> str:
    """What was asked and told, client by client; what was changed; memory; and what did not hold."""
    codes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for asked in outcome.asked:
        codes[asked.client][asked.code] += 1
    refused = sorted({code for told in codes.values() for code in told} - {"OK"})
    lines = [f"{'client':32}{'right answers':>14}" + "".join(f"{code:>20}" for code in refused)]
    wrong = Counter(one.client for one in outcome.wrong if one.code == "OK")
    for client, told in codes.items():
        lines.append(f"{client:32}{told['OK'] - wrong[client]:14}" + "".join(f"{told[code]:20}" for code in refused))
    lines.append("")
    lines += [f"{number:4} times {kind}" for kind, number in outcome.changes.done.items()]
    before, after = outcome.megabytes
    lines += ["", f"memory of all processes: {before:.0f} MB before, {after:.0f} MB after"]
    total, seconds = len(outcome.asked), outcome.seconds
    lines.append(f"{total} requests in {seconds:.0f} s; {len(outcome.wrong)} wrong answers or unexplained refusals")
    lines += [
        f"DID NOT HOLD {number} times: {problem}"
        for problem, number in Counter(outcome.problems).most_common(_MOST_SHOWN)
    ]
    return "\n".join(
        [*lines, "all of it held" if not outcome.problems else f"{len(outcome.problems)} things did not hold"]
    )

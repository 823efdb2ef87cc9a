"""Which architecture to take when, in plain words, from the numbers of one run."""

import math
from collections.abc import Sequence

from loadtest.report.findings import Findings, common_points
from loadtest.report.knees import GOAL, Knee, point_at
from loadtest.report.points import Setting
from loadtest.report.words import listed, milliseconds, plain_rate, rate_words

RATES = (50, 500, 1500)
"""Sentences a second that advice is given for."""

SAME_BLEU = 1.0
"""Models whose BLEU differs by less are as good as each other: about what resampling a test set changes."""

WITHOUT_CACHE = "-without-cache"
"""End of the architecture's name of a model that computes its whole prefix anew at each step."""


def advise(findings: Findings) -> list[str]:
    """A sentence or two for each rate, and for each choice that costs something."""
    return [
        *(advise_at(findings, rate) for rate in RATES if findings.main_knees),
        *cache_words(findings),
        *beam_words(findings),
    ]


def advise_at(findings: Findings, rate: float) -> str:
    """What to take for so many sentences a second: the best translations among those that hold it, and of models that
    are as good, or of which no BLEU is known, the one that answers soonest."""
    start = f"**{plain_rate(rate)} sentences a second:**"
    able = [knee for knee in findings.main_knees if knee.rate >= rate]
    if not able:
        return f"{start} {_on_several_machines(findings, rate)}"
    fastest = min(able, key=lambda knee: _p99(findings, knee, rate))
    best = _best(findings, able, rate)
    words = f"{start} take **{findings.labels[best.model]}** ({_facts(findings, best, rate)})."
    if fastest is not best:
        words += f" Soonest answers: {findings.labels[fastest.model]} ({_facts(findings, fastest, rate)})."
    words += _better_elsewhere(findings, best, rate)
    missing = [findings.labels[knee.model] for knee in findings.main_knees if knee.rate < rate]
    return words + (f" Too slow for it here: {listed(missing)}." if missing else "")


def _better_elsewhere(findings: Findings, chosen: Knee, rate: float) -> str:
    """The model with better translations that holds the rate on several machines alone, if there is one."""
    best = _best(findings, [knee for knee in findings.main_knees if knee.point], 0)
    scores = findings.model_bleu(best.model), findings.model_bleu(chosen.model)
    if best.rate >= rate or scores[0] is None or scores[0] < (scores[1] or 0.0) + SAME_BLEU:
        return ""
    machines = math.ceil(rate / best.rate)
    return f" Better translations: {findings.labels[best.model]} (BLEU {scores[0]:.1f}) on {machines} such machines."


def _on_several_machines(findings: Findings, rate: float) -> str:
    """Advice where no knee reaches the rate."""
    held = [knee for knee in findings.main_knees if knee.point]
    if not held:
        return f"none of the models held any measured rate with {GOAL}."
    fewest = max(held, key=lambda knee: knee.rate)
    if fewest.broken is None:
        return (
            f"not measured. {findings.labels[fewest.model]} held {rate_words(fewest.rate)}, the highest rate that was "
            "offered to it and can be believed."
        )
    best = _best(findings, held, 0)
    words = (
        f"more than this machine holds with any model. Take **{findings.labels[fewest.model]}** on "
        f"{math.ceil(rate / fewest.rate)} such machines ({rate_words(fewest.rate)} each)"
    )
    if best is not fewest:
        words += f", or for better translations {findings.labels[best.model]} on {math.ceil(rate / best.rate)}"
    return words + "."


def _best(findings: Findings, knees: Sequence[Knee], rate: float) -> Knee:
    scores = {knee.model: findings.model_bleu(knee.model) for knee in knees}
    known = [score for score in scores.values() if score is not None]
    if not known:
        return min(knees, key=lambda knee: _p99(findings, knee, rate))
    good = [knee for knee in knees if (scores[knee.model] or 0.0) > max(known) - SAME_BLEU]
    return min(good, key=lambda knee: _p99(findings, knee, rate))


def _p99(findings: Findings, knee: Knee, rate: float) -> float:
    point = point_at(findings.of(findings.main)[knee.model], rate)
    return point.p99 if point else math.inf


def _facts(findings: Findings, knee: Knee, rate: float) -> str:
    """The BLEU, the latency at the lowest measured rate that is at least `rate`, and the knee of one model."""
    point = point_at(findings.of(findings.main)[knee.model], rate)
    bleu = findings.model_bleu(knee.model)
    facts = [f"BLEU {bleu:.1f}"] if bleu is not None else []
    if point:
        where = "" if point.rate == rate else f" at {rate_words(point.rate)}"
        facts.append(f"p50 {milliseconds(point.p50)} and p99 {milliseconds(point.p99)} ms{where}")
    return "; ".join([*facts, f"holds {knee.at_least}"])


def cache_words(findings: Findings) -> list[str]:
    """What the KV cache is worth: a model against the one of the same architecture without it."""
    architectures = {point.case.model: point.case.architecture for point in findings.points}
    knees = {architectures[knee.model]: knee for knee in findings.main_knees}
    words = []
    for architecture, bare in knees.items():
        cached = knees.get(architecture.removesuffix(WITHOUT_CACHE))
        if cached is None or cached is bare or not cached.point:
            continue
        name = findings.labels[cached.model]
        limit = bare.at_least if bare.point else "no measured rate"
        times = f", {cached.rate / bare.rate:.1f} times as much" if bare.point and cached.rate > bare.rate else ""
        words.append(f"**The KV cache:** {name} holds {cached.at_least} with it and {limit} without{times}.")
    return words


def beam_pairs(findings: Findings) -> list[tuple[Setting, Setting]]:
    """Settings with a beam, each with its greedy one."""
    return [
        (greedy, beam)
        for beam in findings.settings
        for greedy in findings.settings
        if greedy.is_greedy and not beam.is_greedy and greedy[:2] == beam[:2]
    ]


def beam_words(findings: Findings) -> list[str]:
    """What a beam costs each model that was driven with it, in p50 under light load and in the knee."""
    words = []
    for greedy, beam in beam_pairs(findings):
        if findings.main is None or greedy[:2] != findings.main[:2]:
            continue
        knees = {knee.model: knee.rate for knee in findings.knees(greedy)}
        costs = []
        for knee in findings.knees(beam):
            own = {"greedy": findings.of(greedy).get(knee.model, []), "beam": findings.of(beam)[knee.model]}
            pair = common_points(own, highest=False)
            if len(pair) < 2 or not math.isfinite(pair["greedy"].p50 + pair["beam"].p50):
                continue
            cost = f"{pair['beam'].p50 / pair['greedy'].p50:.1f} times the p50"
            if knee.point and knee.broken and knees.get(knee.model):
                cost += f" and {knee.rate / knees[knee.model]:.0%} of the knee"
            gain = _gain(findings.bleu(pair["greedy"]), findings.bleu(pair["beam"]))
            costs.append(f"{findings.labels[knee.model]} {cost}{gain}")
        if costs:
            words.append(f"**What {beam.decoding_words} costs**, against greedy decoding: {'; '.join(costs)}.")
    return words


def _gain(greedy: float | None, beam: float | None) -> str:
    return f" for {beam - greedy:+.1f} BLEU" if greedy is not None and beam is not None else ""

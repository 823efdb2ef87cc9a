"""Numbers as a reader has them: with as many digits as mean something, and a dash for what is not known."""

import math

NOTHING = "-"


def milliseconds(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def plain_rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def rate_words(value: float) -> str:
    return f"{plain_rate(value)} a second"


def share(value: float | None) -> str:
    if value is None:
        return NOTHING
    return "0" if value == 0 else f"{value:.2%}" if abs(value) < 0.01 else f"{value:.0%}"


def number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))

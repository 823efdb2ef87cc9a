"""Loads that change in time: steps, ramps, spikes, and one level for long."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_PART = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?x(\d{1,6}(?:\.\d{1,3})?)")


class Part(NamedTuple):
    first: int
    """Users at its beginning."""
    last: int
    """And at its end, to which their number grows or falls evenly."""
    seconds: float


def users_at(parts: Sequence[Part], seconds: float) -> int | None:
    """None behind the last part."""
    for part in parts:
        if seconds < part.seconds:
            return round(part.first + (part.last - part.first) * seconds / part.seconds)
        seconds -= part.seconds
    return None


def parse_shape(text: str) -> list[Part]:
    """Parts with commas between, each `<users>x<seconds>`, or `<users>-<users>x<seconds>` for a ramp. Raises
    ValueError."""
    parts = []
    for written in text.split(","):
        match = _PART.fullmatch(written.strip())
        if not match or not float(match[3]):
            raise ValueError(f"--shape: parts such as 50x30 or 50-500x120 expected, got {written!r}")
        parts.append(Part(int(match[1]), int(match[2] or match[1]), float(match[3])))
    return parts

"""How many examples a test has that Hypothesis makes examples for."""

from hypothesis import settings


def examples(times: int) -> settings:
    """So many times as many as others have: 40 each, and by night 100."""
    return settings(max_examples=times * settings().max_examples)

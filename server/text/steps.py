"""Work that may take long, as a generator: it yields wherever somebody else may have a turn, and returns its result."""

from collections.abc import Generator
from typing import TypeVar

_Result = TypeVar("_Result")

Steps = Generator[None, None, _Result]
"""Between two yields there is work of a few milliseconds at most, whatever the request."""

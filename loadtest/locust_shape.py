"""A load that changes in time, as Locust takes it.

In a file of its own: Locust would use any shape that it finds in its locustfile, and changes the interpreter when it is
imported.
"""

from collections.abc import Sequence

from locust import LoadTestShape

from loadtest.shapes import Part, users_at


class PiecewiseShape(LoadTestShape):
    """One part after the other; the run ends with the last one."""

    def __init__(self, parts: Sequence[Part]) -> None:
        super().__init__()
        self._parts = parts

    def tick(self) -> tuple[int, float] | None:
        """Users now, and how many of them may start a second: all at once, as a spike is steep."""
        users = users_at(self._parts, self.get_run_time())
        return None if users is None else (users, float(max(users, 1)))

"""What an engine's loop fetches, when it waits, and how it ends."""

from collections.abc import Callable

import pytest

from server.errors import EngineLost, NotServing, SentenceFailed
from tests.fakes import EOS
from tests.integration.running_engine import Running, endless


def test_closing_finishes_what_is_in_and_refuses_what_comes() -> None:
    made = Running(max_rows=1)
    made.submit(endless(1), endless(2), [3, 4, EOS])
    made.turn()
    made.engine.begin_closing()
    with pytest.raises(NotServing):
        made.submit(endless(3))
    made.run()
    made.assert_translated(endless(1), endless(2), [3, 4, EOS])


def nothing() -> None:
    """Is fetched."""


class Fetching:
    """An engine, and what it fetches."""

    def __init__(self, *brought: Callable[[], object]) -> None:
        """`brought` by one call of `fetch` after the other; any more break the loop."""
        self._brought = iter(brought)
        self.waits: list[bool] = []
        """What `fetch` was told."""
        self.made = Running(fetch=self._fetch)

    def _fetch(self, wait: bool) -> None:
        self.waits.append(wait)
        next(self._brought)()


def test_it_fetches_before_every_step_and_waits_where_there_is_nothing_to_do() -> None:
    fetching = Fetching(
        lambda: fetching.made.submit([1, 5, EOS]),  # two steps
        nothing,
        nothing,
        lambda: fetching.made.submit([1, 6, EOS]),
        nothing,
        nothing,
        lambda: fetching.made.engine.begin_closing(),
    )
    assert fetching.made.engine.run()
    assert fetching.waits == [True, False, True, True, False, True, True]
    fetching.made.assert_translated([1, 5, EOS], [1, 6, EOS])


def test_while_it_closes_it_fetches_without_waiting() -> None:
    fetching = Fetching(
        lambda: fetching.made.submit([1, 5, EOS]),
        lambda: fetching.made.engine.begin_closing(),
        nothing,
    )
    assert fetching.made.engine.run()
    assert fetching.waits == [True, False, False]
    fetching.made.assert_translated([1, 5, EOS])


def test_an_idle_engine_closes_at_once_and_may_be_closed_again() -> None:
    fetching = Fetching(nothing, nothing)
    for _ in range(2):
        fetching.made.engine.begin_closing()
        assert fetching.made.engine.run()
    assert fetching.waits == [False, False]
    with pytest.raises(NotServing):
        fetching.made.submit(endless(1))


def test_steps_that_fail_in_a_row_break_the_loop_which_tells_every_open_sentence_and_refuses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = Running(max_rows=1)
    made.submit([1, 7, EOS])
    made.turn()
    ids = made.submit(*map(endless, range(4)))
    made.backend.step_error = RuntimeError("secret of the backend")
    assert not made.engine.run()
    assert made.engine.run(), "nothing is left that could fail once more"
    assert made.metric("waiting") == made.metric("reserved_rows") == 0
    errors = [made.outcomes.failed(key).error for key in [(1, 7, EOS), *map(tuple, map(endless, range(4)))]]
    assert [type(error) for error in errors] == [SentenceFailed, SentenceFailed, *[EngineLost] * 3]
    assert not any("secret" in str(error) for error in errors)
    with pytest.raises(NotServing):
        made.submit(endless(5))
    num_left = made.metric("rows_left_total")
    made.engine.cancel(ids)
    assert made.metric("rows_left_total") == num_left, "all have ended"
    assert "secret of the backend" in caplog.text

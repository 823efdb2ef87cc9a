import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from seq2serve.in_order import in_order
from tests.fakes import PATIENCE


def test_results_come_in_the_order_of_their_items_whichever_is_ready_first() -> None:
    def work(number: int) -> int:
        time.sleep(0.02 * (number % 3 == 0))
        return number * number

    results = [(item, result.result()) for item, result in in_order(work, range(20), 4)]
    assert results == [(number, number * number) for number in range(20)]


def test_as_many_as_there_are_threads_are_worked_on_at_a_time() -> None:
    together = threading.Barrier(4, timeout=PATIENCE)
    assert sum(result.result() >= 0 for _, result in in_order(lambda _: together.wait(), range(8), 4)) == 8


def test_no_result_waits_for_an_item_that_is_not_there_yet() -> None:
    may_go_on = threading.Event()

    def items() -> Iterator[str]:
        yield "first"
        assert may_go_on.wait(PATIENCE)
        yield "second"

    results = in_order(str.upper, items(), 4)
    assert next(results)[1].result() == "FIRST"
    may_go_on.set()
    assert next(results)[1].result() == "SECOND"


def test_few_items_are_taken_before_somebody_takes_results() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    with closing(in_order(abs, items(), 4)) as results:
        next(results)
        time.sleep(0.1)
        assert len(taken) <= 7


def test_what_an_item_ends_with_is_its_own_and_what_the_items_end_with_comes_last() -> None:
    def items() -> Iterator[int]:
        yield from (1, 0)
        raise OSError("the disk is gone")

    results = in_order(lambda number: 1 // number, items(), 2)
    assert next(results)[1].result() == 1
    assert isinstance(next(results)[1].exception(), ZeroDivisionError)
    with pytest.raises(OSError, match="the disk is gone"):
        next(results)

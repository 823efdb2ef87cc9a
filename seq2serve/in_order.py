"""Several calls at a time, whose results come in the order of what they were asked for."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue
from threading import Thread
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], num_threads: int
) -> Generator[tuple[_Item, Future[_Result]], None, None]:
    """Each item with what `work` makes of it. Raises what `items` raises, after all that came before.

    Items are taken on a thread of their own, so that no result waits for an item that is not there yet, and no more
    than two ahead of those that are worked on. Where nobody takes the results any more, the thread is left behind.
    """
    pool = ThreadPoolExecutor(num_threads)
    begun: Queue[tuple[_Item, Future[_Result]] | Exception | None] = Queue(num_threads)

    def take() -> None:
        end: Exception | None = None
        try:
            for item in items:
                begun.put((item, pool.submit(work, item)))
        except Exception as error:  # for who takes the results; also of a pool that was shut because nobody does
            end = error
        begun.put(end)

    Thread(target=take, daemon=True).start()
    try:
        while next_one := begun.get():
            if isinstance(next_one, Exception):
                raise next_one
            yield next_one
    finally:
        pool.shutdown(wait=False, cancel_futures=True)

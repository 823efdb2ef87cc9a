"""Clients of other protocols, as they are published, in a process of their own: two definitions of one protocol, theirs
and the server's, have no place in one process."""

import asyncio
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from tests.fakes import PATIENCE

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class ClientProcess:
    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    async def run(
        self, function: Callable[_Parameters, _Result], *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> _Result:
        """What a function returns that is called in the client's process, where it may import the client."""
        future: Any = self._pool.submit(function, *args, **kwargs)
        return await asyncio.wait_for(asyncio.wrap_future(future), 2 * PATIENCE)


@contextmanager
def client_process() -> Iterator[ClientProcess]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield ClientProcess(pool)

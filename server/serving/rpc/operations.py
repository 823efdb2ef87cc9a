"""What the running batches are, for whoever watches them. Engines are asked while somebody watches, and never else."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from seq2serve.pb import operations_pb2 as pb
from seq2serve.pb import operations_pb2_grpc as pb_grpc
from server.errors import NotServing
from server.messages.batch_state import SentenceState
from server.serving.access.caller import Caller
from server.serving.engines.processes import EngineBatch
from server.serving.requests.admission import Shares
from server.serving.rpc.call import current_call

if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[Any, Any]

OPERATIONS = pb.DESCRIPTOR.services_by_name["OperationsService"].full_name

INTERVAL_SECONDS = 0.2
"""Between two looks at the engines."""

MAX_WATCHERS = 16
"""Calls that watch at a time, shared between callers. A gateway has one for all of its pages."""

Look = Callable[[], Sequence[EngineBatch]]
"""Takes what the engines have answered to the look before, and asks them again."""


class OperationsService(pb_grpc.OperationsServiceServicer):
    """Used on the event loop's thread alone. However many watch, engines are asked once, and answers are written
    once."""

    def __init__(self, look: Look, draining: asyncio.Event) -> None:
        """`draining`: set when the server ends; who watches is told NotServing then."""
        self._look = look
        self._draining = draining
        self._watchers = Shares(MAX_WATCHERS, "watches of batches", "open")
        self._looking: asyncio.Task[None] | None = None
        self._next: asyncio.Future[pb.WatchBatchesResponse]
        self._began = time.monotonic()

    async def WatchBatches(
        self, request: pb.WatchBatchesRequest, context: "_Context"
    ) -> AsyncGenerator[pb.WatchBatchesResponse, None]:
        call = current_call.get()
        with self._watching(call.caller):
            while not self._draining.is_set():
                yield await asyncio.shield(self._next)
                call.caller.require(call.role)  # which may have been taken away meanwhile
        raise NotServing

    @property
    def is_looking(self) -> bool:
        """Whether engines are asked, because somebody watches."""
        return self._looking is not None

    @contextlib.contextmanager
    def _watching(self, caller: Caller) -> Iterator[None]:
        """Inside, there is a next answer. Raises Overloaded."""
        self._watchers.enter(caller)
        try:
            if self._looking is None:
                self._next = asyncio.get_running_loop().create_future()
                self._looking = asyncio.create_task(self._look_on())
            yield
        finally:
            self._watchers.leave(caller)
            if self._looking and not self._watchers.number:
                self._looking.cancel()
                self._looking = None

    async def _look_on(self) -> None:
        """Answer whoever watches, again and again. Never ends by itself."""
        self._look()  # what there is from when somebody watched before
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            batches = sorted(self._look(), key=lambda batch: batch[:3])
            answered, self._next = self._next, asyncio.get_running_loop().create_future()
            answered.set_result(pb.WatchBatchesResponse(batches=[self._batch(batch) for batch in batches]))

    def _batch(self, batch: EngineBatch) -> pb.Batch:
        state = batch.state
        return pb.Batch(
            model=batch.model,
            model_version=batch.version,
            engine=batch.engine,
            milliseconds=self._milliseconds(state.now),
            max_rows=state.max_rows,
            running=self._sentences(state.running),
            left=self._sentences(state.left),
            next=self._sentences(state.next),
            waiting_count=state.num_waiting,
            joined_count=state.num_joined,
            left_count=state.num_left,
            output_token_count=state.num_output_tokens,
        )

    def _sentences(self, states: Iterable[SentenceState]) -> list[pb.BatchSentence]:
        return [
            pb.BatchSentence(
                id=state.id,
                rows=state.num_rows,
                reserved_rows=state.num_reserved_rows,
                source_token_count=state.num_source_tokens,
                output_token_count=state.num_output_tokens,
                is_bulk=state.is_bulk,
                submitted_milliseconds=self._milliseconds(state.submitted),
                joined_milliseconds=self._milliseconds(state.joined),
                left_milliseconds=self._milliseconds(state.left),
            )
            for state in states
        ]

    def _milliseconds(self, seconds: float) -> float:
        """A time on the engines' clock as callers are told it, without how long this machine has been on; 0 stays
        0."""
        return 1000 * (seconds - self._began) if seconds else 0.0

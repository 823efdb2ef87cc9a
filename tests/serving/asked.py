"""A service for streams of many requests that answers when it is let to."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from google.protobuf.wrappers_pb2 import StringValue

from server.errors import InvalidRequest
from server.keys.key_file import TRANSLATE
from server.serving.access.caller import Caller
from server.serving.access.refusals import RefusalLog
from server.serving.metrics import Metrics
from server.serving.requests.admission import Admission
from server.serving.rpc.call import Call, current_call
from server.serving.rpc.exchange import Exchange
from server.serving.rpc.failures import Failures

CALLER = Caller("ipv4:127.0.0.1:40000")


class Asked:
    """A service that answers a request when it is let to, and remembers which it has begun and which were cancelled."""

    def __init__(self, max_calls: int = 1000, max_bytes: int = 1_000_000) -> None:
        current_call.set(Call("id of the call", CALLER, float("inf"), TRANSLATE))
        self.admission = Admission(max_calls, max_bytes)
        self.draining = asyncio.Event()
        self.metrics = Metrics()
        self.exchange = Exchange(self.admission, self.draining, Failures(self.metrics, RefusalLog()))
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self.num_read = 0
        self.may_end: dict[str, asyncio.Event] = {}

    def hold(self, *names: str) -> None:
        self.may_end |= {name: asyncio.Event() for name in names}

    async def requests(
        self, *names: str, then: Exception | None = None, for_ever: bool = False
    ) -> AsyncIterator[StringValue]:
        for name in names:
            self.num_read += 1
            yield StringValue(value=name)
        if then:
            raise then
        if for_ever:
            await asyncio.Event().wait()

    async def answer(self, request: StringValue) -> AsyncGenerator[str, None]:
        name = request.value
        self.begun.append(name)
        try:
            if name.startswith("bad"):
                raise InvalidRequest("name", "a good one expected")
            if name.startswith("broken"):
                raise KeyError("a secret")
            if name in self.may_end:
                await self.may_end[name].wait()
            yield name
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise

    def answers(self, requests: AsyncIterator[StringValue]) -> AsyncGenerator[str, None]:
        return self.exchange.answers(requests, self.answer, lambda request, error: f"{request.value}: {error}")

    def is_free(self) -> bool:
        """Whether nothing is admitted any more."""
        return not self.admission.num_calls and not self.admission.num_bytes


async def turns(number: int = 20) -> None:
    for _ in range(number):
        await asyncio.sleep(0)

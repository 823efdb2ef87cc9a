"""The health service: what is asked and watched, and that nobody who watches holds up anybody."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.serving.rpc.health import Health
from tests.fakes import PATIENCE
from tests.integration.served import refusal
from tests.raw_http2 import UnreadingClient
from tests.serving.surrounded import Surrounded, surrounding

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Watched:
    """A health service on a socket, and its clients."""

    def __init__(self, surrounded: Surrounded) -> None:
        self.health = Health(["a.Service"])
        self.address = surrounded.address
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, cast(grpc.Server, surrounded.calls))
        self._stub: Any = health_pb2_grpc.HealthStub(cast(Any, surrounded.channel))

    async def check(self, service: str) -> int:
        answer = await self._stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE)
        status: int = answer.status
        return status

    def watch(self, service: str) -> AsyncIterator[Any]:
        return aiter(self._stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE))


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    async with surrounding() as surrounded:
        yield Watched(surrounded)


async def test_services_serve_as_long_as_any_model_does(watched: Watched) -> None:
    watched.health.tell({"one": True, "other": False})
    assert [await watched.check(name) for name in ("", "a.Service", "model:one")] == 3 * [SERVING]
    assert await watched.check("model:other") == NOT_SERVING
    watched.health.tell({"one": False, "other": False})
    assert [await watched.check(name) for name in ("", "a.Service", "model:one")] == 3 * [NOT_SERVING]


async def test_what_nobody_has_told_of_is_not_found_and_can_be_watched(watched: Watched) -> None:
    assert (await refusal(watched.check("model:later")))[0] is grpc.StatusCode.NOT_FOUND
    states = watched.watch("model:later")
    assert (await anext(states)).status == SERVICE_UNKNOWN
    watched.health.tell({"later": True})
    assert (await anext(states)).status == SERVING


async def test_every_watcher_hears_of_changes_and_of_nothing_else(watched: Watched) -> None:
    watched.health.tell({"one": True, "other": True})
    watchers = [watched.watch("model:one") for _ in range(20)]
    assert {(await anext(states)).status for states in watchers} == {SERVING}
    watched.health.tell({"one": True, "other": False})
    await asyncio.sleep(0.02)
    watched.health.tell({"one": False, "other": False})
    assert {(await anext(states)).status for states in watchers} == {NOT_SERVING}


async def test_a_newer_status_replaces_one_that_is_not_sent() -> None:
    health = Health([])
    health.tell({"one": True})
    states: Any = health.servicer.Watch(health_pb2.HealthCheckRequest(), cast(Any, None))
    assert (await anext(states)).status == SERVING
    for serves in (False, True, False):  # while the first is on its way
        health.tell({"one": serves})
    assert (await anext(states)).status == NOT_SERVING
    for serves in (True, False):
        health.tell({"one": serves})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(states), 0.05)


async def test_after_a_drain_nothing_serves_whatever_is_told(watched: Watched) -> None:
    watched.health.tell({"one": True})
    watched.health.drain()
    watched.health.tell({"one": True, "two": True})
    assert [await watched.check(name) for name in ("", "a.Service", "model:one")] == 3 * [NOT_SERVING]


async def test_a_watcher_that_takes_no_message_holds_up_nobody(watched: Watched) -> None:
    watched.health.tell({"one": True})
    async with UnreadingClient(watched.address) as unreading:
        await unreading.call("/grpc.health.v1.Health/Watch", health_pb2.HealthCheckRequest())
        states = watched.watch("")
        assert (await anext(states)).status == SERVING
        watched.health.tell({"one": False})
        assert (await anext(states)).status == NOT_SERVING
        watched.health.tell({"one": True})
        assert (await anext(states)).status == SERVING
        watched.health.drain()
        assert (await anext(states)).status == NOT_SERVING

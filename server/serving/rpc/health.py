"""grpc.health.v1: whether the service as a whole and each of its models is served."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_Response = health_pb2.HealthCheckResponse

if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[Any, Any]


class HealthServicer(health_pb2_grpc.HealthServicer):
    """The methods of the health service. Used on the event loop's thread alone, and without locks: a client that
    watches and takes no message holds up its own call and nothing else."""

    def __init__(self) -> None:
        self._is_serving: dict[str, bool] = {}
        self._is_draining = False
        self._changed = asyncio.Event()
        """Set, and replaced by another one, when a status may have changed."""

    def set(self, is_serving: Mapping[str, bool]) -> None:
        """Set the statuses of services, by their names. Others stay."""
        self._is_serving |= is_serving
        self._wake_watchers()

    def drain(self) -> None:
        """Answer from now on that no known service serves, whatever is set later."""
        self._is_draining = True
        self._wake_watchers()

    def _wake_watchers(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(self, request: Any, context: "_Context") -> Any:
        if request.service not in self._is_serving:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return _Response(status=self._status(request.service))

    async def Watch(self, request: Any, context: "_Context") -> AsyncIterator[Any]:
        """The status of a service, and each other one that it has later. One that has changed again before the client
        could take it is left out."""
        told = None
        while True:
            changed, status = self._changed, self._status(request.service)
            if status != told:
                yield _Response(status=status)
                told = status
            await changed.wait()

    def _status(self, service: str) -> Any:
        is_serving = self._is_serving.get(service)
        if is_serving is None:
            return _Response.SERVICE_UNKNOWN
        return _Response.SERVING if is_serving and not self._is_draining else _Response.NOT_SERVING


class Health:
    """The health service: answers for `""` and for the services' names, all of which serve as long as any model is
    served, and for `model:<name>`, `model:<name>@<version>` and `model:<name>@<label>`.

    A server that has lost one model is still the best place for calls of the others. A load balancer that is to lead
    calls of the lost one elsewhere asks for `model:<name>`.
    """

    def __init__(self, services: Collection[str]) -> None:
        """`services`: the full names of the gRPC services that models answer."""
        self._services = services
        self.servicer = HealthServicer()
        self._told: dict[str, bool] = {}

    def tell(self, is_serving: Mapping[str, bool]) -> None:
        """Set the health of the services, and of all that a request may name as its model. What was told before and is
        left out now is served no longer."""
        told = {f"model:{name}": serves for name, serves in is_serving.items()}
        told |= dict.fromkeys(("", *self._services), any(is_serving.values()))
        self._told = dict.fromkeys(self._told, False) | told
        self.servicer.set(self._told)

    def drain(self) -> None:
        """Answer from now on that nothing is served, whatever `tell` says later."""
        self.servicer.drain()

"""grpc.health.v1: whether the service as a whole and each of its models is served."""

from collections.abc import Collection, Mapping

from grpc_health.v1 import health, health_pb2

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """The health service: answers for `""` and for the services' names, all of which serve as long as any model is
    served, and for `model:<name>`, `model:<name>@<version>` and `model:<name>@<label>`.

    A server that has lost one model is still the best place for calls of the others. A load balancer that is to lead
    calls of the lost one elsewhere asks for `model:<name>`.
    """

    def __init__(self, services: Collection[str]) -> None:
        """`services`: the full names of the gRPC services that models answer."""
        self._services = services
        self.servicer = health.aio.HealthServicer()
        self._told: dict[str, bool] = {}

    async def tell(self, is_serving: Mapping[str, bool]) -> None:
        """Set the health of the services, and of all that a request may name as its model. What was told before and is
        left out now is served no longer."""
        told = {f"model:{name}": serves for name, serves in is_serving.items()}
        told |= dict.fromkeys(("", *self._services), any(is_serving.values()))
        told = dict.fromkeys(self._told, False) | told
        changed = [name for name, serves in told.items() if self._told.get(name) != serves]
        self._told = told
        for name in changed:
            await self.servicer.set(name, _SERVING if told[name] else _NOT_SERVING)

    async def drain(self) -> None:
        """Answer from now on that nothing is served, whatever `tell` says later."""
        await self.servicer.enter_graceful_shutdown()

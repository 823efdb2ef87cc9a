"""grpc.health.v1: whether the service as a whole and each of its models is served."""

from collections.abc import Collection, Mapping

from grpc_health.v1 import health, health_pb2

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """The health service: answers for `""` and for the services' names, all of which serve as long as any model is
    served, and for `model:<name>`.

    A server that has lost one model is still the best place for calls of the others. A load balancer that is to lead
    calls of the lost one elsewhere asks for `model:<name>`.
    """

    def __init__(self, services: Collection[str]) -> None:
        """`services`: the full names of the gRPC services that models answer."""
        self._services = services
        self.servicer = health.aio.HealthServicer()

    async def tell(self, num_serving: Mapping[str, int]) -> None:
        """Set the health of every model and of the services. `num_serving`: engines that serve, by model."""
        is_serving = {f"model:{name}": bool(number) for name, number in num_serving.items()}
        is_serving |= dict.fromkeys(("", *self._services), any(is_serving.values()))
        for name, serves in is_serving.items():
            await self.servicer.set(name, _SERVING if serves else _NOT_SERVING)

    async def drain(self) -> None:
        """Answer from now on that nothing is served, whatever `tell` says later."""
        await self.servicer.enter_graceful_shutdown()

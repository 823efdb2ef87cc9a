"""grpc.health.v1: whether the service as a whole and each of its models is served."""

from collections.abc import Mapping

from grpc_health.v1 import health, health_pb2

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """Answers for `""` and the service, which serve as long as any model is served, and for `model:<name>`.

    A server with one model less is still the best place for calls of the others: who wants to be led away from it asks
    for the model.
    """

    def __init__(self, service: str) -> None:
        """`service`: the full name of the gRPC service."""
        self._service = service
        self.servicer = health.aio.HealthServicer()

    async def tell(self, num_serving: Mapping[str, int]) -> None:
        """`num_serving`: engines that serve, by model."""
        is_serving = {f"model:{name}": bool(number) for name, number in num_serving.items()}
        is_serving |= dict.fromkeys(("", self._service), any(is_serving.values()))
        for name, serves in is_serving.items():
            await self.servicer.set(name, _SERVING if serves else _NOT_SERVING)

    async def drain(self) -> None:
        """Nothing is served from now on, whatever is told."""
        await self.servicer.enter_graceful_shutdown()

"""Health checks at an address of their own, in plain: for probes that know neither TLS nor certificates, as those of
Kubernetes and of containers. Nothing else is served there."""

from typing import cast

import grpc
from grpc_health.v1 import health_pb2_grpc

from seq2serve.addresses import Address, parse_address
from server.serving.metrics import Metrics
from server.serving.requests.admission import Admission
from server.serving.rpc.calls import Calls
from server.serving.rpc.health import Health
from server.serving.rpc.listen import TransportLimits, channel_options
from server.serving.sockets import listen_for_rpcs, num_endpoints

_SETTING = "health_listen"
_MAX_REQUEST_BYTES = 10_000

MAX_CONNECTIONS = 64
"""Connections at a time. Whoever reaches the address needs nothing to open one, and must not leave the server without
file descriptors for all others."""


class Probes:
    """A gRPC server beside the one for everybody: `start`, then `stop`."""

    def __init__(self, listen: str, max_streams: int, max_connection_age_seconds: int) -> None:
        """`listen`: as the setting says. Raises ValueError for an address that is none."""
        self._address = parse_address(_SETTING, listen)
        self._limits = TransportLimits(_MAX_REQUEST_BYTES, max_streams, max_connection_age_seconds)
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> Address:
        """Where it listens, once it has started with its own port."""
        return self._address

    async def start(self, health: Health, metrics: Metrics) -> None:
        """Raises OSError for an address that is taken."""
        calls = Calls(metrics, Admission(max_calls=1, max_bytes=1), bounded=(), max_seconds=0)
        health_pb2_grpc.add_HealthServicer_to_server(health.servicer, cast(grpc.Server, calls))
        max_connections = MAX_CONNECTIONS // num_endpoints(_SETTING, self._address)
        options = [*channel_options(self._limits), ("grpc.max_allowed_incoming_connections", max_connections)]
        self._server = grpc.aio.server(handlers=[calls], options=options)
        self._address = listen_for_rpcs(self._server, _SETTING, self._address)
        await self._server.start()

    async def stop(self) -> None:
        if self._server:
            await self._server.stop(None)

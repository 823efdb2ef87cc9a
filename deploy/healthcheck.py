"""python -m deploy.healthcheck: exits with 0 if the server in this container, asked where it listens for health checks,
says that it is serving. Knows the health protocol alone."""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from seq2serve.addresses import parse_target

_DEADLINE_SECONDS = 2


def main() -> None:
    # Where there is no such address, health is asked for where gRPC is, which then speaks no TLS.
    variable = "SEQ2SERVE_HEALTH_LISTEN" if os.environ.get("SEQ2SERVE_HEALTH_LISTEN") else "SEQ2SERVE_LISTEN"
    try:
        server = parse_target(variable, os.environ[variable])
    except ValueError as error:
        sys.exit(f"error: {error}")
    with grpc.insecure_channel(server.target, server.channel_options) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined]  # absent from types-grpcio
                health_pb2.HealthCheckRequest(), timeout=_DEADLINE_SECONDS
            )
        except grpc.RpcError as error:
            sys.exit(f"error: {error.code().name}: {error.details()}")
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        sys.exit(f"error: {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}")


if __name__ == "__main__":
    main()

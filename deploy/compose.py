"""Does docker-compose.yml agree with its files, the Dockerfile and the settings that the server would have?"""

import dataclasses
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.dockerfile import Stage
from server.config import ServerConfig, parse_config
from server.serving.app import CLOSING_SECONDS, App

COMPOSE = Path("docker-compose.yml")
DOCKERFILE = Path("deploy/Dockerfile")
SIZES = Path("docs/operations.md")

_PINNED = re.compile(r".+:v?\d+\.\d+.*")
MARGIN = 1.5
"""A limit of memory is at least this many times what was measured."""
_CONFINED = {
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "restart": "unless-stopped",
}


def check_compose(services: dict[str, Any], stages: dict[str, Stage]) -> Iterator[str]:
    for name, service in services.items():
        for problem in check_service(service, services, stages):
            yield f"{COMPOSE}: {name}: {problem}"
    for problem in check_server(services["server"], stages["server"]):
        yield f"{COMPOSE}: server: {problem}"


def check_service(service: dict[str, Any], services: dict[str, Any], stages: dict[str, Stage]) -> Iterator[str]:
    if not _PINNED.fullmatch(service.get("image", "")):
        yield "no image with a version"
    target = service.get("build", {}).get("target")
    if target and target not in stages:
        yield f"{DOCKERFILE} has no stage {target}"
    for key, value in _CONFINED.items():
        if service.get(key) != value:
            yield f"{key}: {value} expected, got {service.get(key)}"
    for key in ("cpus", "mem_limit"):
        if key not in service:
            yield f"no {key}"
    for port in service.get("ports", []):
        if not port.startswith("127.0.0.1:"):
            yield f"port {port} is open to other machines"
    for volume in service.get("volumes", []):
        if not Path(volume.split(":")[0]).exists():
            yield f"volume {volume}: no such file"
    for other in service.get("depends_on", []):
        if other not in services:
            yield f"depends on {other}, which is no service"
        elif isinstance(service["depends_on"], dict) and not has_health(services[other], stages):
            yield f"waits for the health of {other}, which has no health check"


def has_health(service: dict[str, Any], stages: dict[str, Stage]) -> bool:
    stage = stages.get(service.get("build", {}).get("target"))
    return "healthcheck" in service or bool(stage and stage.all("HEALTHCHECK"))


def check_server(service: dict[str, Any], server: Stage) -> Iterator[str]:
    """The server starts with the image's settings and the service's; stop time, ports, cores and memory fit them."""
    environment = server.environment() | service.get("environment", {})
    config, problems = read_settings(environment, num_cores=math.ceil(service["cpus"]))
    yield from problems
    if config:
        yield from check_numbers(service, server, config)


def read_settings(environment: dict[str, str], num_cores: int) -> tuple[ServerConfig | None, list[str]]:
    """The settings that a server would have, if it started with these variables, and what is wrong with them."""
    settings = {name: value for name, value in environment.items() if name.startswith("SEQ2SERVE_")}
    known = {f"SEQ2SERVE_{field.name.upper()}" for field in dataclasses.fields(ServerConfig)}
    problems = [f"{name}: no such setting" for name in sorted(settings.keys() - known)]
    try:
        config = parse_config([], settings, num_cores)
        App(config)
    except SystemExit:  # it has said why
        return None, [*problems, "settings that are none"]
    except ValueError as error:
        return None, [*problems, str(error)]
    return config, problems


def stop_seconds(config: ServerConfig) -> float:
    """The most that a server with these settings takes from SIGTERM to its end."""
    return config.drain_delay_seconds + config.grace_seconds + CLOSING_SECONDS


def listened_ports(config: ServerConfig) -> set[str]:
    addresses = (config.listen, config.metrics_listen, config.health_listen)
    return {address.rpartition(":")[2] for address in addresses if address}


def check_numbers(service: dict[str, Any], server: Stage, config: ServerConfig) -> Iterator[str]:
    stop = service["stop_grace_period"]
    if int(stop.removesuffix("s")) <= stop_seconds(config):
        yield f"killed after {stop}, within the {stop_seconds(config)} s that the server may need to stop"
    listened = listened_ports(config)
    exposed = {port for instruction in server.all("EXPOSE") for port in instruction.words()}
    if exposed != listened:
        yield f"{DOCKERFILE} exposes {sorted(exposed)}, the server listens at {sorted(listened)}"
    for port in service.get("ports", []):
        if port.rpartition(":")[2] not in listened:
            yield f"port {port}: the server listens at {sorted(listened)}"
    limit = service["mem_limit"]
    measured = measured_megabytes()
    if int(limit.removesuffix("m")) * 1024**2 < MARGIN * measured * 1e6:
        yield f"mem_limit {limit}: at least {MARGIN} times the {measured} MB of {SIZES} expected"


def measured_megabytes(models: str = r"all \d+") -> int:
    """What a server took after load, with an engine each: of all models, or of the one that the expression names."""
    row = re.compile(rf"^\| {models} \| 1 \|[^|]+\| ([\d,]+) \|$", re.MULTILINE)
    [measured] = row.findall(SIZES.read_text(encoding="utf-8"))
    return int(measured.replace(",", ""))

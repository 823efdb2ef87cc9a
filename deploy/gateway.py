"""Does the gateway of docker-compose.yml agree with its image, its own settings and the server that it calls?"""

from collections.abc import Iterator
from typing import Any

from deploy.compose import COMPOSE, DOCKERFILE
from deploy.dockerfile import Stage
from gateway.settings import VARIABLES, Settings, parse_settings

PREFIX = "SEQ2SERVE_GATEWAY_"

FILES = frozenset(PREFIX + name for name in ("AUTHORITIES", "CLIENT_CERTIFICATE", "CLIENT_KEY", "API_KEY_FILE"))
"""The variables that name files which are read at the start; where it is only checked, there are none."""


def check_gateway(services: dict[str, Any], stages: dict[str, Stage]) -> Iterator[str]:
    service, stage = services["gateway"], stages["gateway"]
    environment = stage.environment() | service.get("environment", {})
    settings, problems = read_gateway_settings(environment)
    if settings:
        problems += [
            *check_ports(service, stage, settings),
            *check_server_address(services, stages["server"], settings),
        ]
        stop = service["stop_grace_period"]
        if int(stop.removesuffix("s")) <= settings.grace_seconds:
            problems.append(f"killed after {stop}, within the {settings.grace_seconds} s of running requests")
    yield from (f"{COMPOSE}: gateway: {problem}" for problem in problems)


def read_gateway_settings(environment: dict[str, str]) -> tuple[Settings | None, list[str]]:
    """The settings that a gateway would have, if it started with these variables, and what is wrong with them."""
    given = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    problems = [f"{name}: no such setting" for name in sorted(given.keys() - VARIABLES)]
    try:
        settings, _ = parse_settings([], {name: value for name, value in given.items() if name not in FILES})
    except SystemExit:  # it has said why
        return None, [*problems, "settings that are none"]
    return settings, problems


def gateway_ports(settings: Settings) -> set[str]:
    addresses = (settings.listen, settings.metrics_listen)
    return {address.rpartition(":")[2] for address in addresses if address}


def check_ports(service: dict[str, Any], stage: Stage, settings: Settings) -> Iterator[str]:
    listened = gateway_ports(settings)
    exposed = {port for instruction in stage.all("EXPOSE") for port in instruction.words()}
    if exposed != listened:
        yield f"{DOCKERFILE} exposes {sorted(exposed)}, the gateway listens at {sorted(listened)}"
    for port in service.get("ports", []):
        if port.rpartition(":")[2] not in listened:
            yield f"port {port}: the gateway listens at {sorted(listened)}"


def check_server_address(services: dict[str, Any], server: Stage, settings: Settings) -> Iterator[str]:
    """What it calls is what servers are known by in compose's network, at their port."""
    host, _, port = settings.server.rpartition(":")
    aliases = services["server"].get("networks", {}).get("default", {}).get("aliases", [])
    if host not in ("server", *aliases):
        yield f"calls {host}, the server is known by {sorted(['server', *aliases])}"
    listened = server.environment()["SEQ2SERVE_LISTEN"].rpartition(":")[2]
    if port != listened:
        yield f"calls port {port}, the server listens at {listened}"

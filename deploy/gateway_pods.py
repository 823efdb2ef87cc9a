"""Do the gateway's Deployments in Kubernetes' manifests agree with its image, the settings that it would have, and the
servers that it calls?"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.compose import read_settings
from deploy.dockerfile import Stage
from deploy.gateway import FILES, PREFIX, gateway_ports, read_gateway_settings
from deploy.manifests import Object, deployments, of_kind
from deploy.network_policies import lets_call
from deploy.pods import (
    check_confinement,
    check_files,
    check_ports,
    check_resources,
    check_start,
    check_volumes,
    variables,
)
from gateway.health import HEALTH, READY, READY_SECONDS
from gateway.settings import Settings

_PROBED = {"startupProbe": HEALTH, "livenessProbe": HEALTH, "readinessProbe": READY}
"""What each probe asks: nobody is to end a gateway because its servers are away."""

_LEAVING_SECONDS = 5
"""For which Services may still lead to a pod that ends."""

_WRITTEN = Path("/tmp")
"""Where the model that tells languages is unpacked."""


def check_gateway_deployment(deployment: Object, objects: list[Object], stages: dict[str, Stage]) -> Iterator[str]:
    """The gateway starts with the image's settings and the pod's, is probed where it answers, is given the time that it
    needs to stop, and may call the servers, in the way that they listen; it may do no more than it has to."""
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    environment = stages["gateway"].environment() | variables(container)
    settings, problems = read_gateway_settings(environment)
    yield from problems
    if settings:
        yield from check_ports(container, gateway_ports(settings))
        yield from check_probes(container, settings)
        yield from check_stop(pod, container, settings)
        yield from check_files(container, files_of(environment, settings))
        yield from check_servers(deployment, objects, stages["server"], environment, settings)
    yield from check_resources(container)
    yield from check_confinement(pod, stages)
    yield from check_volumes(pod)


def check_probes(container: dict[str, Any], settings: Settings) -> Iterator[str]:
    listened = settings.listen.rpartition(":")[2]
    scheme = "HTTPS" if settings.tls_certificate else "HTTP"
    numbers = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    for name, path in _PROBED.items():
        probe = container.get(name, {}).get("httpGet")
        if not probe:
            yield f"no {name} by HTTP"
            continue
        if probe.get("path") != path:
            yield f"{name} asks {probe.get('path')}, {path} expected"
        if (port := numbers.get(probe["port"], str(probe["port"]))) != listened:
            yield f"{name} asks at {port}, the gateway answers at {listened}"
        if probe.get("scheme", "HTTP") != scheme:
            yield f"{name} speaks {probe.get('scheme', 'HTTP')}, the gateway {scheme}"
    yield from check_start(container)
    if (seconds := container.get("readinessProbe", {}).get("timeoutSeconds", 1)) <= READY_SECONDS:
        yield f"readinessProbe waits for {seconds} s, {READY} may take {READY_SECONDS} s"


def check_stop(pod: dict[str, Any], container: dict[str, Any], settings: Settings) -> Iterator[str]:
    pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if pause < _LEAVING_SECONDS:
        yield f"stops to listen after {pause} s, Services may lead to it for {_LEAVING_SECONDS} s"
    seconds = pod.get("terminationGracePeriodSeconds", 30)
    if seconds <= (needed := pause + settings.grace_seconds):
        yield f"killed after {seconds} s, within the {needed} s that the gateway may need to stop"


def files_of(environment: dict[str, str], settings: Settings) -> list[Path]:
    """Files and folders that the settings name, and where it writes."""
    named = [settings.tls_certificate, settings.tls_key, settings.glossaries]
    named += [environment.get(variable, "") for variable in sorted(FILES)]
    return [_WRITTEN, *map(Path, filter(None, named))]


def check_servers(
    deployment: Object, objects: list[Object], server: Stage, environment: dict[str, str], settings: Settings
) -> Iterator[str]:
    """What it calls is a Service that leads to servers; they listen there, with TLS if it calls with TLS, and network
    policies let it through."""
    host, _, port = settings.server.rpartition(":")
    services = [each for each in of_kind(objects, "Service") if host in service_names(each)]
    if not services:
        yield f"calls {host}, which is no Service"
    selectors = [service["spec"]["selector"].items() for service in services]
    calls_encrypted = bool(environment.get(PREFIX + "AUTHORITIES") or environment.get(PREFIX + "TLS"))
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for each in deployments(objects, "server"):
        template = each["spec"]["template"]
        if not any(selector <= template["metadata"]["labels"].items() for selector in selectors):
            continue
        [container] = template["spec"]["containers"]
        cores = math.ceil(float(container["resources"]["limits"]["cpu"]))
        config, _ = read_settings(server.environment() | variables(container), num_cores=cores)
        if not config:
            continue
        if port != (listened := config.listen.rpartition(":")[2]):
            yield f"calls port {port}, the servers listen at {listened}"
        if calls_encrypted != bool(config.tls_certificate):
            how = ("without TLS", "with TLS")
            yield f"calls {how[calls_encrypted]}, the servers listen {how[bool(config.tls_certificate)]}"
        if not lets_call(objects, labels, template["metadata"]["labels"], port_at(container, port)):
            yield f"network policies do not let it call the servers at {port}"


def service_names(service: Object) -> list[str]:
    """By which pods of its namespace may know it."""
    name, namespace = service["metadata"]["name"], service["metadata"].get("namespace", "")
    return [name, f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local"]


def port_at(container: dict[str, Any], number: str) -> set[str | int]:
    """A port's number, and its name if the container gives it one."""
    names = {port["name"] for port in container["ports"] if str(port["containerPort"]) == number}
    return {int(number), *names}

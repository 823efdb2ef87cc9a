"""Do the servers' Deployments in Kubernetes' manifests agree with the images, and with the settings that they have?"""

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from deploy.compose import MARGIN, SIZES, listened_ports, measured_megabytes, read_settings, stop_seconds
from deploy.dockerfile import Stage
from deploy.manifests import Object
from server.config import ServerConfig
from server.serving.app import PROTOCOLS

_MODELS = ServerConfig.model_repository[0]
"""Where the image has its models, and the repository as well."""

_START_SECONDS = 60
"""The least time that a start may take before it is given up."""

_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")

_CONFINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_PINNED = re.compile(r".+:v?\d+\.\d+.*|.+@sha256:[0-9a-f]{64}")
_MEMORY = {"Mi": 1024**2, "Gi": 1024**3}


def check_deployment(deployment: Object, stages: dict[str, Stage]) -> Iterator[str]:
    """The server starts with the image's settings and the pod's, is probed where it answers, is given the time that it
    needs to stop, and the place that it needs; no container may do more than it has to."""
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    environment = stages["server"].environment() | variables(container)
    cores = container["resources"]["limits"]["cpu"]
    config, problems = read_settings(environment, num_cores=math.ceil(float(cores)))
    yield from problems
    if config:
        yield from check_ports(container, listened_ports(config))
        yield from check_probes(container, config)
        yield from check_stop(pod, config)
        yield from check_memory(container, config)
        yield from check_files(container, files_of(config))
    yield from check_resources(container)
    yield from check_confinement(pod, stages)
    yield from check_volumes(pod)


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container.get("env", [])}


def check_ports(container: dict[str, Any], listened: set[str]) -> Iterator[str]:
    ports = {str(port["containerPort"]) for port in container["ports"]}
    if ports != listened:
        yield f"has ports {sorted(ports)}, the {container['name']} listens at {sorted(listened)}"


def check_probes(container: dict[str, Any], config: ServerConfig) -> Iterator[str]:
    health_port = config.health_listen.rpartition(":")[2]
    for name in _PROBES:
        probe = container.get(name, {}).get("grpc")
        if not probe:
            yield f"no {name} by gRPC"
        elif str(probe["port"]) != health_port:
            yield f"{name} asks at {probe['port']}, the server answers probes at {health_port}"
        elif (service := probe.get("service", "")) not in answered_services(config):
            yield f"{name} asks for {service!r}, of which the server knows nothing"
    yield from check_start(container)
    if config.drain_delay_seconds < (seconds := seconds_to_see(container.get("readinessProbe", {}))):
        delay = config.drain_delay_seconds
        yield f"readinessProbe takes up to {seconds} s to see a drain, calls are refused after {delay} s"


def check_start(container: dict[str, Any]) -> Iterator[str]:
    start = container.get("startupProbe", {})
    if start.get("periodSeconds", 10) * start.get("failureThreshold", 3) < _START_SECONDS:
        yield f"startupProbe gives up within {_START_SECONDS} s"


def answered_services(config: ServerConfig) -> set[str]:
    """The services whose health a server with these settings answers for; of models, those that are known here."""
    models = set(config.default_models)
    if config.model_repository == ServerConfig.model_repository:
        models |= {folder.name for folder in _MODELS.iterdir()}
    return {"", *PROTOCOLS, *(f"model:{model}" for model in models)}


def seconds_to_see(probe: dict[str, Any]) -> int:
    """The most that a probe takes from a change to its last answer that says so."""
    period, threshold = int(probe.get("periodSeconds", 10)), int(probe.get("failureThreshold", 3))
    return period * threshold + int(probe.get("timeoutSeconds", 1))


def check_stop(pod: dict[str, Any], config: ServerConfig) -> Iterator[str]:
    seconds = pod.get("terminationGracePeriodSeconds", 30)
    if seconds <= stop_seconds(config):
        yield f"killed after {seconds} s, within the {stop_seconds(config)} s that the server may need to stop"


def check_memory(container: dict[str, Any], config: ServerConfig) -> Iterator[str]:
    """Of the models that the image has; of those that come from elsewhere, at least of the default one."""
    is_images = config.model_repository == ServerConfig.model_repository
    model = config.default_models[0]
    if not is_images and not (_MODELS / model).exists():
        return
    measured = measured_megabytes() if is_images else measured_megabytes(model)
    limit = container["resources"]["limits"]["memory"]
    if memory_bytes(limit) < MARGIN * measured * 1e6:
        yield f"memory {limit}: at least {MARGIN} times the {measured} MB of {SIZES} expected"


def check_resources(container: dict[str, Any]) -> Iterator[str]:
    resources = container["resources"]
    if resources.get("requests") != resources["limits"]:
        yield f"asks for {resources.get('requests')}, and may have {resources['limits']}"


def memory_bytes(quantity: str) -> int:
    return int(quantity[:-2]) * _MEMORY[quantity[-2:]]


def files_of(config: ServerConfig) -> list[Path]:
    """Files and folders that the settings name."""
    named = [config.tls_certificate, config.tls_key, config.tls_client_authorities, config.keys]
    return [*map(Path, filter(None, named)), *config.model_repository]


def check_files(container: dict[str, Any], paths: Iterable[Path]) -> Iterator[str]:
    """What is not of the image lies in volumes."""
    mounts = [Path(mount["mountPath"]) for mount in container.get("volumeMounts", [])]
    for path in paths:
        if path.is_absolute() and not any(path.is_relative_to(mount) for mount in mounts):
            yield f"{path} lies in no volume"


def check_confinement(pod: dict[str, Any], stages: dict[str, Stage]) -> Iterator[str]:
    user = int(stages["runtime"].one("USER").text)
    context = pod.get("securityContext", {})
    if context.get("runAsUser") != user or context.get("runAsNonRoot") is not True:
        yield f"runs as {context.get('runAsUser')}, the image as {user}"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "no seccomp profile"
    if pod.get("automountServiceAccountToken") is not False:
        yield "has a token of its service account"
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        if container.get("securityContext") != _CONFINED:
            yield f"{container['name']}: {_CONFINED} expected, got {container.get('securityContext')}"
        if not _PINNED.fullmatch(container["image"]):
            yield f"{container['name']}: no image with a version"
        if not {"cpu", "memory"} <= container.get("resources", {}).get("limits", {}).keys():
            yield f"{container['name']}: no limit of processor and memory"


def check_volumes(pod: dict[str, Any]) -> Iterator[str]:
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    containers = [*pod.get("initContainers", []), *pod["containers"]]
    mounted = {mount["name"] for container in containers for mount in container.get("volumeMounts", [])}
    if volumes != mounted:
        yield f"has volumes {sorted(volumes)}, mounts {sorted(mounted)}"

"""What surrounds the pods of Kubernetes' manifests: does all that selects, scrapes, routes, probes or scales them fit
them and the server?"""

import itertools
import re
from collections.abc import Iterator
from typing import Any

from deploy.compose import read_settings
from deploy.dockerfile import Stage
from deploy.expressions import Series, check_expression
from deploy.manifests import Object, deployments, named, of_kind
from deploy.pods import answered_services, variables
from server.config import ServerConfig
from server.serving.app import PROTOCOLS

_JOB = "seq2serve"
"""The job of the server's series, as the rules and the queries name it."""

_MANY_CORES = 1000
"""More than any setting asks for: the pods' own check holds them against their cores."""

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_COUNTED = re.compile(r".*_(total|bucket|sum|count)")
"""Series that only grow: a rate of them misses nothing between two scrapes."""


def check_namespaces(objects: list[Object]) -> Iterator[str]:
    """All is in the one namespace, wherever `kubectl` would put what does not say so."""
    [namespace] = [each["metadata"]["name"] for each in of_kind(objects, "Namespace")]
    for each in objects:
        if each["kind"] != "Namespace" and each["metadata"].get("namespace") != namespace:
            yield f"{named(each)}: is in the namespace {each['metadata'].get('namespace')}, {namespace} expected"


def check_selectors(objects: list[Object]) -> Iterator[str]:
    """Whatever selects pods by labels selects some, and names ports that all of them have."""
    for each in objects:
        spec = each.get("spec", {})
        for selector in selectors(each):
            pods = selected(objects, selector)
            if not pods:
                yield f"{named(each)}: selects no pod by {selector}"
            for pod, port in itertools.product(pods, [*ports_of_service(each), *ports_of_policy(spec)]):
                [container] = pod["containers"]
                if not any(port in port_names(one) for one in container["ports"]):
                    yield f"{named(each)}: a {container['name']} has no port {port}"


def selectors(each: Object) -> list[dict[str, str]]:
    spec = each.get("spec", {})
    found = {
        "Service": lambda: [spec["selector"]],
        "PodDisruptionBudget": lambda: [spec["selector"]["matchLabels"]],
        "NetworkPolicy": lambda: [spec["podSelector"]["matchLabels"]],
        "Deployment": lambda: [
            spec["selector"]["matchLabels"],
            *(each["labelSelector"]["matchLabels"] for each in spec["template"]["spec"]["topologySpreadConstraints"]),
        ],
    }
    return found[each["kind"]]() if each["kind"] in found else []


def selected(objects: list[Object], selector: dict[str, str]) -> list[dict[str, Any]]:
    """The pods' specs."""
    templates = [each["spec"]["template"] for each in of_kind(objects, "Deployment")]
    return [each["spec"] for each in templates if selector.items() <= each["metadata"]["labels"].items()]


def port_names(port: dict[str, Any]) -> set[str | int]:
    return {port["name"], port["containerPort"]}


def ports_of_service(each: Object) -> list[str | int]:
    return [port["targetPort"] for port in each["spec"]["ports"]] if each["kind"] == "Service" else []


def ports_of_policy(spec: dict[str, Any]) -> list[str | int]:
    """Those at which a network policy lets others in."""
    return [port["port"] for rule in spec.get("ingress", []) for port in rule.get("ports", [])]


def check_monitors(objects: list[Object]) -> Iterator[str]:
    """What Prometheus is to scrape are ports of Services, and the servers', and no others, have the job that the rules
    know."""
    for monitor in of_kind(objects, "ServiceMonitor"):
        spec = monitor["spec"]
        services = [
            each
            for each in of_kind(objects, "Service")
            if spec["selector"]["matchLabels"].items() <= each["metadata"].get("labels", {}).items()
        ]
        if not services:
            yield f"{named(monitor)}: selects no Service"
        for service in services:
            ports = {port["name"] for port in service["spec"]["ports"]}
            for endpoint in spec["endpoints"]:
                if endpoint["port"] not in ports:
                    yield f"{named(monitor)}: {named(service)} has no port {endpoint['port']}"
            job = service["metadata"]["labels"].get(spec.get("jobLabel"), service["metadata"]["name"])
            pods = selected(objects, service["spec"]["selector"])
            if (job == _JOB) != any(pod["containers"][0]["name"] == "server" for pod in pods):
                yield f"{named(monitor)}: the job of {named(service)} is {job}, the rules know servers as {_JOB}"


def check_scaling(objects: list[Object], series: Series) -> Iterator[str]:
    """What is scaled is there and leaves its number of pods to the scaler, which asks for rates of the server's
    counters, and reacts before the server refuses."""
    deployments = {each["metadata"]["name"]: each for each in of_kind(objects, "Deployment")}
    for scaler in of_kind(objects, "ScaledObject"):
        spec = scaler["spec"]
        target = deployments.get(spec["scaleTargetRef"]["name"])
        if not target:
            yield f"{named(scaler)}: no Deployment {spec['scaleTargetRef']['name']}"
        elif "replicas" in target["spec"]:
            yield f"{named(scaler)}: {named(target)} has replicas as well, which each apply would set again"
        for trigger in spec["triggers"]:
            query = trigger["metadata"]["query"]
            for problem in check_expression(query, series):
                yield f"{named(scaler)}: {trigger['name']}: {problem}"
            for name in re.findall(r"seq2serve_\w+", query):
                if not _COUNTED.fullmatch(name):
                    yield f"{named(scaler)}: {trigger['name']}: {name} is no counter"
            if f'job="{_JOB}"' not in query:
                yield f"{named(scaler)}: {trigger['name']}: asks for other servers as well"


def check_routes(objects: list[Object]) -> Iterator[str]:
    """Routes lead, those of gRPC from the server's services, to ports of Services that are there."""
    ports = {
        (each["metadata"]["name"], port["port"])
        for each in of_kind(objects, "Service")
        for port in each["spec"]["ports"]
    }
    for route in routes_of(objects):
        for rule in route["spec"]["rules"]:
            for match in rule["matches"]:
                service = match.get("method", {}).get("service")
                if route["kind"] == "GRPCRoute" and service not in PROTOCOLS:
                    yield f"{named(route)}: {service} is no service that translates"
            for backend in rule["backendRefs"]:
                if (backend["name"], backend["port"]) not in ports:
                    yield f"{named(route)}: no Service {backend['name']} with port {backend['port']}"


def check_listeners(objects: list[Object]) -> Iterator[str]:
    """The host of a route is that of a listener which takes routes of its kind, and of that kind alone: of two kinds it
    would take the older one."""
    listeners = {
        (each["metadata"]["name"], listener["hostname"], *(one["kind"] for one in listener["allowedRoutes"]["kinds"]))
        for each in of_kind(objects, "Gateway")
        for listener in each["spec"]["listeners"]
    }
    for route in routes_of(objects):
        for parent, host in itertools.product(route["spec"]["parentRefs"], route["spec"]["hostnames"]):
            if (parent["name"], host, route["kind"]) not in listeners:
                yield f"{named(route)}: Gateway {parent['name']} has no listener for it alone at {host}"


def routes_of(objects: list[Object]) -> list[Object]:
    return [*of_kind(objects, "GRPCRoute"), *of_kind(objects, "HTTPRoute")]


def check_policies(objects: list[Object], server: Stage) -> Iterator[str]:
    """Routes and policies are of gateways, routes and Services that are there; what balances asks for health that every
    server answers for, sees a drain before it refuses, and does not repeat what was refused for load."""
    there = {named(each) for each in objects}
    for each in objects:
        spec = each.get("spec", {})
        for target in [*spec.get("targetRefs", []), *spec.get("parentRefs", [])]:
            name = f"{target.get('kind', 'Gateway')} {target['name']}"
            if name not in there:
                yield f"{named(each)}: no {name}"
    for policy in of_kind(objects, "BackendTrafficPolicy"):
        if all(target["kind"] != "GRPCRoute" for target in policy["spec"]["targetRefs"]):
            continue
        for deployment in deployments(objects, "server"):
            [container] = deployment["spec"]["template"]["spec"]["containers"]
            config, _ = read_settings(server.environment() | variables(container), num_cores=_MANY_CORES)
            if config:
                yield from (f"{named(policy)}: {problem}" for problem in check_backends(policy["spec"], config))


def check_backends(spec: dict[str, Any], config: ServerConfig) -> Iterator[str]:
    probe = spec["healthCheck"]["active"]
    if (service := probe["grpc"]["service"]) not in answered_services(config):
        yield f"asks for {service!r}, of which the server knows nothing"
    seconds_to_see = seconds(probe["interval"]) * probe["unhealthyThreshold"] + seconds(probe["timeout"])
    if config.drain_delay_seconds < seconds_to_see:
        yield f"takes up to {seconds_to_see} s to see a drain, calls are refused after {config.drain_delay_seconds} s"
    if "resource-exhausted" in spec["retry"]["retryOn"]["triggers"]:
        yield "repeats at once what was refused for load"


def seconds(duration: str) -> float:
    """Of one number and its unit."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", duration).groups()  # type: ignore[union-attr]
    return int(number) * _SECONDS[unit]

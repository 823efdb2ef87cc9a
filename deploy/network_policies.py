"""Whom Kubernetes' network policies let call whom, among the pods of one namespace."""

from typing import Any

from deploy.manifests import Object, of_kind

Labels = dict[str, str]


def lets_call(objects: list[Object], caller: Labels, called: Labels, port: set[str | int]) -> bool:
    """Whether pods with the labels `caller` reach those with the labels `called` at a port, which is given by its
    number and its name: the policies of both have to let them, where there are any."""
    return _lets(objects, "Egress", caller, called, port) and _lets(objects, "Ingress", called, caller, port)


def _lets(objects: list[Object], direction: str, pod: Labels, other: Labels, port: set[str | int]) -> bool:
    specs = [each["spec"] for each in of_kind(objects, "NetworkPolicy")]
    held = [spec for spec in specs if direction in spec["policyTypes"] and _selects(spec["podSelector"], pod)]
    rules = [rule for spec in held for rule in spec.get(direction.lower(), [])]
    return not held or any(_allows(rule, "from" if direction == "Ingress" else "to", other, port) for rule in rules)


def _allows(rule: dict[str, Any], others: str, other: Labels, port: set[str | int]) -> bool:
    """What a rule does not name, it allows."""
    ports = [each["port"] for each in rule.get("ports", [])]
    selectors = [peer["podSelector"] for peer in rule.get(others, []) if peer.keys() == {"podSelector"}]
    is_allowed = not rule.get(others) or any(_selects(selector, other) for selector in selectors)
    return is_allowed and (not ports or not port.isdisjoint(ports))


def _selects(selector: dict[str, Any], labels: Labels) -> bool:
    found: Labels = selector.get("matchLabels", {})
    return found.items() <= labels.items()

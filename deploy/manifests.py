"""Kubernetes' manifests as kustomize renders them, and whether they are valid as such."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
from ruamel.yaml import YAML

FOLDER = Path("deploy/kubernetes")
OVERLAYS = ("minimal", "production", "canary")
"""What is applied as it is; the other components may take the place of one of theirs."""

Object = dict[str, Any]


def render(folder: Path) -> list[Object]:
    """What `kubectl apply -k` would send. Raises ValueError with what kustomize says."""
    kubectl = Path(sys.executable).with_name("kubectl")
    result = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    if result.returncode:
        raise ValueError(result.stderr.strip())
    return list(YAML(typ="safe").load_all(result.stdout))


def check_schemas(objects: list[Object]) -> Iterator[str]:
    """Kubernetes' own kinds have no field that its newest version does not know, and no value of another type. Other
    kinds have schemas of their operators', which are not at hand here."""
    version = kubernetes_validate.latest_version()
    for each in objects:
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{named(each)}: {'.'.join(map(str, error.path))}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            continue


def named(each: Object) -> str:
    """Such as "Deployment seq2serve"."""
    return f"{each['kind']} {each['metadata']['name']}"


def deployments(objects: list[Object], container: str) -> list[Object]:
    """Those whose pods have a container of this name: `server` or `gateway`."""
    found = of_kind(objects, "Deployment")
    return [each for each in found if each["spec"]["template"]["spec"]["containers"][0]["name"] == container]


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [each for each in objects if each["kind"] == kind]

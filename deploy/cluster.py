"""Are Kubernetes' manifests valid, and do they agree with each other, the images, and the settings of what they run?"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.dockerfile import Stage
from deploy.expressions import Series
from deploy.gateway_pods import check_gateway_deployment
from deploy.manifests import FOLDER, OVERLAYS, Object, check_schemas, deployments, named, of_kind, render
from deploy.pods import check_deployment
from deploy.rule_object import RULE_OBJECT, RULES, rule_object
from deploy.surroundings import (
    check_listeners,
    check_monitors,
    check_namespaces,
    check_policies,
    check_routes,
    check_scaling,
    check_selectors,
)

GUIDE = Path("docs/scaling.md")
CHECKSUMS = FOLDER / "components/models-bucket/models.sha256"
MODELS = Path("model_repository")


def check_kubernetes(stages: dict[str, Stage], series: Series, images: Sequence[str]) -> Iterator[str]:
    """`images`: the server's and the gateway's, as they are built here."""
    yield from check_rule_object()
    yield from check_checksums(CHECKSUMS.read_text(encoding="utf-8"))
    for overlay in OVERLAYS:
        try:
            objects = render(FOLDER / "overlays" / overlay)
        except ValueError as error:
            yield f"{overlay}: {error}"
            continue
        problems = [*check_schemas(objects), *check_objects(objects, stages, series)]
        problems += [problem for image in images for problem in check_image(objects, image)]
        yield from (f"{overlay}: {problem}" for problem in problems)


def check_objects(objects: list[Object], stages: dict[str, Stage], series: Series) -> Iterator[str]:
    for deployment in deployments(objects, "server"):
        yield from (f"{named(deployment)}: {problem}" for problem in check_deployment(deployment, stages))
    for deployment in deployments(objects, "gateway"):
        problems = check_gateway_deployment(deployment, objects, stages)
        yield from (f"{named(deployment)}: {problem}" for problem in problems)
    known = [*deployments(objects, "server"), *deployments(objects, "gateway")]
    yield from (
        f"{named(each)}: a container server or gateway expected first"
        for each in of_kind(objects, "Deployment")
        if each not in known
    )
    yield from check_namespaces(objects)
    yield from check_selectors(objects)
    yield from check_monitors(objects)
    yield from check_scaling(objects, series)
    yield from check_routes(objects)
    yield from check_listeners(objects)
    yield from check_policies(objects, stages["server"])
    yield from check_secrets(objects, GUIDE.read_text(encoding="utf-8"))


def check_image(objects: list[Object], image: str) -> Iterator[str]:
    """What is built here runs in the version that is built here; what a registry has, in any."""
    for deployment in of_kind(objects, "Deployment"):
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        if container["image"].partition(":")[0] == image.partition(":")[0] and container["image"] != image:
            yield f"{named(deployment)}: {container['image']}, built is {image}"


def check_secrets(objects: list[Object], guide: str) -> Iterator[str]:
    """The guide says how each secret is made."""
    for deployment in of_kind(objects, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        volumes = [volume["secret"]["secretName"] for volume in pod.get("volumes", []) if "secret" in volume]
        for name in volumes:
            if name not in guide:
                yield f"{named(deployment)}: {GUIDE} does not say how the secret {name} is made"


def check_rule_object() -> Iterator[str]:
    if RULE_OBJECT.read_text(encoding="utf-8") != rule_object(RULES.read_text(encoding="utf-8")):
        yield f"{RULE_OBJECT} is not what {RULES} says: run python -m deploy.rule_object"


def check_checksums(checksums: str) -> Iterator[str]:
    """They are of manifests of versions, and those of the shipped models are theirs."""
    for line in checksums.splitlines():
        digest, path = line.split(maxsplit=1)
        shipped = MODELS / path
        if Path(path).name != "model.json":
            yield f"{CHECKSUMS}: {path}: no version's model.json, which has the checksums of all else"
        elif shipped.exists() and hashlib.sha256(shipped.read_bytes()).hexdigest() != digest:
            yield f"{CHECKSUMS}: {path}: another one than {shipped}"

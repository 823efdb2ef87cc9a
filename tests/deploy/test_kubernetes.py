"""What is wrong with Kubernetes' manifests is found."""

import copy
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy import cluster
from deploy.check import read_yaml
from deploy.compose import COMPOSE, DOCKERFILE
from deploy.dockerfile import read_dockerfile
from deploy.expressions import server_series
from deploy.manifests import FOLDER, Object, check_schemas, render
from tests.deploy.fields import at

STAGES = read_dockerfile(DOCKERFILE)
SERIES = server_series()
SERVICES = read_yaml(COMPOSE)["services"]
IMAGES = [SERVICES[name]["image"] for name in ("server", "gateway")]


@pytest.fixture(scope="module")
def production() -> list[Object]:
    return render(FOLDER / "overlays/production")


@pytest.fixture
def objects(production: list[Object]) -> list[Object]:
    """Those of production, for a test to spoil."""
    return copy.deepcopy(production)


def test_the_manifests_as_they_are_have_no_problem() -> None:
    assert list(cluster.check_kubernetes(STAGES, SERIES, IMAGES)) == []


@pytest.mark.parametrize("component", ["models-volume", "models-image"])
def test_models_may_come_from_elsewhere(component: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    kustomization = tmp_path / "kubernetes/overlays/production/kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace("models-bucket", component))
    objects = render(kustomization.parent)
    assert [*check_schemas(objects), *cluster.check_objects(objects, STAGES, SERIES)] == []
    container = at(objects, "Deployment seq2serve", SERVER)[0][0]
    assert {"name": "SEQ2SERVE_MODEL_REPOSITORY", "value": "/models"} in container["env"]


POD = "spec.template.spec"
SERVER = f"{POD}.containers.server"


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (f"{POD}.terminationGracePeriod", 45, "'terminationGracePeriod' was unexpected"),
        (f"{SERVER}.readinessProbe.grpc.port", "health", "'health' is not of type 'integer'"),
    ],
)
def test_a_field_that_kubernetes_does_not_have_is_named(
    objects: list[Object], path: str, value: object, problem: str
) -> None:
    place, key = at(objects, "Deployment seq2serve", path)
    place[key] = value
    [found] = check_schemas(objects)
    assert "Deployment seq2serve" in found
    assert problem in found


@pytest.mark.parametrize(
    ("name", "path", "value", "problem"),
    [
        # Settings
        (
            "Deployment seq2serve",
            f"{SERVER}.env.SEQ2SERVE_LOG_FORMAT.name",
            "SEQ2SERVE_LOG_FORMATS",
            "SEQ2SERVE_LOG_FORMATS: no such",
        ),
        ("Deployment seq2serve", f"{SERVER}.env.SEQ2SERVE_LOG_FORMAT.value", "xml", "settings that are none"),
        ("Deployment seq2serve", f"{SERVER}.volumeMounts.tls.mountPath", "/tls", "lies in no volume"),
        ("Deployment seq2serve", f"{SERVER}.volumeMounts.tls.name", "models", "has volumes"),
        # Ports and probes
        ("Deployment seq2serve", f"{SERVER}.ports.health.containerPort", 8080, "has ports ['50051', '8080', '9464']"),
        (
            "Deployment seq2serve",
            f"{SERVER}.livenessProbe.grpc.port",
            50051,
            "asks at 50051, the server answers probes at",
        ),
        ("Deployment seq2serve", f"{SERVER}.readinessProbe.grpc.service", "model:a", "asks for 'model:a', of which"),
        ("Deployment seq2serve", f"{SERVER}.startupProbe", {"httpGet": {"port": 1}}, "no startupProbe by gRPC"),
        ("Deployment seq2serve", f"{SERVER}.startupProbe.failureThreshold", 5, "startupProbe gives up within 60 s"),
        # Grace and drain
        ("Deployment seq2serve", f"{POD}.terminationGracePeriodSeconds", 36, "killed after 36 s, within the 36.0 s"),
        ("Deployment seq2serve", f"{SERVER}.readinessProbe.periodSeconds", 10, "takes up to 21 s to see a drain"),
        (
            "BackendTrafficPolicy seq2serve",
            "spec.healthCheck.active.interval",
            "1m",
            "takes up to 123 s to see a drain, calls are refused after 10 s",
        ),
        # What a pod may have and do
        ("Deployment seq2serve", f"{SERVER}.resources.limits.memory", "128Mi", "memory 128Mi: at least 1.5 times the"),
        ("Deployment seq2serve", f"{POD}.securityContext.runAsUser", 0, "runs as 0, the image as 10001"),
        ("Deployment seq2serve", f"{POD}.securityContext.seccompProfile.type", "Unconfined", "no seccomp profile"),
        ("Deployment seq2serve", f"{POD}.automountServiceAccountToken", True, "has a token"),
        ("Deployment seq2serve", f"{SERVER}.securityContext.readOnlyRootFilesystem", False, "server: {'allowPriv"),
        (
            "Deployment seq2serve",
            f"{POD}.initContainers.copy-models.image",
            "rclone/rclone",
            "copy-models: no image with a version",
        ),
        ("Deployment seq2serve", f"{SERVER}.name", "translator", "a container server or gateway expected first"),
        # Surroundings
        ("Service seq2serve", "metadata.namespace", "default", "is in the namespace default, seq2serve expected"),
        (
            "ServiceMonitor seq2serve",
            "spec.jobLabel",
            "app.kubernetes.io/part-of",
            "the job of Service seq2serve-http is seq2serve, the rules know servers as seq2serve",
        ),
        ("Service seq2serve", "spec.selector", {"app": "seq2serve"}, "selects no pod by {'app': 'seq2serve'}"),
        ("Service seq2serve", "spec.ports.grpc.targetPort", "http", "a server has no port http"),
        ("PodDisruptionBudget seq2serve", "spec.selector.matchLabels", {"app": "a"}, "selects no pod by {'app': 'a'}"),
        ("NetworkPolicy seq2serve-metrics", "spec.ingress.0.ports.0.port", 9465, "a server has no port 9465"),
        ("ServiceMonitor seq2serve", "spec.endpoints.0.port", "grpc-metrics", "has no port grpc-metrics"),
        ("ServiceMonitor seq2serve", "spec.jobLabel", "app", "the job of Service seq2serve-pods is seq2serve-pods"),
        ("ServiceMonitor seq2serve", "spec.selector.matchLabels", {"a": "b"}, "selects no Service"),
        # Scaling
        ("ScaledObject seq2serve", "spec.scaleTargetRef.name", "server", "no Deployment server"),
        ("Deployment seq2serve", "spec.replicas", 2, "Deployment seq2serve has replicas as well"),
        (
            "ScaledObject seq2serve",
            "spec.triggers.waiting.metadata.query",
            'sum(seq2serve_waiting{job="seq2serve"})',
            "waiting: seq2serve_waiting is no counter",
        ),
        (
            "ScaledObject seq2serve",
            "spec.triggers.waiting.metadata.query",
            'sum(rate(seq2serve_wait_seconds_total{job="seq2serve"}[1m]))',
            "there is no series seq2serve_wait_seconds_total",
        ),
        # Gateway
        (
            "GRPCRoute seq2serve",
            "spec.rules.0.backendRefs.seq2serve.port",
            50052,
            "no Service seq2serve with port 50052",
        ),
        (
            "GRPCRoute seq2serve",
            "spec.rules.0.matches.0.method.service",
            "model_admin.v1.ModelAdminService",
            "model_admin.v1.ModelAdminService is no service that translates",
        ),
        ("GRPCRoute seq2serve", "spec.hostnames.0", "a.example", "has no listener for it alone at a.example"),
        ("BackendTLSPolicy seq2serve", "spec.targetRefs.seq2serve.name", "server", "no Service server"),
        ("BackendTrafficPolicy seq2serve", "spec.healthCheck.active.grpc.service", "a.B", "asks for 'a.B', of which"),
        (
            "BackendTrafficPolicy seq2serve",
            "spec.retry.retryOn.triggers.0",
            "resource-exhausted",
            "repeats at once what was refused for load",
        ),
    ],
)
def test_a_wrong_manifest_is_named(objects: list[Object], name: str, path: str, value: object, problem: str) -> None:
    place, key = at(objects, name, path)
    place[key] = value
    found = list(cluster.check_objects(objects, STAGES, SERIES))
    assert any(problem in each for each in found), found


def test_what_kustomize_cannot_render_is_said_in_its_words(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [deploymnt.yaml]\n")
    with pytest.raises(ValueError, match=r"deploymnt\.yaml"):
        render(tmp_path)


def test_an_image_of_another_version_than_is_built_is_named() -> None:
    minimal = render(FOLDER / "overlays/minimal")
    [problem] = cluster.check_image(minimal, "seq2serve:0.3.0")
    assert "seq2serve:0.1.0, built is seq2serve:0.3.0" in problem


def test_a_secret_that_the_guide_does_not_name_is_named(production: list[Object]) -> None:
    [problem] = cluster.check_secrets(production, "seq2serve-keys, seq2serve-http-tls")
    assert "does not say how the secret seq2serve-tls is made" in problem


def test_rules_that_have_changed_since_are_told_how_to_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "rules.yml").write_text("groups: []\n")
    monkeypatch.setattr(cluster, "RULES", tmp_path / "rules.yml")
    [problem] = cluster.check_rule_object()
    assert "run python -m deploy.rule_object" in problem


# Checksums of models


def test_the_pods_own_command_lets_a_model_pass_and_no_other(production: list[Object], tmp_path: Path) -> None:
    """The server compares all that a version's model.json names; this is what holds model.json itself."""
    init_containers = at(production, "Deployment seq2serve", f"{POD}.initContainers")[0]["initContainers"]
    [verify] = [each for each in init_containers if each["name"] == "verify-models"]
    models, checksums = tmp_path / "models", tmp_path / "checksums"
    shutil.copytree(cluster.MODELS / "transformer-en-fr", models / "transformer-en-fr")
    checksums.mkdir()
    shutil.copy(cluster.CHECKSUMS, checksums)
    command = [word.replace("/checksums", str(checksums)) for word in verify["command"]]
    assert subprocess.run(command, cwd=models, capture_output=True).returncode == 0
    with (models / "transformer-en-fr/1/model.json").open("a") as manifest:
        manifest.write(" ")
    result = subprocess.run(command, cwd=models, capture_output=True, text=True)
    assert result.returncode == 1
    assert "transformer-en-fr/1/model.json: FAILED" in result.stdout


def test_checksums_that_are_not_the_models_are_named() -> None:
    digest = hashlib.sha256(b"").hexdigest()
    [changed] = cluster.check_checksums(f"{digest}  transformer-en-fr/1/model.json\n")
    assert "another one than model_repository/transformer-en-fr/1/model.json" in changed
    [other] = cluster.check_checksums(f"{digest}  transformer-en-fr/1/step.onnx\n")
    assert "no version's model.json" in other
    assert list(cluster.check_checksums(f"{digest}  mine/1/model.json\n")) == []


def test_a_canary_s_pods_are_the_route_s_own() -> None:
    canary = render(FOLDER / "overlays/canary")
    route = at(canary, "GRPCRoute seq2serve", "spec.rules")[0]["rules"]
    assert {each["name"]: each["weight"] for each in route[0]["backendRefs"]} == {
        "seq2serve-stable": 95,
        "seq2serve-canary": 5,
    }
    labels = {
        track: at(canary, f"Deployment seq2serve{suffix}", "spec.selector.matchLabels.track")[0]["track"]
        for track, suffix in (("stable", ""), ("canary", "-canary"))
    }
    assert labels == {"stable": "stable", "canary": "canary"}

"""What is wrong with the gateway's manifests is found."""

import copy

import pytest

from deploy import cluster
from deploy.compose import DOCKERFILE
from deploy.dockerfile import read_dockerfile
from deploy.expressions import server_series
from deploy.manifests import FOLDER, Object, render
from tests.deploy.fields import at

STAGES = read_dockerfile(DOCKERFILE)
SERIES = server_series()

HTTP = "Deployment seq2serve-http"
POD = "spec.template.spec"
GATEWAY = f"{POD}.containers.gateway"
ENV = f"{GATEWAY}.env"
VARIABLE = "SEQ2SERVE_GATEWAY_"


@pytest.fixture(scope="module")
def production() -> list[Object]:
    return render(FOLDER / "overlays/production")


@pytest.mark.parametrize(
    ("name", "path", "value", "problem"),
    [
        # Settings
        (HTTP, f"{ENV}.{VARIABLE}LOG_FORMAT.name", f"{VARIABLE}LOG", f"{VARIABLE}LOG: no such setting"),
        (HTTP, f"{ENV}.{VARIABLE}LOG_FORMAT.value", "xml", "settings that are none"),
        (HTTP, f"{GATEWAY}.volumeMounts.tls.mountPath", "/tls", "/secrets/tls/tls.crt lies in no volume"),
        (HTTP, f"{GATEWAY}.volumeMounts.authorities.mountPath", "/ca", "/authorities/ca.crt lies in no volume"),
        (HTTP, f"{GATEWAY}.volumeMounts.tmp.mountPath", "/var/tmp", "/tmp lies in no volume"),
        # Ports and probes
        (HTTP, f"{GATEWAY}.ports.http.containerPort", 8080, "has ports ['8080', '9465'], the gateway listens at"),
        (HTTP, f"{GATEWAY}.livenessProbe.httpGet.path", "/ready", "livenessProbe asks /ready, /health expected"),
        (HTTP, f"{GATEWAY}.readinessProbe.httpGet.path", "/readyz", "readinessProbe asks /readyz, /ready expected"),
        (HTTP, f"{GATEWAY}.readinessProbe.httpGet.port", "metrics", "asks at 9465, the gateway answers at 5000"),
        (HTTP, f"{GATEWAY}.readinessProbe.httpGet.scheme", "HTTP", "speaks HTTP, the gateway HTTPS"),
        (HTTP, f"{GATEWAY}.readinessProbe.timeoutSeconds", 1, "waits for 1 s, /ready may take 2.0 s"),
        (HTTP, f"{GATEWAY}.startupProbe", {"grpc": {"port": 5000}}, "no startupProbe by HTTP"),
        (HTTP, f"{GATEWAY}.startupProbe.failureThreshold", 5, "startupProbe gives up within 60 s"),
        # Grace
        (HTTP, f"{POD}.terminationGracePeriodSeconds", 15, "killed after 15 s, within the 15 s that the gateway may"),
        (HTTP, f"{GATEWAY}.lifecycle.preStop.sleep.seconds", 0, "stops to listen after 0 s, Services may lead to it"),
        # What a pod may have and do
        (HTTP, f"{GATEWAY}.resources.requests.memory", "64Mi", "'memory': '64Mi'}, and may have"),
        (HTTP, f"{POD}.securityContext.runAsUser", 0, "runs as 0, the image as 10001"),
        (HTTP, f"{GATEWAY}.securityContext.readOnlyRootFilesystem", False, "gateway: {'allowPriv"),
        # The servers behind it
        (HTTP, f"{ENV}.{VARIABLE}SERVER.value", "seq2serve-pod.seq2serve.svc:50051", ".svc, which is no Service"),
        (HTTP, f"{ENV}.{VARIABLE}SERVER.value", "seq2serve-pods:50052", "calls port 50052, the servers listen"),
        (HTTP, f"{ENV}.{VARIABLE}AUTHORITIES.value", "", "calls without TLS, the servers listen with TLS"),
        (HTTP, "spec.template.metadata.labels.seq2serve-client", "false", "policies do not let it call the servers"),
        ("NetworkPolicy seq2serve-http", "spec.egress.0.to.0.podSelector.matchLabels", {"a": "b"}, "do not let it"),
        ("NetworkPolicy seq2serve-http", "spec.egress.0.ports.0.port", 50052, "do not let it call the servers"),
        # Surroundings
        ("Service seq2serve-http", "spec.ports.http.targetPort", "grpc", "a gateway has no port grpc"),
        ("PodDisruptionBudget seq2serve-http", "spec.selector.matchLabels", {"a": "b"}, "selects no pod by"),
        ("HTTPRoute seq2serve-http", "spec.rules.0.backendRefs.seq2serve-http.port", 80, "with port 80"),
        ("HTTPRoute seq2serve-http", "spec.hostnames.0", "translate.example", "no listener for it alone at translate."),
        ("Gateway seq2serve", "spec.listeners.http.allowedRoutes.kinds.0.kind", "GRPCRoute", "has no listener for it"),
    ],
)
def test_a_wrong_manifest_of_the_gateway_is_named(
    production: list[Object], name: str, path: str, value: object, problem: str
) -> None:
    objects = copy.deepcopy(production)
    place, key = at(objects, name, path)
    place[key] = value
    found = list(cluster.check_objects(objects, STAGES, SERIES))
    assert any(problem in each for each in found), found


def test_whom_no_policy_names_may_call(production: list[Object]) -> None:
    objects = [each for each in production if each["kind"] != "NetworkPolicy"]
    assert list(cluster.check_objects(objects, STAGES, SERIES)) == []


def test_an_image_of_another_version_than_is_built_is_named() -> None:
    minimal = render(FOLDER / "overlays/minimal")
    [problem] = cluster.check_image(minimal, "seq2serve-gateway:0.3.0")
    assert "seq2serve-gateway:0.1.0, built is seq2serve-gateway:0.3.0" in problem

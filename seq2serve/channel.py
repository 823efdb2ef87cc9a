"""Where a channel to one server or to several is opened, with the settings that both clients share: addresses, TLS,
keys, retries and keepalive."""

import json
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any, TypedDict

import grpc

from seq2serve.addresses import Address, parse_target

_SERVICE_CONFIG = json.loads(files("seq2serve").joinpath("service_config.json").read_text(encoding="utf-8"))
"""gRPC's service config, as clients in other languages may take it too: which servers are called, and what is sent
again. A server that goes, or a connection that breaks, before anything was answered: the same translation is made by
another server, or by the same one a moment later."""

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", -1),  # the server bounds what it answers
    # Each client has connections of its own: what a connection may ask for at a time is bounded, and gRPC would have
    # all clients of a process share one.
    ("grpc.use_local_subchannel_pool", 1),
    # What is restarted, a proxy above all, is found before most retries are made: by itself gRPC waits a second.
    ("grpc.initial_reconnect_backoff_ms", 200),
]

_KEEPALIVE_ALONE = [
    # A connection whose other end has vanished is given up 20 s after something was sent. More than one ping in five
    # minutes is what a gRPC server may take for an attack.
    ("grpc.keepalive_time_ms", 300_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # A server that has come back is found within about a second, however long it was away.
    ("grpc.max_reconnect_backoff_ms", 1_000),
]

_KEEPALIVE_AMONG_SEVERAL = [
    # A server that hangs, or that no packet reaches any more, is passed over four seconds later at most, and what it
    # was asked is asked of another one. A server that takes such pings for an attack ends the connection, and gRPC
    # doubles the time between them.
    ("grpc.keepalive_time_ms", 2_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.max_pings_without_data", 0),  # as many as it takes
    # One that comes, or comes back, is found within seconds, however long it was away.
    ("grpc.min_reconnect_backoff_ms", 3_000),  # what a connection may take to be made
    ("grpc.max_reconnect_backoff_ms", 1_000),
]

_KEY = re.compile(r"[\x21-\x7e]+")

Metadata = tuple[tuple[str, str], ...]


class ConnectionOptions(TypedDict, total=False):
    """Keyword arguments of both clients that say how servers are reached."""

    tls: bool | bytes | grpc.ChannelCredentials
    """Whether connections are encrypted: True trusts the authorities that gRPC brings along, bytes are the PEM
    certificates of those to trust in their place, and gRPC's credentials are taken as they are. False by default."""

    client_certificate: bytes
    """PEM certificate chain that the client shows to the server (mutual TLS); needs `client_key`."""

    client_key: bytes
    """PEM private key of the client's certificate."""

    server_name: str
    """Name that the servers' certificates have, where it is not the host that is called; several hosts share one."""

    api_key: str
    """Key that is sent with every call, as `authorization: Bearer <key>`."""

    allow_plain_text_key: bool
    """Whether the key may be sent unencrypted to another machine. False by default."""


@dataclass(frozen=True)
class Connection:
    """What a channel is opened with, and what every call sends along."""

    target: str
    """As gRPC names what to connect to."""
    options: list[tuple[str, Any]]
    credentials: grpc.ChannelCredentials | None
    """None: not encrypted."""
    metadata: Metadata = field(repr=False)
    """Has the key."""
    may_send_keys: bool
    """Whether nobody on the way can read a key, or somebody has said that it may be sent nevertheless."""

    def on_behalf(self, api_key: str, metadata: Metadata) -> "Connection":
        """The same connection for a caller of this program's own: with its key, if it has one, in place of this
        program's, and with `metadata` as well. Raises ValueError for a key that is none, or that may not be sent."""
        key = _metadata(api_key, self.may_send_keys) or self.metadata
        return replace(self, metadata=(*key, *metadata))


def connection_to(
    address: str | Sequence[str],
    *,
    retries: bool,
    tls: bool | bytes | grpc.ChannelCredentials = False,
    client_certificate: bytes = b"",
    client_key: bytes = b"",
    server_name: str = "",
    api_key: str = "",
    allow_plain_text_key: bool = False,
) -> Connection:
    """How servers are reached that `address` names: one address, several with commas between them, or a sequence of
    them. Names among several are looked up here and now, one that stands alone again and again.

    Raises ValueError for what is no address, and for settings that contradict each other.
    """
    servers = _servers(address)
    credentials = _credentials(tls, client_certificate, client_key)
    has_several = len(servers) > 1 or not (servers[0].path or servers[0].number)  # a name may have many numbers
    options = [*_OPTIONS, *(_KEEPALIVE_AMONG_SEVERAL if has_several else _KEEPALIVE_ALONE)]
    options.append(("grpc.service_config", json.dumps(_service_config(retries, checks_health=has_several))))
    options.append(("grpc.enable_retries", int(retries)))
    if credentials is None and server_name:
        raise ValueError("server_name: only certificates have one; tls expected as well")
    if credentials is not None and len(servers) > 1 and not server_name:
        server_name = _shared_name(servers)
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    if len(servers) == 1:
        target = servers[0].target
        options += servers[0].channel_options
    else:
        target = _list_of_numbers(servers)
        options.append(("grpc.enable_http_proxy", 0))  # gRPC would ask a proxy for the whole list as if it were a host
    is_private = credentials is not None or all(server.is_local for server in servers)
    may_send_keys = is_private or allow_plain_text_key
    return Connection(target, options, credentials, _metadata(api_key, may_send_keys), may_send_keys)


def open_channel(connection: Connection) -> grpc.Channel:
    """Nothing is connected before the first call."""
    if connection.credentials is None:
        return grpc.insecure_channel(connection.target, options=connection.options)
    return grpc.secure_channel(connection.target, connection.credentials, options=connection.options)


def open_async_channel(connection: Connection) -> grpc.aio.Channel:
    """Nothing is connected before the first call."""
    if connection.credentials is None:
        return grpc.aio.insecure_channel(connection.target, options=connection.options)
    return grpc.aio.secure_channel(connection.target, connection.credentials, options=connection.options)


def _service_config(retries: bool, checks_health: bool) -> dict[str, Any]:
    """`checks_health`: whether a server that says that it does not serve is passed over, which takes one of the calls
    that a connection has at a time."""
    config = dict(_SERVICE_CONFIG)
    if not retries:
        del config["methodConfig"]
    if not checks_health:
        del config["healthCheckConfig"]
    return config


def _servers(address: str | Sequence[str]) -> list[Address]:
    if isinstance(address, str):
        address = [address] if address.startswith("unix:") else address.split(",")
    servers = [parse_target("address", one.strip().removeprefix("dns:///")) for one in address]
    if not servers or (len(servers) > 1 and any(server.path for server in servers)):
        raise ValueError(
            "address: one address expected, or several of TCP ports, got " + (", ".join(address) or "none")
        )
    return servers


def _list_of_numbers(servers: Sequence[Address]) -> str:
    """The gRPC target of several servers. Raises ValueError if none of their names is known."""
    found = {number: None for server in servers for number in _numbers(server)}
    if not found:
        raise ValueError(f"address: none of these hosts is known: {', '.join(server.host for server in servers)}")
    if not any(":" in host for host, _ in found):
        return "ipv4:" + ",".join(f"{host}:{port}" for host, port in found)
    mapped = [(host if ":" in host else f"::ffff:{host}", port) for host, port in found]
    return "ipv6:" + ",".join(f"[{host}]:{port}" for host, port in mapped)


def _numbers(server: Address) -> list[tuple[str, int]]:
    """Numbers and ports of a server's addresses; none of a name that is not known."""
    if server.number:
        return [(str(server.number), server.port)]
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [(str(number), server.port) for *_, (number, *_) in found]


def _shared_name(servers: Sequence[Address]) -> str:
    hosts = {server.host for server in servers}
    if len(hosts) > 1:
        raise ValueError("server_name: the name that all certificates have expected, for tls with several hosts")
    return hosts.pop()


def _credentials(
    tls: bool | bytes | grpc.ChannelCredentials, client_certificate: bytes, client_key: bytes
) -> grpc.ChannelCredentials | None:
    if bool(client_certificate) != bool(client_key):
        raise ValueError("client_certificate and client_key: both expected, or neither")
    if tls is False:
        if client_key:
            raise ValueError("client_certificate: tls expected as well")
        return None
    if tls == b"":  # gRPC would trust its own authorities
        raise ValueError("tls: the authorities' certificates expected, got no bytes")
    if isinstance(tls, bool | bytes):
        roots = tls if isinstance(tls, bytes) else None
        return grpc.ssl_channel_credentials(roots, client_key or None, client_certificate or None)
    if client_key:
        raise ValueError("client_certificate: expected within the credentials that tls gives")
    return tls


def _metadata(api_key: str, may_be_sent: bool) -> Metadata:
    if not api_key:
        return ()
    if not _KEY.fullmatch(api_key):
        raise ValueError("api_key: visible ASCII characters expected, and no space")  # nobody's log has the key
    if not may_be_sent:
        raise ValueError("api_key: tls expected, or allow_plain_text_key: everybody on the way could read the key")
    return (("authorization", f"Bearer {api_key}"),)

"""The sockets on which the server listens: every address that a name resolves to, with one port, or none at all."""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple
from wsgiref.simple_server import WSGIServer

import grpc
from prometheus_client import CollectorRegistry, start_http_server

from seq2serve.addresses import Address
from server.serving.access.certificates import TlsCredentials

_MOST_TRIES = 10
"""Ports that are tried where any free one will do, but has to be free at several addresses."""


class _Endpoint(NamedTuple):
    family: int
    host: str
    """A number."""


def num_endpoints(setting: str, address: Address) -> int:
    """How many sockets listen for an address. Raises OSError for a name that does not resolve."""
    with _named(setting, address):
        return 1 if address.path else len(_resolved(address))


def listen_for_rpcs(
    server: grpc.aio.Server, setting: str, address: Address, credentials: TlsCredentials | None = None
) -> Address:
    """Bind a gRPC server; without credentials connections are not encrypted. Returns the address with the port that it
    got. Raises OSError, which names the setting."""
    with _named(setting, address):
        if address.path:
            _free_path(address.path)
            _add_port(server, address.target, credentials)
            return address
        with _reserved(address) as (endpoints, port):
            for endpoint in endpoints:
                _add_port(server, str(Address(endpoint.host, port)), credentials)
            return Address(address.host, port)


def listen_for_metrics(registry: CollectorRegistry, setting: str, address: Address) -> tuple[list[WSGIServer], Address]:
    """Serve a registry over HTTP, a server an address, each on a thread of its own. Returns the servers, and the
    address with the port that they got. Raises OSError, which names the setting."""
    with _named(setting, address), _reserved(address) as (endpoints, port):
        servers: list[WSGIServer] = []
        try:
            for endpoint in endpoints:
                servers.append(start_http_server(port, endpoint.host, registry)[0])
        except OSError:
            stop_metrics(servers)
            raise
        return servers, Address(address.host, port)


def stop_metrics(servers: list[WSGIServer]) -> None:
    for server in servers:
        server.shutdown()
        server.server_close()


def _add_port(server: grpc.aio.Server, target: str, credentials: TlsCredentials | None) -> None:
    try:
        if credentials:
            server.add_secure_port(target, credentials.for_socket())
        else:
            server.add_insecure_port(target)
    except RuntimeError as error:
        raise OSError(str(error)) from error


@contextmanager
def _named(setting: str, address: Address) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeError) as error:
        raise OSError(f"{setting}: cannot listen on {address}: {error}") from error


def _resolved(address: Address) -> list[_Endpoint]:
    """Raises OSError."""
    if not address.host:  # the one socket that takes both families, where there are two
        dual = socket.has_dualstack_ipv6()
        return [_Endpoint(socket.AF_INET6, "::") if dual else _Endpoint(socket.AF_INET, "0.0.0.0")]
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(_Endpoint(family, str(name[0])) for family, _, _, _, name in found))


@contextmanager
def _reserved(address: Address) -> Iterator[tuple[list[_Endpoint], int]]:
    """What an address resolves to, and its port, or one that is free at all of them: bound for as long as this lasts,
    so that nobody else takes it, and whoever listens then cannot fail. Raises OSError."""
    endpoints = _resolved(address)
    for num_left in reversed(range(_MOST_TRIES if address.port == 0 else 1)):
        with ExitStack() as stack:
            port = address.port
            try:
                for endpoint in endpoints:
                    port = _bound(stack, endpoint, port)
            except OSError as error:
                if error.errno == errno.EADDRINUSE and num_left:
                    continue
                raise
            yield endpoints, port
            return


def _bound(stack: ExitStack, endpoint: _Endpoint, port: int) -> int:
    """Bind a socket that does not listen, which keeps out nobody who binds as it does. Returns the port."""
    held = stack.enter_context(socket.socket(endpoint.family, socket.SOCK_STREAM))
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(socket.getaddrinfo(endpoint.host, port, type=socket.SOCK_STREAM)[0][4])
    return int(held.getsockname()[1])


def _free_path(path: str) -> None:
    """Remove the socket of a server that has ended without doing so. Raises OSError for anything else that is there,
    and for a folder where no socket can be made."""
    if os.path.exists(path):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise OSError("a file that is no socket is there")
        if _is_alive(path):
            raise OSError("a running server listens on it")
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as trial:  # which says what is wrong, as gRPC does not
        trial.bind(path)
    os.unlink(path)


def _is_alive(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.setblocking(False)  # the queue of one that lives may be full
        try:
            caller.connect(path)
        except BlockingIOError:
            return True
        except ConnectionRefusedError:
            return False
        return True

"""Listening: every address of a name, with one port, or none at all."""

import errno
import os
import socket
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from seq2serve.addresses import Address, parse_address, parse_target
from server.serving import sockets
from server.serving.sockets import listen_for_metrics, listen_for_rpcs, num_endpoints, stop_metrics
from tests.fakes import PATIENCE

BOTH = "both.test"
"""A name that resolves to both loopback addresses."""


@pytest.fixture(autouse=True)
def both_families(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def resolve_both(host: Any, port: Any, *arguments: Any, **keywords: Any) -> list[Any]:
        hosts = ["127.0.0.1", "::1"] if host == BOTH else [host]
        return [found for name in hosts for found in resolve(name, port, *arguments, **keywords)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve_both)


@pytest.fixture
async def server() -> AsyncIterator[grpc.aio.Server]:
    async def echo(request: bytes, context: Any) -> bytes:
        return request

    handlers: dict[str, Any] = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server = grpc.aio.server(
        handlers=[grpc.method_handlers_generic_handler("Test", handlers)], options=[("grpc.so_reuseport", 0)]
    )
    yield server
    await server.stop(None)


async def is_heard(target: str) -> bool:
    address = parse_target("target", target)
    async with grpc.aio.insecure_channel(address.target, address.channel_options) as channel:
        echo: Any = channel.unary_unary("/Test/Echo")
        try:
            return bool(await echo(b"heard", timeout=PATIENCE) == b"heard")
        except grpc.aio.AioRpcError:
            return False


@pytest.mark.parametrize(
    ("text", "heard_at", "not_at"),
    [
        ("127.0.0.1:0", ["127.0.0.1"], ["[::1]"]),
        ("[::1]:0", ["[::1]"], ["127.0.0.1"]),
        ("[::]:0", ["127.0.0.1", "[::1]"], []),
        ("0.0.0.0:0", ["127.0.0.1"], []),
        (":0", ["127.0.0.1", "[::1]"], []),
        (f"{BOTH}:0", ["127.0.0.1", "[::1]"], []),
    ],
)
async def test_a_server_is_heard_at_every_address_that_was_asked_for(
    server: grpc.aio.Server, text: str, heard_at: list[str], not_at: list[str]
) -> None:
    bound = listen_for_rpcs(server, "listen", parse_address("listen", text))
    await server.start()
    assert bound.port > 0
    assert [await is_heard(f"{host}:{bound.port}") for host in heard_at] == [True] * len(heard_at)
    assert [await is_heard(f"{host}:{bound.port}") for host in not_at] == [False] * len(not_at)
    if BOTH not in text:
        assert await is_heard(str(bound.reachable))


def test_connections_are_counted_for_each_address_of_a_name() -> None:
    counts = {text: num_endpoints("listen", parse_address("listen", text)) for text in (f"{BOTH}:0", ":0", "unix:a")}
    assert counts == {f"{BOTH}:0": 2, ":0": 1, "unix:a": 1}


def test_a_name_that_does_not_resolve_is_one_line_with_the_setting() -> None:
    with pytest.raises(OSError, match=r"^listen: cannot listen on nowhere\.invalid:1: ") as raised:
        num_endpoints("listen", Address("nowhere.invalid", 1))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("taken_host", ["127.0.0.1", "::1"])
async def test_where_one_address_of_a_name_is_taken_none_is_listened_on(
    server: grpc.aio.Server, taken_host: str
) -> None:
    family = socket.AF_INET6 if ":" in taken_host else socket.AF_INET
    with socket.create_server((taken_host, 0), family=family) as taken:
        port = taken.getsockname()[1]
        for listen in (
            lambda address: listen_for_rpcs(server, "setting", address),
            lambda address: listen_for_metrics(CollectorRegistry(), "setting", address),
        ):
            with pytest.raises(OSError, match=rf"^setting: cannot listen on {BOTH}:{port}: .*in use"):
                listen(Address(BOTH, port))
            other = "127.0.0.1" if ":" in taken_host else "::1"
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((other, port))


async def test_a_free_port_is_one_that_is_free_at_every_address_of_a_name(
    server: grpc.aio.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind: Callable[..., int] = sockets._bound
    tried: list[int] = []

    def bind_late(stack: Any, endpoint: Any, port: int) -> int:
        """As if others had the first two ports at the second address."""
        if endpoint.host == "::1" and (tried.append(port) or len(tried) < 3):  # type: ignore[func-returns-value]
            raise OSError(errno.EADDRINUSE, "in use")
        return bind(stack, endpoint, port)

    monkeypatch.setattr(sockets, "_bound", bind_late)
    bound = listen_for_rpcs(server, "listen", Address(BOTH, 0))
    await server.start()
    assert tried[-1] == bound.port
    assert await is_heard(f"[::1]:{bound.port}")


@pytest.mark.parametrize(
    ("text", "hosts"),
    [(f"{BOTH}:0", ["127.0.0.1", "[::1]"]), (":0", ["127.0.0.1", "[::1]"]), ("[::1]:0", ["[::1]"])],
)
def test_metrics_are_served_at_every_address(text: str, hosts: list[str]) -> None:
    servers, bound = listen_for_metrics(CollectorRegistry(), "metrics_listen", parse_address("metrics_listen", text))
    for host in hosts:
        with urllib.request.urlopen(f"http://{host}:{bound.port}/metrics", timeout=PATIENCE) as answer:
            assert answer.status == 200
    stop_metrics(servers)
    for host in hosts:
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(f"http://{host}:{bound.port}/metrics", timeout=PATIENCE)


async def test_a_unix_socket_is_made_by_the_umask_and_removed_at_the_end(
    server: grpc.aio.Server, tmp_path: Path
) -> None:
    path = tmp_path / "a socket"
    before = os.umask(0o027)
    try:
        listen_for_rpcs(server, "listen", Address(path=str(path)))
    finally:
        os.umask(before)
    await server.start()
    assert path.stat().st_mode & 0o777 == 0o750
    assert await is_heard(f"unix:{path}")
    await server.stop(None)
    assert not path.exists()


async def test_a_unix_socket_on_which_nobody_listens_any_more_is_replaced(
    server: grpc.aio.Server, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as ended:
        ended.bind(str(path))
    listen_for_rpcs(server, "listen", Address(path=str(path)))
    await server.start()
    assert await is_heard(f"unix:{path}")


@pytest.mark.parametrize("num_waiting", [0, 3])
async def test_a_unix_socket_on_which_somebody_listens_is_left_alone(
    server: grpc.aio.Server, tmp_path: Path, num_waiting: int
) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen(1)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(num_waiting)]
        for caller in waiting:  # more than its queue takes
            caller.setblocking(False)
            caller.connect_ex(str(path))
        with pytest.raises(OSError, match=r"^listen: cannot listen on unix:.*: a running server listens on it$"):
            listen_for_rpcs(server, "listen", Address(path=str(path)))
        living.accept()[0].close() if num_waiting else None
        assert path.is_socket()
        for caller in waiting:
            caller.close()


@pytest.mark.parametrize(("name", "problem"), [("file", "no socket is there"), ("nowhere/socket", "No such file")])
async def test_a_path_where_no_socket_can_be_is_one_line(
    server: grpc.aio.Server, tmp_path: Path, name: str, problem: str
) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OSError, match=rf"^listen: cannot listen on unix:.*{problem}"):
        listen_for_rpcs(server, "listen", Address(path=str(tmp_path / name)))
    assert (tmp_path / "file").read_text() == "precious"

import os
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2serve.addresses import Address, parse_address, parse_target
from tests.fakes import PATIENCE


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:50051", Address("127.0.0.1", 50051)),
        ("localhost:0", Address("localhost", 0)),
        ("node-1.example.org.:65535", Address("node-1.example.org.", 65535)),
        ("my_service:1", Address("my_service", 1)),
        ("dns:50051", Address("dns", 50051)),
        (":50051", Address("", 50051)),
        ("[::]:50051", Address("::", 50051)),
        ("[fe80::1%eth0]:7", Address("fe80::1%eth0", 7)),
        ("[::ffff:10.0.0.1]:7", Address("::ffff:10.0.0.1", 7)),
        ("unix:socket", Address(path="socket")),
        ("unix:/run/a b%20.sock", Address(path="/run/a b%20.sock")),
        ("unix:é", Address(path="é")),
        (f"unix:{'a' * 107}", Address(path="a" * 107)),
    ],
)
def test_every_form_is_read_and_written_alike(text: str, address: Address) -> None:
    assert parse_address("listen", text) == address
    assert str(address) == text


def test_a_unix_path_may_be_written_as_a_url() -> None:
    assert parse_address("listen", "unix:///run/socket") == Address(path="/run/socket")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "50051",
        "localhost",
        "localhost:",
        "localhost:http",
        "localhost:65536",
        "localhost:-1",
        "localhost:+1",
        "localhost: 1",
        "localhost:1 ",
        "localhost:1\n",
        "localhost:000001",
        "localhost:١",
        "http://localhost:50051",
        "https://localhost",
        "dns:///localhost:50051",
        "ipv4:127.0.0.1:50051",
        "::1:50051",
        "::1",
        "[::1]",
        "[::1]50051",
        "[1::2::3]:1",
        "[localhost]:1",
        "[127.0.0.1]:1",
        "[::1%]:1",
        "[::1%a/b]:1",
        "a..b:1",
        ".a:1",
        f"{'a' * 64}:1",
        "a b:1",
        "user@host:1",
        "a,b:1",
        "münchen:1",
        "unix:",
        "unix://host/path",
        "unix:a\nb",
        "unix:a\0b",
        "unix:\udc80",
        f"unix:{'a' * 108}",
        f"unix:{'é' * 54}",
    ],
)
def test_anything_else_is_refused_in_one_line_with_the_setting_and_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"^listen: .*unix:path expected, (with a port|of 1) .*, got ") as raised:
        parse_address("listen", text)
    assert repr(text)[:50] in str(raised.value)


def test_an_impossible_port_is_told_which_are_possible() -> None:
    with pytest.raises(ValueError, match=r"^metrics_listen: .* with a port from 0 to 65535, got 'a:65536'$"):
        parse_address("metrics_listen", "a:65536")


@given(st.text() | st.from_regex(r"\A(unix:.*|\[.*\]:\d*|.*:\d{1,6})\Z"))
def test_any_text_is_an_address_or_one_short_line(text: str) -> None:
    try:
        address = parse_address("listen", text)
    except ValueError as error:
        line = str(error)
    else:
        assert 0 <= address.port <= 65535
        assert parse_address("listen", str(address)) == address
        assert parse_address("listen", str(address.reachable)) == address.reachable == address.reachable.reachable
        line = f"listen: {address}"
    assert line.startswith("listen: ")
    assert line.isprintable()
    assert len(line) < 2000


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        (":7", "127.0.0.1:7"),
        ("0.0.0.0:7", "127.0.0.1:7"),
        ("[::]:7", "[::1]:7"),
        ("[0:0::0]:7", "[::1]:7"),
        ("[::ffff:0.0.0.0]:7", "127.0.0.1:7"),
        ("[::1]:7", "[::1]:7"),
        ("10.0.0.1:7", "10.0.0.1:7"),
        ("server:7", "server:7"),
        ("unix:a", "unix:a"),
    ],
)
def test_what_listens_everywhere_is_reached_on_loopback(text: str, reached: str) -> None:
    assert str(parse_target("--server", text)) == reached


def test_nothing_can_be_called_on_port_0() -> None:
    with pytest.raises(ValueError, match=r"^--server: .* with a port from 1 to 65535, got 'a:0'$"):
        parse_target("--server", "a:0")


@pytest.mark.parametrize(
    ("text", "is_local"),
    [
        ("127.0.0.1:7", True),
        ("127.8.9.10:7", True),
        ("[::1]:7", True),
        ("[::ffff:127.0.0.1]:7", True),
        ("LocalHost.:7", True),
        ("a.localhost:7", True),
        (":7", True),
        ("0.0.0.0:7", True),
        ("unix:a", True),
        ("10.0.0.1:7", False),
        ("[fe80::1]:7", False),
        ("server:7", False),
        ("notlocalhost:7", False),
        ("localhost.example.org:7", False),
    ],
)
def test_only_other_machines_may_be_asked_through_a_proxy(text: str, is_local: bool) -> None:
    options = parse_target("--server", text).channel_options
    assert options == ([("grpc.enable_http_proxy", 0)] if is_local else [])


@contextmanager
def echo_server(*addresses: str) -> Iterator[int]:
    """Returns the port of the first."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    handlers: dict[str, Any] = {"Echo": grpc.unary_unary_rpc_method_handler(lambda request, context: request)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Test", handlers),))
    port, *_ = [server.add_insecure_port(address) for address in addresses]
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def test_every_local_form_is_dialled_past_a_proxy_that_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    for variable in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(variable, raising=False)
    path = tmp_path / "a b%20%#?.sock"
    relative = os.path.relpath(path)
    with echo_server("[::]:0", Address(path=str(path)).target) as port:
        assert path.is_socket()
        tcp = ["127.0.0.1", "localhost", "", "0.0.0.0", "[::1]", "[::]", "[::1%lo]"]
        for text in [*(f"{host}:{port}" for host in tcp), f"unix:{path}", f"unix://{path}", f"unix:{relative}"]:
            address = parse_target("--server", text)
            with grpc.insecure_channel(address.target, options=address.channel_options) as channel:
                echo: Any = channel.unary_unary("/Test/Echo")
                assert echo(b"heard", timeout=PATIENCE) == b"heard", text

"""How servers are reached: several of them, TLS, and keys."""

import socket
from collections.abc import Callable
from typing import Any

import grpc
import pytest
import trustme

from seq2serve import TranslationError, Unavailable
from seq2serve.channel import connection_to
from tests.seq2serve.kinds import Awaiting, Blocking, Kind
from tests.seq2serve.scripted import scripted

kinds = pytest.mark.parametrize("kind", [Blocking, Awaiting])

KEY = "s2s_do-not-show"


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("127.0.0.1:1", "dns:///127.0.0.1:1"),
        ("dns:///server:1", "dns:///server:1"),
        (["server:1"], "dns:///server:1"),
        ("unix:/a,b", "unix:/a%2Cb"),
        ("127.0.0.1:1,127.0.0.2:2", "ipv4:127.0.0.1:1,127.0.0.2:2"),
        (["127.0.0.1:1", "127.0.0.1:1", ":2"], "ipv4:127.0.0.1:1,127.0.0.1:2"),
        ("127.0.0.1:1, [::1]:2", "ipv6:[::ffff:127.0.0.1]:1,[::1]:2"),
    ],
)
def test_one_address_or_several_are_one_target(address: str | list[str], target: str) -> None:
    assert connection_to(address, retries=True).target == target


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "host:port"),
        ([], "one address expected, or several of TCP ports, got none"),
        ("a:1,", "host:port"),
        (["127.0.0.1:1", "unix:a"], "one address expected, or several of TCP ports, got 127.0.0.1:1, unix:a"),
        ("nowhere.invalid:1,nobody.invalid:2", "none of these hosts is known: nowhere.invalid, nobody.invalid"),
    ],
)
def test_what_cannot_be_called_is_said_at_once(address: str | list[str], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^address: .*{problem}"):
        connection_to(address, retries=True)


@kinds
async def test_several_servers_are_called_in_turn_by_name_or_number_or_either_family(kind: Kind) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    async with scripted("first") as (first, one), scripted("second", listen="[::1]:0") as (second, other):
        for addresses in ([one, other], f"{one},{other}", [one.replace("127.0.0.1", "localhost"), other]):
            first.num_calls = second.num_calls = 0
            async with kind(addresses) as client:
                while not (first.num_calls and second.num_calls):
                    assert (await client.translate("a")).translated_text in ("first", "second")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def pem(blobs: list[trustme.Blob]) -> bytes:
    return b"".join(blob.bytes() for blob in blobs)


def server_credentials(authority: trustme.CA, *names: str, clients: trustme.CA | None = None) -> grpc.ServerCredentials:
    """`clients`: whose certificates those have to show who call."""
    server = authority.issue_cert(*names)
    pair = server.private_key_pem.bytes(), pem(server.cert_chain_pems)
    roots = clients.cert_pem.bytes() if clients else None
    return grpc.ssl_server_credentials([pair], roots, require_client_auth=clients is not None)


@kinds
async def test_a_server_is_trusted_whose_certificate_has_the_authority_and_the_name(
    kind: Kind, authority: trustme.CA
) -> None:
    roots = authority.cert_pem.bytes()
    async with scripted("answer", credentials=server_credentials(authority, "127.0.0.1")) as (_, address):
        for tls in (roots, grpc.ssl_channel_credentials(roots)):
            async with kind(address, tls=tls) as client:
                assert (await client.translate("a")).translated_text == "answer"
        for wrong in (
            {"tls": trustme.CA().cert_pem.bytes()},
            {"tls": True},
            {"tls": roots, "server_name": "other"},
            {},
        ):
            async with kind(address, retries=False, **wrong) as client:
                with pytest.raises(Unavailable):
                    await client.translate("a")


@kinds
async def test_several_servers_share_a_name(kind: Kind, authority: trustme.CA) -> None:
    credentials, roots = server_credentials(authority, "translation"), authority.cert_pem.bytes()
    async with scripted("a", credentials=credentials) as (_, one), scripted("b", credentials=credentials) as (_, other):
        async with kind([one, other], tls=roots, server_name="translation") as client:
            assert {(await client.translate("x")).translated_text for _ in range(50)} == {"a", "b"}
        async with kind([one, other], tls=roots, retries=False) as client:  # both certificates lack 127.0.0.1
            with pytest.raises(Unavailable):
                await client.translate("x")


@kinds
async def test_a_client_shows_its_certificate(kind: Kind, authority: trustme.CA) -> None:
    roots, mine = authority.cert_pem.bytes(), authority.issue_cert("me@example.org")
    shown: dict[str, Any] = {
        "client_certificate": pem(mine.cert_chain_pems),
        "client_key": mine.private_key_pem.bytes(),
    }
    credentials = server_credentials(authority, "127.0.0.1", clients=authority)
    async with scripted("answer", credentials=credentials) as (_, address):
        async with kind(address, tls=roots, **shown) as client:
            assert (await client.translate("a")).translated_text == "answer"
        async with kind(address, tls=roots, retries=False) as client:
            with pytest.raises(Unavailable):
                await client.translate("a")


@kinds
async def test_a_key_is_sent_with_every_call_and_shown_nowhere(kind: Kind) -> None:
    async with scripted("", grpc.StatusCode.UNAUTHENTICATED) as (service, address):
        async with kind(address, api_key=KEY) as client:
            with pytest.raises(TranslationError) as raised:
                await client.translate("a")
            await client.translate("a")
            await client.stream("a")
            assert KEY not in f"{client!r} {raised.value!r} {raised.value} {raised.value.__cause__!r}"
        assert service.keys == [f"Bearer {KEY}"] * 3
    assert KEY not in repr(connection_to("a:1", retries=True, tls=True, api_key=KEY))


@kinds
async def test_a_key_goes_through_tls(kind: Kind, authority: trustme.CA) -> None:
    async with scripted("", credentials=server_credentials(authority, "127.0.0.1")) as (service, address):
        async with kind(address, api_key=KEY, tls=authority.cert_pem.bytes()) as client:
            await client.translate("a")
        assert service.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("address", "options", "is_sent"),
    [
        ("server:1", {}, False),
        ("10.0.0.1:1", {}, False),
        ("127.0.0.1:1,10.0.0.1:1", {}, False),
        ("server:1", {"tls": True}, True),
        ("server:1", {"allow_plain_text_key": True}, True),
        ("127.0.0.1:1", {}, True),
        ("localhost:1,127.0.0.1:2", {}, True),
        ("unix:socket", {}, True),
    ],
)
def test_a_key_leaves_this_machine_encrypted_or_by_permission(
    address: str, options: dict[str, Any], is_sent: bool
) -> None:
    def connect() -> object:
        return connection_to(address, retries=True, api_key=KEY, **options).metadata

    if is_sent:
        assert connect() == (("authorization", f"Bearer {KEY}"),)
    else:
        with pytest.raises(ValueError, match=r"^api_key: tls expected, or allow_plain_text_key") as raised:
            connect()
        assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"api_key": f"{KEY}\n"}, "api_key: visible ASCII characters expected"),
        ({"api_key": f"{KEY} é"}, "api_key: visible ASCII characters expected"),
        ({"client_key": b"k"}, "client_certificate and client_key: both expected, or neither"),
        ({"tls": True, "client_certificate": b"c"}, "client_certificate and client_key: both expected, or neither"),
        ({"client_certificate": b"c", "client_key": b"k"}, "client_certificate: tls expected as well"),
        ({"tls": b""}, "tls: the authorities' certificates expected, got no bytes"),
        ({"server_name": "a"}, "server_name: only certificates have one"),
    ],
)
def test_settings_that_contradict_each_other_are_said_at_once(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}") as raised:
        connection_to("127.0.0.1:1", retries=True, **options)
    assert KEY not in str(raised.value)


def test_several_hosts_with_tls_need_a_name_that_they_share() -> None:
    with pytest.raises(ValueError, match=r"^server_name: the name that all certificates have expected"):
        connection_to("127.0.0.1:1,127.0.0.2:1", retries=True, tls=True)


@pytest.mark.parametrize("kind", [Blocking, Awaiting])
def test_a_setting_that_does_not_exist_is_a_programmer_s_error(kind: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="tsl"):
        kind("127.0.0.1:1", tsl=True)


@kinds
async def test_several_local_servers_are_called_past_a_proxy_that_leads_nowhere(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    async with scripted("a") as (_, one), scripted("b") as (_, other), kind([one, other]) as client:
        assert {(await client.translate("x")).translated_text for _ in range(50)} == {"a", "b"}

"""TLS on real sockets: who can connect, and certificates and authorities that are replaced while the server runs."""

import asyncio
import datetime
import socket
import ssl
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from seq2serve import AsyncClient, Unavailable
from seq2serve.pb import model_admin_pb2, model_admin_pb2_grpc
from server.serving.access import watched
from server.serving.access.certificates import CertificateError
from tests.fakes import PATIENCE
from tests.integration.served import Served, eventually, request, serving
from tests.integration.shipped import one_model
from tests.small_models import SENTENCES

SUCCESSFUL = "seq2serve_last_reload_successful"


@pytest.fixture(autouse=True)
def quick_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "INTERVAL_SECONDS", 0.02)


@pytest.fixture
def model_repository(tmp_path: Path) -> Path:
    return one_model(tmp_path)


class Files:
    """The files of a server, and what its clients need."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.settings: dict[str, Any] = {
            "tls_certificate": str(folder / "server.pem"),
            "tls_key": str(folder / "server.key"),
        }
        self.certificate = self.write_pair()

    @property
    def roots(self) -> bytes:
        return self.authority.cert_pem.bytes()

    def write_pair(self, **issued: Any) -> bytes:
        """A new certificate, and its key. Returns it as DER."""
        made = self.authority.issue_cert("localhost", "127.0.0.1", "::1", **issued)
        chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        (self.folder / "server.pem").write_bytes(chain)
        (self.folder / "server.key").write_bytes(made.private_key_pem.bytes())
        return ssl.PEM_cert_to_DER_cert(made.cert_chain_pems[0].bytes().decode())

    def want_clients_of(self, *authorities: trustme.CA) -> None:
        file = self.folder / "clients.pem"
        file.write_bytes(b"".join(authority.cert_pem.bytes() for authority in authorities))
        self.settings["tls_client_authorities"] = str(file)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def shown_certificate(port: int, host: str = "127.0.0.1") -> bytes:
    """What a new connection is shown, as DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((host, port), PATIENCE) as plain, context.wrap_socket(plain) as encrypted:
        shown = encrypted.getpeercert(binary_form=True)
    assert shown
    return shown


async def wait_until_shown(served: Served, certificate: bytes, host: str = "127.0.0.1") -> None:
    async def is_shown() -> bool:
        return await asyncio.to_thread(shown_certificate, served.app.port, host) == certificate

    await eventually(is_shown)


def by(authority: trustme.CA, name: str = "client@example.org") -> Any:
    """The certificate of a client, as our client takes it."""
    made = authority.issue_cert(name)
    chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
    return {"client_certificate": chain, "client_key": made.private_key_pem.bytes()}


async def is_served(served: Served, **options: Any) -> bool:
    """On a new connection."""
    async with AsyncClient(served.address, retries=False, **options) as client:
        try:
            return bool((await client.translate(SENTENCES[0])).translated_text)
        except Unavailable:
            return False


async def test_only_who_speaks_tls_is_served(model_repository: Path, files: Files) -> None:
    async with serving(model_repository, **files.settings) as served:
        assert await is_served(served, tls=files.roots)
        assert not await is_served(served)
        assert not await is_served(served, tls=trustme.CA().cert_pem.bytes())
        expiry = await served.metric("seq2serve_tls_certificate_expiry_timestamp_seconds", file="server")
        assert expiry > datetime.datetime.now().timestamp()


async def test_only_clients_with_a_certificate_of_the_authority_are_served(
    model_repository: Path, files: Files
) -> None:
    clients = trustme.CA()
    files.want_clients_of(clients)
    async with serving(model_repository, **files.settings) as served:
        assert await is_served(served, tls=files.roots, **by(clients))
        assert not await is_served(served, tls=files.roots)
        assert not await is_served(served, tls=files.roots, **by(trustme.CA()))
        assert not await is_served(served, tls=files.roots, **by(files.authority))
        assert await served.metric("seq2serve_tls_certificate_expiry_timestamp_seconds", file="client_authorities")


async def test_a_new_certificate_is_shown_to_new_connections_and_running_streams_live_on(
    model_repository: Path, files: Files
) -> None:
    async with serving(model_repository, gated=True, **files.settings) as served:
        credentials = grpc.ssl_channel_credentials(files.roots)
        async with grpc.aio.secure_channel(served.address, credentials) as channel:
            stub: Any = type(served.stub)(channel)
            running = stub.StreamTranslate(request(SENTENCES[0]), timeout=PATIENCE)
            await served.held()
            first = files.certificate
            await wait_until_shown(served, first)
            second = files.write_pair()
            await wait_until_shown(served, second)
            assert first != second
            served.gate.open()
            assert [message async for message in running]
            assert (await stub.Translate(request(SENTENCES[0]), timeout=PATIENCE)).translations
        assert await is_served(served, tls=files.roots)


async def test_every_socket_shows_the_new_certificate(
    model_repository: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve, hosts = socket.getaddrinfo, ["127.0.0.1", "::1"]

    def resolve_both(host: Any, *arguments: Any, **keywords: Any) -> list[Any]:
        names = hosts if host == "localhost" else [host]
        return [found for name in names for found in resolve(name, *arguments, **keywords)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve_both)
    async with serving(model_repository, listen="localhost:0", **files.settings) as served:
        for _ in range(3):
            certificate = files.write_pair()
            for host in hosts:
                await wait_until_shown(served, certificate, host)


async def test_files_behind_a_link_are_replaced_at_once(model_repository: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    first, second = Files(one), Files(two)
    link = tmp_path / "data"
    link.symlink_to(one)
    settings: dict[str, Any] = {"tls_certificate": str(link / "server.pem"), "tls_key": str(link / "server.key")}
    async with serving(model_repository, **settings) as served:
        await wait_until_shown(served, first.certificate)
        (tmp_path / "next").symlink_to(two)
        (tmp_path / "next").rename(link)
        await wait_until_shown(served, second.certificate)
        assert await served.metric(SUCCESSFUL, files="certificates") == 1


async def test_files_that_are_replaced_one_after_the_other_are_used_when_they_fit_together(
    model_repository: Path, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    first, paths = files.certificate, [files.folder / "server.pem", files.folder / "server.key"]
    old = [path.read_bytes() for path in paths]
    second = files.write_pair()
    new = [path.read_bytes() for path in paths]
    for path, content in zip(paths, old, strict=True):
        path.write_bytes(content)
    async with serving(model_repository, **files.settings) as served:
        paths[0].write_bytes(new[0])
        await served.wait_for_metric(0, SUCCESSFUL, files="certificates")
        await wait_until_shown(served, first)
        assert "certificates: what was read before stays in force: " in caplog.text
        assert f"{paths[1]}: the private key of {paths[0]} expected, got another one" in caplog.text
        paths[1].write_bytes(new[1])
        await served.wait_for_metric(1, SUCCESSFUL, files="certificates")
        await wait_until_shown(served, second)


BROKEN = {
    "no certificate": ("server.pem", b"hello"),
    "half a certificate": ("server.pem", b"-----BEGIN CERTIFICATE-----\nMIIB"),
    "nothing": ("server.pem", b""),
    "no key": ("server.key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    "no authority": ("clients.pem", b"none"),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_broken_file_is_refused_with_a_line_and_the_old_one_stays(
    model_repository: Path, files: Files, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    clients = trustme.CA()
    files.want_clients_of(clients)
    name, content = BROKEN[what]
    broken = files.folder / name
    good = broken.read_bytes()
    async with serving(model_repository, **files.settings) as served:
        shown = by(clients)
        for _ in range(2):
            broken.write_bytes(content)
            await served.wait_for_metric(0, SUCCESSFUL, files="certificates")
            assert f"stays in force: {broken}: " in caplog.text
            assert await is_served(served, tls=files.roots, **shown)
            broken.write_bytes(good)
            await served.wait_for_metric(1, SUCCESSFUL, files="certificates")
        broken.unlink()
        await served.wait_for_metric(0, SUCCESSFUL, files="certificates")
        assert await is_served(served, tls=files.roots, **shown)
    assert len([line for line in caplog.messages if "stays in force" in line]) == 3


@pytest.mark.parametrize("what", BROKEN)
async def test_a_broken_file_stops_the_start_and_is_named(model_repository: Path, files: Files, what: str) -> None:
    files.want_clients_of(trustme.CA())
    name, content = BROKEN[what]
    (files.folder / name).write_bytes(content)
    with pytest.raises(CertificateError, match=f"^{files.folder / name}: "):
        async with serving(model_repository, **files.settings):
            pass


async def test_an_expired_certificate_or_a_key_with_a_password_or_of_another_stops_the_start(
    model_repository: Path, files: Files
) -> None:
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    files.write_pair(not_after=yesterday)
    with pytest.raises(CertificateError, match="the server's has expired at "):
        async with serving(model_repository, **files.settings):
            pass
    tomorrow = yesterday + datetime.timedelta(days=2)
    files.write_pair(not_before=tomorrow, not_after=tomorrow + datetime.timedelta(days=1))
    with pytest.raises(CertificateError, match=f"the server's is valid from {tomorrow:%Y-%m-%d %H:%M} UTC on"):
        async with serving(model_repository, **files.settings):
            pass
    files.write_pair()
    file = files.folder / "server.key"
    key = load_pem_private_key(file.read_bytes(), password=None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))
    file.write_bytes(locked)
    with pytest.raises(CertificateError, match="a private key as PEM, without a password, expected"):
        async with serving(model_repository, **files.settings):
            pass
    file.write_bytes(trustme.CA().issue_cert("localhost").private_key_pem.bytes())
    with pytest.raises(CertificateError, match=r"the private key of .* expected, got another one"):
        async with serving(model_repository, **files.settings):
            pass


def expired_certificate() -> bytes:
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    made = trustme.CA().issue_cert("old.example.org", common_name="old", not_after=yesterday)
    return made.cert_chain_pems[0].bytes()


async def test_expired_certificates_beside_those_in_use_are_named_and_keep_nothing_from_being_used(
    model_repository: Path, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    clients = trustme.CA()
    files.want_clients_of(clients)
    paths = [files.folder / name for name in ("server.pem", "clients.pem")]
    for path in paths:
        path.write_bytes(path.read_bytes() + expired_certificate())
    async with serving(model_repository, **files.settings) as served:
        assert await is_served(served, tls=files.roots, **by(clients))
        for path, file in zip(paths, ("server", "client_authorities"), strict=True):
            assert f"{path}: the certificate of CN=old" in caplog.text
            expiry = await served.metric("seq2serve_tls_certificate_expiry_timestamp_seconds", file=file)
            assert expiry > datetime.datetime.now().timestamp()
        renewed = files.write_pair()
        await wait_until_shown(served, renewed)
        paths[1].write_bytes(expired_certificate())
        await served.wait_for_metric(0, SUCCESSFUL, files="certificates")
        assert f"{paths[1]}: a certificate that is valid expected, the last has expired at " in caplog.text
        assert await is_served(served, tls=files.roots, **by(clients))


async def test_the_authority_of_clients_is_replaced_without_a_restart(model_repository: Path, files: Files) -> None:
    old, new = trustme.CA(), trustme.CA()
    files.want_clients_of(old)
    async with serving(model_repository, **files.settings) as served:
        before, after = by(old), by(new)
        async with AsyncClient(served.address, tls=files.roots, **before) as connected:
            await connected.translate(SENTENCES[0])
            assert not await is_served(served, tls=files.roots, **after)
            files.want_clients_of(old, new)  # for a while both, as one does

            async def is_new_known() -> bool:
                return await is_served(served, tls=files.roots, **after)

            await eventually(is_new_known)
            assert await is_served(served, tls=files.roots, **before)
            files.want_clients_of(new)

            async def is_old_gone() -> bool:
                return not await is_served(served, tls=files.roots, **before)

            await eventually(is_old_gone)
            assert await is_served(served, tls=files.roots, **after)
            await connected.translate(SENTENCES[0])  # its connection is from before


async def test_beyond_this_machine_who_has_shown_a_certificate_may_change_models(
    model_repository: Path, files: Files
) -> None:
    clients = trustme.CA()
    files.want_clients_of(clients)
    shown = by(clients)
    async with serving(model_repository, listen="0.0.0.0:0", **files.settings) as served:
        credentials = grpc.ssl_channel_credentials(files.roots, shown["client_key"], shown["client_certificate"])
        async with grpc.aio.secure_channel(served.address, credentials) as channel:
            reload: Any = model_admin_pb2_grpc.ModelAdminServiceStub(channel).ReloadModels
            answer = await reload(model_admin_pb2.ReloadModelsRequest(), timeout=PATIENCE)
            assert answer == model_admin_pb2.ReloadModelsResponse()

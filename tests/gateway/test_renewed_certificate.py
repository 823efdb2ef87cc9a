"""HTTPS with a certificate that is renewed while the gateway runs."""

import signal
import socket
import ssl
from pathlib import Path

import trustme

from tests.e2e.waiting import eventually
from tests.fakes import PATIENCE
from tests.gateway.running import gateway_process

AUTHORITY = trustme.CA()


def test_new_connections_are_shown_the_new_certificate_and_never_a_pair_that_does_not_fit(tmp_path: Path) -> None:
    chain, key = tmp_path / "http.pem", tmp_path / "http.key"
    certificates = [AUTHORITY.issue_cert("localhost") for _ in range(3)]

    def write(certificate: trustme.LeafCert, of_key: trustme.LeafCert) -> None:
        certificate.cert_chain_pems[0].write_to_path(chain)
        of_key.private_key_pem.write_to_path(key)

    first, other, last = certificates
    write(first, first)
    arguments = (f"--tls-certificate={chain}", f"--tls-key={key}")
    with gateway_process("127.0.0.1:1", *arguments) as gateway:
        assert shown(gateway.url) == der(first)
        write(other, first)
        assert gateway.process.stderr
        line = gateway.process.stderr.readline()
        assert f"{chain} and {key}: the certificate before stays in force" in line
        assert shown(gateway.url) == der(first)
        write(last, last)
        eventually(lambda: shown(gateway.url) == der(last), "the new certificate is not shown")
        gateway.process.send_signal(signal.SIGINT)
        _, log = gateway.process.communicate(timeout=PATIENCE)
    assert f"certificate: read anew from {chain} and {key}" in log


def shown(url: str) -> bytes | None:
    """By a new connection, as DER."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    port = int(url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as encrypted,
    ):
        return encrypted.getpeercert(binary_form=True)


def der(certificate: trustme.LeafCert) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())

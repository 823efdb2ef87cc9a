"""The server's certificate, and the authorities whose certificates clients have to show: checked before they are used,
and replaced while the server runs."""

import datetime
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_logger = logging.getLogger(__name__)


class CertificateError(ValueError):
    """Names the file and what is wrong with it."""


@dataclass(frozen=True)
class CertificatePaths:
    chain: Path
    """PEM: the server's certificate, and those between it and the authority."""
    key: Path
    """PEM: the private key of the server's certificate, without a password."""
    authorities: Path | None = None
    """PEM: the authorities whose certificates clients have to show; None: clients show none."""

    @property
    def all(self) -> list[Path]:
        return [path for path in (self.chain, self.key, self.authorities) if path]


@dataclass(frozen=True)
class Certificates:
    """What was read, as gRPC takes it."""

    configuration: grpc.ServerCertificateConfiguration
    expiry: dict[str, float]
    """When the first certificate of a file expires that has not yet, in seconds since 1970: of `server`, and of
    `client_authorities` if there are any."""


def read_certificates(paths: CertificatePaths) -> Certificates:
    """A certificate of the chain but the server's own, or one of several authorities, may have expired, as it does when
    another takes its place: a warning is logged. Raises CertificateError or OSError."""
    chain, key = paths.chain.read_bytes(), paths.key.read_bytes()
    certificates = _certificates_in(paths.chain, chain)
    _check_is_valid(paths.chain, certificates[0])
    by_file = {"server": (paths.chain, certificates)}
    try:
        public_key = load_pem_private_key(key, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError where it has a password
        raise CertificateError(f"{paths.key}: a private key as PEM, without a password, expected: {error}") from error
    try:
        is_own_key = public_key == certificates[0].public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"{paths.chain}: a certificate of a usual kind expected: {error}") from error
    if not is_own_key:
        raise CertificateError(f"{paths.key}: the private key of {paths.chain} expected, got another one")
    authorities = None
    if paths.authorities:
        authorities = paths.authorities.read_bytes()
        by_file["client_authorities"] = paths.authorities, _certificates_in(paths.authorities, authorities)
    expiry = {file: _first_expiry(*found) for file, found in by_file.items()}
    return Certificates(grpc.ssl_server_certificate_configuration([(key, chain)], authorities), expiry)


def _certificates_in(path: Path, content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise CertificateError(f"{path}: certificates as PEM expected: {error}") from error


def _check_is_valid(path: Path, certificate: x509.Certificate) -> None:
    """Raises CertificateError for a server's certificate that no client would accept now."""
    now = datetime.datetime.now(datetime.UTC)
    if certificate.not_valid_before_utc > now:
        problem = f"the server's is valid from {_shown(certificate.not_valid_before_utc)} on"
    elif certificate.not_valid_after_utc <= now:
        problem = f"the server's has expired at {_shown(certificate.not_valid_after_utc)}"
    else:
        return
    raise CertificateError(f"{path}: a certificate that is valid now expected, {problem}")


def _first_expiry(path: Path, certificates: list[x509.Certificate]) -> float:
    """Of those that have not expired yet. Raises CertificateError where all have."""
    now = datetime.datetime.now(datetime.UTC)
    valid = [certificate for certificate in certificates if certificate.not_valid_after_utc > now]
    if not valid:
        last = max(certificate.not_valid_after_utc for certificate in certificates)
        raise CertificateError(f"{path}: a certificate that is valid expected, the last has expired at {_shown(last)}")
    for certificate in certificates:
        if certificate not in valid:
            subject, expired = certificate.subject.rfc4514_string(), _shown(certificate.not_valid_after_utc)
            _logger.warning("%s: the certificate of %s has expired at %s; take it out", path, subject, expired)
    return min(certificate.not_valid_after_utc for certificate in valid).timestamp()


def _shown(time: datetime.datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


class TlsCredentials:
    """The certificates in force. They are replaced on one thread, and gRPC asks for them on another one."""

    def __init__(self, certificates: Certificates, wants_client_certificate: bool) -> None:
        self._configuration = certificates.configuration
        self._wants_client_certificate = wants_client_certificate

    def use(self, certificates: Certificates) -> None:
        """For connections that are made from now on; those that there are live on."""
        self._configuration = certificates.configuration

    def for_socket(self) -> grpc.ServerCredentials:
        """Credentials of one listening socket. Each needs its own, as gRPC is told of a change only once."""
        told = self._configuration

        def changed() -> Any:  # the stubs do not know that there may be none
            """Asked at every new connection: the certificates to use from now on, or None where nothing has changed."""
            nonlocal told
            if told is self._configuration:
                return None
            told = self._configuration
            return told

        return grpc.dynamic_ssl_server_credentials(told, changed, self._wants_client_certificate)

"""From the settings to who may call: keys, certificates, and whether the server may listen where it is to."""

import asyncio
import logging
from pathlib import Path

from seq2serve.addresses import Address
from server.config import ServerConfig
from server.keys.key_file import Key, KeyFileError, read_keys
from server.serving.access.access import Access, KeySeries
from server.serving.access.certificates import CertificatePaths, Certificates, TlsCredentials, read_certificates
from server.serving.access.watched import WatchedFiles
from server.serving.metrics import Metrics

_logger = logging.getLogger(__name__)


def check_exposure(config: ServerConfig, address: Address) -> None:
    """Raises ValueError where calls of other machines would not be encrypted, or nobody would ask who makes them. Where
    the settings allow that, a warning is logged."""
    missing = [] if config.tls_certificate else ["tls_certificate and tls_key"]
    if not (config.keys or config.tls_client_authorities):
        missing.append("keys or tls_client_authorities")
    if not missing or address.is_local:
        return
    if not config.insecure_listen:
        raise ValueError(
            f"listen: {address} can be reached from other machines: {', and '.join(missing)} expected, or "
            "insecure_listen where something else decides who may call"
        )
    _logger.warning("listen: %s can be reached from other machines, without %s", address, ", and ".join(missing))


class Guard:
    """Who may call, as the files say that the settings name, from the start to the end of the server."""

    def __init__(self, config: ServerConfig, metrics: Metrics) -> None:
        """Raises KeyFileError, CertificateError or OSError."""
        self.access = Access()
        self.credentials: TlsCredentials | None = None
        """None: connections are not encrypted."""
        self._metrics = metrics
        self._keys: WatchedFiles[tuple[Key, ...]] | None = None
        self._certificates: WatchedFiles[Certificates] | None = None
        self._watching: list[asyncio.Task[None]] = []
        successful = metrics.reload_successful
        if config.keys:
            self._key_path = path = Path(config.keys)
            self._keys = WatchedFiles("keys", [path], lambda: read_keys(path), successful)
            self.access = Access(self._keys.first)
            metrics.registry.register(KeySeries(self.access))
        if config.tls_certificate:
            authorities = Path(config.tls_client_authorities) if config.tls_client_authorities else None
            paths = CertificatePaths(Path(config.tls_certificate), Path(config.tls_key), authorities)
            self._certificates = WatchedFiles("certificates", paths.all, lambda: read_certificates(paths), successful)
            self.credentials = TlsCredentials(self._certificates.first, authorities is not None)
            self._tell_expiry(self._certificates.first)

    def watch(self) -> None:
        """Follow changes of the files, until `stop`."""
        if self._keys:
            self._watching.append(asyncio.create_task(self._keys.watch(self._use_keys)))
        if self._certificates:
            self._watching.append(asyncio.create_task(self._certificates.watch(self._use_certificates)))

    def stop(self) -> None:
        for task in self._watching:
            task.cancel()

    def _use_keys(self, keys: tuple[Key, ...]) -> None:
        """Raises KeyFileError where no key would be left: an empty file is rather a copy that failed than meant."""
        if not keys and any(self.access.holders):
            raise KeyFileError(
                f"{self._key_path}: a key expected, got none; to take back the last one, restart the server"
            )
        self.access.use(keys)

    def _use_certificates(self, certificates: Certificates) -> None:
        assert self.credentials
        self.credentials.use(certificates)
        self._tell_expiry(certificates)

    def _tell_expiry(self, certificates: Certificates) -> None:
        for file, seconds in certificates.expiry.items():
            self._metrics.certificate_expiry.labels(file).set(seconds)

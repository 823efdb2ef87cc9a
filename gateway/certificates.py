"""The certificate of HTTPS, which is replaced while the gateway runs: as the server's is, whose code is not here."""

import asyncio
import logging
import ssl
from pathlib import Path

_logger = logging.getLogger(__name__)

_Signature = list[tuple[int, ...] | None]

INTERVAL_SECONDS = 1.0
"""Between two looks at the files."""


class WatchedCertificate:
    """A chain and its key, PEM files. A link is followed, so that it may also be led elsewhere, as Kubernetes does."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Before they are first read: what changes from now on is read again."""
        self._chain, self._key = chain, key
        self._signature: _Signature | None = self._look()
        """Of the files as they are in force; None: they could not be used, and are to be read again."""

    async def watch(self, context: ssl.SSLContext) -> None:
        """Give new connections of the context the new certificate whenever the files have changed, until it is
        cancelled. They are read when two looks in a row have found them alike, and no writer is amid them. What cannot
        be used is logged once, leaves what is in force, and is tried again and again."""
        logged: tuple[_Signature, str] | None = None
        signature = self._signature
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            before, signature = signature, await asyncio.to_thread(self._look)
            if signature == self._signature or signature != before:
                continue
            try:
                self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # a pair that does not fit would spoil the context
                self._load(context)
            except (OSError, ValueError) as error:  # SSLError is one of the former
                self._signature = None
                if logged != (failure := (signature, str(error))):
                    _logger.error("%s and %s: the certificate before stays in force: %s", self._chain, self._key, error)
                    logged = failure
            else:
                self._signature, logged = signature, None
                _logger.info("certificate: read anew from %s and %s", self._chain, self._key)

    def _load(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(self._chain, self._key, password="")  # else a terminal would be asked for one

    def _look(self) -> _Signature:
        """What changes whenever a file does; None for one that cannot be looked at."""
        signature: _Signature = []
        for path in (self._chain, self._key):
            try:
                found = path.stat()
            except OSError:
                signature.append(None)
            else:
                signature.append((found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_ino))
        return signature

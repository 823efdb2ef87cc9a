"""The process: one event loop with the application's server in it, from its socket to its orderly end."""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import FrameType

import uvicorn
from prometheus_client import start_http_server

from gateway.app import build_app
from gateway.certificates import WatchedCertificate
from gateway.languages import identifier
from gateway.metrics import Metrics
from gateway.page.batches import Batches
from gateway.protocol import PatientProtocol
from gateway.settings import Settings
from seq2serve import AsyncClient
from seq2serve.addresses import Address, parse_address
from seq2serve.channel import ConnectionOptions

_BACKLOG = 2048

_UNREAD_SECONDS = 30
"""After which a connection is ended whose client does not read its answer."""


async def serve(settings: Settings, connection: ConnectionOptions) -> None:
    """Until SIGTERM or Ctrl-C, after which running requests are answered; a second one ends them. Raises OSError or
    ValueError where it cannot begin."""
    address = parse_address("listen", settings.listen)
    _allow_connections()
    metrics = Metrics()
    identifier()  # nobody waits for it later
    async with AsyncClient(
        settings.server, timeout=settings.timeout_seconds, repeats_refused=False, awaits_lost=False, **connection
    ) as client:
        batches = Batches()
        app = build_app(client, settings, metrics, batches)
        with listening(address) as listener, metrics_served(settings.metrics_listen, metrics):
            config = uvicorn.Config(
                app,
                access_log=False,
                log_config=None,
                log_level=logging.WARNING,  # else it tells of its start and its end
                lifespan="off",
                http=PatientProtocol,
                ws="none",
                server_header=False,
                ssl_certfile=settings.tls_certificate or None,
                ssl_keyfile=settings.tls_key or None,
                timeout_graceful_shutdown=settings.grace_seconds,
            )
            async with certificate_followed(config):
                scheme = "https" if settings.tls_certificate else "http"
                print(f"serving on {shown_url(scheme, address, listener)}", flush=True)
                await Server(config, batches).serve(sockets=[listener])


def _allow_connections() -> None:
    """As many open files as the process may have: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # the system has a lower limit that it does not tell
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.asynccontextmanager
async def certificate_followed(config: uvicorn.Config) -> AsyncIterator[None]:
    """Follow changes of the configuration's certificate, if it has one, which is loaded for that. Raises OSError."""
    if not (config.ssl_certfile and config.ssl_keyfile):
        yield
        return
    certificate = WatchedCertificate(Path(config.ssl_certfile), Path(config.ssl_keyfile))
    config.load()
    assert config.ssl
    watching = asyncio.create_task(certificate.watch(config.ssl))
    try:
        yield
    finally:
        watching.cancel()


@contextlib.contextmanager
def metrics_served(listen: str, metrics: Metrics) -> Iterator[None]:
    """Prometheus's page, on a thread of its own; `listen` is empty where nobody wants it."""
    if not listen:
        yield
        return
    address = parse_address("metrics_listen", listen)
    server, thread = start_http_server(address.port, address.host or "::", metrics.registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, batches: Batches) -> None:
        """`batches`: which are not waited for at the end."""
        super().__init__(config)
        self._batches = batches

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._batches.close()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does it, but for raising the signals once more at the end: an orderly end is no failure."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


@contextlib.contextmanager
def listening(address: Address) -> Iterator[socket.socket]:
    """A socket that listens on the address. Raises OSError."""
    if address.path:
        Path(address.path).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address.path)
    else:
        has_ipv6 = ":" in address.host or not address.host
        family = socket.AF_INET6 if has_ipv6 and socket.has_dualstack_ipv6() else socket.AF_INET
        listener = socket.create_server(
            (address.host, address.port),
            family=family,
            backlog=_BACKLOG,
            dualstack_ipv6=family is socket.AF_INET6 and not address.host,
        )
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections have it from what listens
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * _UNREAD_SECONDS)
        # Connections have it from here: asyncio sets it only where a socket's protocol was named. An answer's head and
        # body are two writes, and the second would wait up to 40 ms for the client to acknowledge the first.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        yield listener
    finally:
        listener.close()
        if address.path:
            with contextlib.suppress(OSError):
                os.unlink(address.path)


def shown_url(scheme: str, address: Address, listener: socket.socket) -> str:
    """Where somebody on this machine reaches what listens."""
    if address.path:
        return str(address)
    reachable = address.reachable
    host = f"[{reachable.host}]" if ":" in reachable.host else reachable.host
    return f"{scheme}://{host}:{listener.getsockname()[1]}/"

"""The gateway as a user starts it, and in the test's own event loop."""

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from gateway.app import build_app
from gateway.metrics import Metrics
from gateway.settings import Settings
from seq2serve import AsyncClient
from tests.e2e.processes import ROOT


class GatewayProcess:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.process = process
        line = process.stdout.readline()
        match = re.fullmatch(r"serving on (.+)/\n", line)
        assert match, f"{line!r} {process.stderr.read() if process.stderr else ''}"
        self.url = match[1]


@contextmanager
def gateway_process(server: str, *arguments: str) -> Iterator[GatewayProcess]:
    command = [sys.executable, "-m", "gateway", f"--server={server}", "--listen=127.0.0.1:0", "--metrics-listen="]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, *arguments], cwd=ROOT, text=True, stdout=pipe, stderr=pipe) as process:
        try:
            yield GatewayProcess(process)
        finally:
            process.kill()


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """They are the test's."""
        yield


@asynccontextmanager
async def gateway_here(
    server: str, *, api_key: str = "", metrics: Metrics | None = None, **settings: Any
) -> AsyncIterator[str]:
    """Its URL. `api_key`: its own one."""
    async with AsyncClient(server, repeats_refused=False, awaits_lost=False, api_key=api_key) as client:
        app = build_app(client, Settings(server=server, **settings), metrics)
        config = uvicorn.Config(app, lifespan="off", access_log=False, log_config=None, timeout_graceful_shutdown=1)
        uvicorn_server = _Quiet(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            task = asyncio.create_task(uvicorn_server.serve(sockets=[listener]))
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                uvicorn_server.should_exit = True
                await task

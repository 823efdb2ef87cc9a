"""python -m gateway.together [the gateway's flags]: a server on a free port of this machine, and the gateway before it,
as one command that ends both. The server takes its settings from its own environment variables."""

import asyncio
import contextlib
import dataclasses
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

from gateway.logs import configure
from gateway.serve import serve
from gateway.settings import Settings, parse_settings
from seq2serve.channel import ConnectionOptions
from seq2serve.requests import DEFAULT_ADDRESS

_SERVER = (sys.executable, "-m", "server", "--listen=127.0.0.1:0", "--metrics-listen=")
_ANNOUNCED = "serving on "


class ServerEndedError(Exception):
    """`code` is its exit code, as a shell would tell it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the server ended with exit code {code}")
        self.code = code


async def serve_together(settings: Settings, connection: ConnectionOptions) -> None:
    """Until SIGTERM or Ctrl-C: the gateway ends first, and then the server. Raises ServerEndedError where the server
    ends by itself, and OSError or ValueError where the gateway cannot begin."""
    if settings.server != DEFAULT_ADDRESS:
        raise ValueError(f"server: nothing expected, as one is started, got {settings.server!r}")
    this = asyncio.current_task()
    assert this
    for number in (signal.SIGTERM, signal.SIGINT):  # which the gateway takes over once it serves
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        async with started_server() as (server, address):
            serving = asyncio.create_task(serve(dataclasses.replace(settings, server=address), connection))
            ended = asyncio.create_task(server.wait())
            try:
                await asyncio.wait((serving, ended), return_when=asyncio.FIRST_COMPLETED)
                if server.returncode:
                    raise ServerEndedError(_shell_code(server.returncode))
                if ended.done():  # in good order: Ctrl-C in a terminal reaches both, and either may be the first
                    signal.raise_signal(signal.SIGTERM)
                await serving
            finally:
                serving.cancel()
                ended.cancel()
                await asyncio.gather(serving, ended, return_exceptions=True)


@contextlib.asynccontextmanager
async def started_server() -> AsyncIterator[tuple[Process, str]]:
    """The process, once its models are loaded, and its address. At the end it drains. Raises ServerEndedError."""
    server = await asyncio.create_subprocess_exec(*_SERVER, stdout=PIPE)
    assert server.stdout
    reading = None
    try:
        line = (await server.stdout.readline()).decode()
        if not line.startswith(_ANNOUNCED):
            raise ServerEndedError(_shell_code(await server.wait()))
        reading = asyncio.create_task(server.stdout.read())  # so that no full pipe holds it
        yield server, line.removeprefix(_ANNOUNCED).partition(";")[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.terminate()
        await server.wait()
        if reading:
            await reading


def _shell_code(code: int) -> int:
    """Of a process that a signal has ended, asyncio tells the signal's number below zero."""
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    given, how = parse_settings()
    configure(given.log_format)
    try:
        asyncio.run(serve_together(given, how))
    except ServerEndedError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.code)
    except (OSError, ValueError) as error:  # of an address, a certificate or a folder
        sys.exit(f"error: {error}")

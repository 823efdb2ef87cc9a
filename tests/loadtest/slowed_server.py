"""A server one of whose models takes longer for each decoder step: what a regression of one architecture looks like.

    python -m tests.loadtest.slowed_server MODEL FACTOR [FLAGS OF python -m server]

starts a server like `python -m server`, with steps of MODEL that take FACTOR times as long, 1.2 for a fifth more. The
added time is spent computing, as a slower step's would be, so that it is seen in latencies and in processor time alike.
"""

import asyncio
import functools
import os
import socket
import subprocess
import sys
import time

from log_format import configure_logging
from server.config import parse_config
from server.decoding.connection import decode
from server.decoding.graphs.backend import Backend
from server.decoding.scores import StepScores
from server.serving.app import App
from server.serving.engines.launch import Launched, launch_process
from server.serving.output import write_line
from server.serving.signals import handle_signals

_ENGINE = "--engine"


def slowed(factor: float) -> type[Backend]:
    """A backend whose steps take `factor` times as long."""

    class Slowed(Backend):
        def step(self, num_rows: int) -> StepScores:
            started = time.perf_counter()
            scores = super().step(num_rows)
            end = started + factor * (time.perf_counter() - started)
            while time.perf_counter() < end:
                pass
            return scores

    return Slowed


def launch_slowed(slow_model: str, factor: float, model: str, connection: socket.socket) -> Launched:
    """Start a model's engine: that of `slow_model` in this module. Raises OSError."""
    if model != slow_model:
        return launch_process(model, connection)
    descriptor = connection.fileno()
    command = [sys.executable, "-m", "tests.loadtest.slowed_server", _ENGINE, str(descriptor), str(factor)]
    return subprocess.Popen(command, pass_fds=[descriptor], stdin=subprocess.DEVNULL, process_group=0)


async def serve(slow_model: str, factor: float, flags: list[str]) -> int:
    """Serve until a signal ends it. Returns the process's exit code."""
    config = parse_config(flags)
    configure_logging(config.log_format)
    app = App(config, functools.partial(launch_slowed, slow_model, factor))
    handle_signals(app.request_stop, app.reload)
    await app.start()
    write_line(f"serving on {app.address}; {slow_model} takes {factor:g} times as long for a step")
    await app.wait()
    return 0 if await app.stop() else 1


if __name__ == "__main__":
    if sys.argv[1] == _ENGINE:
        os._exit(0 if decode(socket.socket(fileno=int(sys.argv[2])), slowed(float(sys.argv[3]))) else 1)
    sys.exit(asyncio.run(serve(sys.argv[1], float(sys.argv[2]), sys.argv[3:])))

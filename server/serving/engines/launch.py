"""How a process that decodes is started."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Protocol


class Launched(Protocol):
    """A process that decodes, as `subprocess.Popen` has it."""

    def wait(self, timeout: float | None = None) -> int:
        """For its end; returns its status. Raises subprocess.TimeoutExpired."""

    def kill(self) -> None: ...


Launch = Callable[[str, socket.socket], Launched]
"""Starts an engine of the model of that name, at the other end of the connection. Raises OSError."""


def launch_process(model: str, connection: socket.socket) -> Launched:
    descriptor = connection.fileno()
    # The model's name is for those who list processes.
    command = [sys.executable, "-m", "server.decoding", str(descriptor), model]
    # Signals are for the serving process, which drains: those of a terminal go to its process group alone, and those
    # from who ends all of a service's processes stay blocked there as they are here now.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    try:
        return subprocess.Popen(command, pass_fds=[descriptor], stdin=subprocess.DEVNULL, process_group=0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

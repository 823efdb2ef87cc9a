"""Starting a process that decodes."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Protocol


class Launched(Protocol):
    """A process that decodes, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the process's end; returns its exit status. Raises subprocess.TimeoutExpired."""

    def kill(self) -> None: ...


Launch = Callable[[str, socket.socket], Launched]
"""Starts the process of an engine, given the model's name and the engine's end of the connection. Raises OSError."""


def launch_process(model: str, connection: socket.socket) -> Launched:
    """Start `python -m server.decoding` for one engine. Raises OSError."""
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

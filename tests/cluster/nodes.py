"""The servers of a cluster: real processes on loopback, and all that may happen to one."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtest.running_server import ServerError, free_port
from server.bundle.manifest import Bundle
from tests.cluster.shares import CpuShare
from tests.e2e.processes import ROOT, children
from tests.versions import write_version

MODEL = "cluster"
GRACE_SECONDS = 10
"""That a server gives running calls when it is asked to end."""
DRAIN_DELAY_SECONDS = 2
"""For which it takes calls still: Envoy asks for its health every second."""

_PATIENCE = 120.0


class Node:
    """One server, whose ports stay as they are however often it is started."""

    def __init__(
        self,
        name: str,
        folder: Path,
        bundles: Sequence[Bundle],
        share: CpuShare | None = None,
        max_delay_milliseconds: int = 20_000,
    ) -> None:
        """`folder`: where its model repository and its log are. `bundles`: the versions of its model, of which it has
        the first. `share`: of the processors; None: all that it can get. `max_delay_milliseconds`: after which it
        refuses; as a rule a busy machine is no reason for that here."""
        self.name = name
        self.address = f"127.0.0.1:{free_port()}"
        self.metrics_address = f"127.0.0.1:{free_port()}"
        self._repository = folder / name
        self._log = folder / f"{name}.log"
        self._bundles = iter(enumerate(bundles, start=1))
        self._share = share
        self._max_delay_milliseconds = max_delay_milliseconds
        self._process: subprocess.Popen[str] | None = None
        self._engines: list[int] = []
        self.promote()

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def promote(self) -> None:
        """Put the next version of the model into its repository; the next start serves the highest."""
        number, bundle = next(self._bundles)
        write_version(bundle, self._repository, MODEL, str(number))

    async def start(self, slowed: float = 1.0) -> None:
        """Until it serves. `slowed`: times as long that each step takes. Raises ServerError."""
        module = ["server"] if slowed == 1.0 else ["tests.loadtest.slowed_server", MODEL, str(slowed)]
        command = [
            sys.executable,
            "-m",
            *module,
            f"--listen={self.address}",
            f"--metrics-listen={self.metrics_address}",
        ]
        command += [f"--model-repository={self._repository}", f"--default-model={MODEL}"]
        command += [f"--grace-seconds={GRACE_SECONDS}", f"--drain-delay-seconds={DRAIN_DELAY_SECONDS}"]
        command.append(f"--max-delay-milliseconds={self._max_delay_milliseconds}")
        with self._log.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout
        line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), _PATIENCE)
        if not line.startswith("serving on "):
            raise ServerError(f"{self.name} did not start; its log ends with: {self._log.read_text()[-500:].strip()}")
        self._engines = children(self._running.pid)
        if self._share:  # not before: a start takes seconds of a whole core
            self._share.take(self.pids)

    @property
    def _running(self) -> subprocess.Popen[str]:
        assert self._process
        return self._process

    @property
    def pids(self) -> list[int]:
        """Of the server and of its engines."""
        return [self._running.pid, *self._engines]

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def kill(self) -> None:
        """As a machine dies that loses its power: all processes at once."""
        self._signal(signal.SIGKILL)
        await self._end()

    async def end(self) -> None:
        """As an orchestrator ends it; returns when it has drained. Raises ServerError if it ends badly."""
        self.ask_to_end()
        code = await self._end()
        if code:
            raise ServerError(f"{self.name} ended with {code} after SIGTERM")

    def ask_to_end(self) -> None:
        self._running.terminate()

    def hang(self) -> None:
        """It keeps its connections and says nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    async def cut_off(self) -> None:
        """No packet reaches it or leaves it, and nobody is told."""
        await self._filter("-I")

    async def reconnect(self) -> None:
        await self._filter("-D")

    async def _filter(self, change: str) -> None:
        for side in ("--dport", "--sport"):
            rule = ["INPUT", "-i", "lo", "-p", "tcp", side, str(self.port), "-j", "DROP"]
            await asyncio.to_thread(subprocess.run, ["iptables", "-w", change, *rule], check=True)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.pids:
            os.kill(pid, number)

    async def _end(self) -> int:
        code = await asyncio.wait_for(asyncio.to_thread(self._running.wait), _PATIENCE)
        if self._running.stdout:
            self._running.stdout.close()
        return code


def can_cut_off() -> bool:
    """Whether this user may change what packets this machine lets through."""
    if os.geteuid() or not shutil.which("iptables"):
        return False
    return subprocess.run(["iptables", "-w", "-L", "INPUT", "-n"], capture_output=True, check=False).returncode == 0

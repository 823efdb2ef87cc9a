"""What engines cost that are processes: `python -m bench.engine_processes`.

Every model of the repository is loaded by a process of its own: an interpreter started anew (exec), or one forked from
a process that has imported all that decoding needs (multiprocessing's forkserver).
"""

import multiprocessing
import os
import socket
import statistics
import time
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, NamedTuple

from server.bundle.manifest import Bundle
from server.config import ServerConfig
from server.decoding.connection import decode
from server.messages.frames import Load, Loaded, Unframed, framed
from server.serving.engines.launch import launch_process
from server.serving.models.repository import read_repositories

NUM_ROUNDS = 5

Start = Callable[[str, socket.socket], Any]
"""Starts an engine of a model at the other end of a connection; returns its process, which has a `pid`."""


class Cost(NamedTuple):
    """Of all engines, and of the process that they are forked from."""

    seconds: float
    """Until the last model is loaded."""
    cpu_seconds: float
    pss_mb: float
    """Resident memory; what several processes share is divided among them."""
    private_mb: float


def main() -> None:
    config = ServerConfig()
    bundles = read_repositories(config.model_repository)
    ways = {"exec": started_anew, "forkserver": forked}
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    for _ in range(NUM_ROUNDS):  # one after the other in each round, so that all have the same machine
        for way, measured in costs.items():
            measured.append(cost(ways[way], config, bundles))
    for way, measured in costs.items():
        print(way, Cost(*(round(statistics.median(values), 2) for values in zip(*measured, strict=True))))


def cost(start: Start, config: ServerConfig, bundles: list[Bundle]) -> Cost:
    started = time.perf_counter()
    processes, connections = [], []
    for bundle in bundles:
        ours, theirs = socket.socketpair()
        with theirs:
            processes.append(start(bundle.manifest.name, theirs))
        ours.sendall(framed(Load(config, bundle)))
        connections.append(ours)
    for connection in connections:
        assert Unframed().feed(connection.recv(1000)) == [Loaded()]
    seconds = time.perf_counter() - started
    server: Any = vars(forkserver)["_forkserver"]  # there is no other way to learn who it is
    pids = [process.pid for process in processes] + ([server._forkserver_pid] if server._forkserver_pid else [])
    result = Cost(seconds, sum(map(cpu_seconds, pids)), *map(sum, zip(*map(megabytes, pids), strict=True)))
    for connection, process in zip(connections, processes, strict=True):
        connection.close()
        (process.join if start is forked else process.wait)()
    if server._forkserver_pid:
        server._stop()
    return result


def started_anew(model: str, connection: socket.socket) -> Any:
    return launch_process(model, connection)


def forked(_: str, connection: socket.socket) -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["server.decoding.connection"])
    process = context.Process(target=decode, args=(connection,))
    process.start()
    return process


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> tuple[float, float]:
    """Pss, and what is the process's alone."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
    values = {name: int(value.split()[0]) * 1024 / 1e6 for name, value in (line.split(":", 1) for line in lines)}
    return values["Pss"], values["Private_Clean"] + values["Private_Dirty"]


if __name__ == "__main__":
    main()

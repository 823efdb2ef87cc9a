"""Envoy before a cluster's servers, with the configuration that is shipped."""

import asyncio
import json
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deploy.proxy import Proxy, filled_in
from deploy.proxy_check import envoy_program
from loadtest.running_server import ServerError, free_port
from seq2serve.addresses import parse_address

_START_SECONDS = 30.0


class Envoy:
    """One process, whose ports stay as they are however often it is started."""

    def __init__(self, folder: Path, servers: Sequence[str], **tls: Any) -> None:
        """`tls`: as `deploy.proxy.Proxy` has it."""
        listen, metrics, admin = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.address, self.metrics_address, self._admin = listen, metrics, admin
        self._config = folder / "envoy.yaml"
        self._log = folder / "envoy.log"
        addresses = [parse_address("servers", server) for server in servers]
        ours = [parse_address("listen", one) for one in (listen, metrics, admin)]
        proxy = Proxy(addresses, ours[0], ours[1], ours[2])
        with self._config.open("w", encoding="utf-8") as file:
            YAML(typ="safe", pure=True).dump(filled_in(replace(proxy, **tls)), file)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    async def start(self) -> None:
        """Until it is ready. Raises ServerError."""
        program = envoy_program()
        assert program
        command = [program, "--config-path", str(self._config), "--log-level", "warning", "--use-dynamic-base-id"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([*command, "--concurrency", "1"], stdout=log, stderr=log)
        until = time.monotonic() + _START_SECONDS
        while not await asyncio.to_thread(self._is_ready):
            if self._process.poll() is not None or time.monotonic() > until:
                raise ServerError(f"Envoy did not start; its log ends with: {self._log.read_text()[-500:]}")
            await asyncio.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.metrics_address}/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    async def kill(self) -> None:
        if self._process:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None

    def attempts(self) -> dict[str, int]:
        """Times that each server was asked since Envoy's start, by its address. Raises OSError."""
        with urllib.request.urlopen(f"http://{self._admin}/clusters?format=json", timeout=1) as answer:
            clusters = json.load(answer)["cluster_statuses"]
        [servers] = [one for one in clusters if one["name"] == "servers"]
        found = {}
        for host in servers["host_statuses"]:
            address = host["address"]["socket_address"]
            [total] = [one for one in host["stats"] if one["name"] == "rq_total"]
            found[f"{address['address']}:{address['port_value']}"] = int(total.get("value", 0))
        return found

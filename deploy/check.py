"""python -m deploy.check: what can be known of the containers without a Docker engine and without a cluster.

The files are valid and agree with each other and with the server; the locks are those of pyproject.toml; the images'
steps, carried out in clean folders, give a server that starts, is healthy, drains at SIGTERM, and has no torch, a
gateway that does the same and has no server, and a Locust that knows its user.
"""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deploy.cluster import check_kubernetes
from deploy.compose import COMPOSE, DOCKERFILE, check_compose
from deploy.dockerfile import Stage, read_dockerfile
from deploy.expressions import check_dashboards, check_rules, gateway_series, server_series
from deploy.gateway import check_gateway
from deploy.lock_files import check_locks
from deploy.proxy import ENVOY
from deploy.proxy_check import check_proxy
from deploy.rule_object import RULES
from gateway.settings import Settings
from server.config import ServerConfig

PROMETHEUS = Path("deploy/prometheus/prometheus.yml")

_START_SECONDS = 60


def main() -> None:
    stages = read_dockerfile(DOCKERFILE)
    services = read_yaml(COMPOSE)["services"]
    problems = [
        *check_tools(),
        *check_compose(services, stages),
        *check_gateway(services, stages),
        *check_dockerfile(stages),
        *check_locks(),
        *check_prometheus(services, stages),
        *check_proxy(read_yaml(ENVOY), services, stages["server"]),
        *check_dashboards(series := server_series()),
        *check_rules(read_yaml(RULES), series | gateway_series()),
        *check_kubernetes(stages, series, [services[name]["image"] for name in ("server", "gateway")]),
    ]
    problems = problems or list(check_images(stages))  # an image of files that are wrong would only say so again
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not problems:
        print("deploy: all is well")
    sys.exit(bool(problems))


def check_tools() -> Iterator[str]:
    """hadolint, and the Compose specification's schema."""
    hadolint = [str(Path(sys.executable).with_name("hadolint")), "--no-color", str(DOCKERFILE)]
    schema = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    for command in (hadolint, schema):
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode:
            yield result.stdout.strip()


def check_dockerfile(stages: dict[str, Stage]) -> Iterator[str]:
    """Every source of a COPY exists, and .dockerignore lets it in."""
    ignore = Path(".dockerignore").read_text(encoding="utf-8").splitlines()
    admitted = [Path(line[1:]) for line in ignore if line.startswith("!")]
    sources = [source for stage in stages.values() for copied, _ in stage.copies() for source in copied]
    for source in map(Path, dict.fromkeys(sources)):
        if not source.exists():
            yield f"{DOCKERFILE}: COPY {source}: no such file"
        if not any(source.is_relative_to(path) for path in admitted):
            yield f"{DOCKERFILE}: COPY {source}: .dockerignore leaves it out"


def check_prometheus(services: dict[str, Any], stages: dict[str, Stage]) -> Iterator[str]:
    """Every target is a service; the server's and the gateway's are the ports where they serve metrics. The rules are
    read, and lie beside the configuration in the container as they do here."""
    port = stages["server"].environment()["SEQ2SERVE_METRICS_LISTEN"].rpartition(":")[2]
    gateway_port = stages["gateway"].environment()["SEQ2SERVE_GATEWAY_METRICS_LISTEN"].rpartition(":")[2]
    configuration = read_yaml(PROMETHEUS)
    if RULES.name not in configuration.get("rule_files", []):
        yield f"{PROMETHEUS}: does not read {RULES.name}"
    folders = {Path(volume.split(":")[1]).parent for volume in services["prometheus"].get("volumes", [])}
    mounted = {volume.split(":")[0].removeprefix("./") for volume in services["prometheus"].get("volumes", [])}
    if len(folders) != 1 or not {str(PROMETHEUS), str(RULES)} <= mounted:
        yield f"{COMPOSE}: prometheus: {PROMETHEUS} and {RULES} expected in one folder, got {sorted(mounted)}"
    targets = list(scraped(configuration["scrape_configs"]))
    for wanted in (f"server:{port}", f"replica:{port}", f"gateway:{gateway_port}"):
        if wanted not in targets:
            yield f"{PROMETHEUS}: does not scrape {wanted}"
    for target in targets:
        if target.split(":")[0] not in services:
            yield f"{PROMETHEUS}: target {target} is no service of {COMPOSE}"


def scraped(jobs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Every target, by the name that it has for Prometheus."""
    for job in jobs:
        for static in job.get("static_configs", []):
            yield from static["targets"]
        for looked_up in job.get("dns_sd_configs", []):
            yield from (f"{name}:{looked_up['port']}" for name in looked_up["names"])


def check_images(stages: dict[str, Stage]) -> Iterator[str]:
    """Do what the images' stages do, in folders instead of images, and run the results."""
    yield from check_image(stages["build"], stages["server"], check_server)
    yield from check_image(stages["build-gateway"], stages["gateway"], check_gateway_image)
    yield from check_image(stages["build-loadtest"], stages["loadtest"], check_loadtest)


def check_image(build: Stage, runtime: Stage, check: Callable[[Stage, Path, Path], Iterator[str]]) -> Iterator[str]:
    """Install as the stage `build` does, copy what `runtime` copies, and check the two folders."""
    with tempfile.TemporaryDirectory() as folder:
        context, venv, app = (Path(folder) / name for name in ("build", "venv", "app"))
        copy(build, context)
        install = [word.replace("/opt/venv", str(venv)) for word in build.one("RUN").words()]
        search = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        if subprocess.run(install, cwd=context, env=os.environ | {"PATH": search}).returncode:
            yield f"{shlex.join(install)} failed"
            return
        copy(runtime, app)
        yield from check(runtime, venv, app)


def check_server(server: Stage, venv: Path, app: Path) -> Iterator[str]:
    environment = local_environment(server, venv)
    yield from check_absent("server", ["torch"], venv, app, environment)
    yield from run_image("server", server, venv, app, environment, ServerConfig().grace_seconds)


def check_gateway_image(gateway: Stage, venv: Path, app: Path) -> Iterator[str]:
    """It needs no server to live."""
    environment = local_environment(gateway, venv)
    yield from check_absent("gateway", ["onnxruntime", "server"], venv, app, environment)
    yield from run_image("gateway", gateway, venv, app, environment, Settings().grace_seconds)


def check_loadtest(loadtest: Stage, venv: Path, app: Path) -> Iterator[str]:
    """Locust reads its file, and knows the user that is in it."""
    python, *arguments = loadtest.one("ENTRYPOINT").exec_form()
    command = [f"{venv}/bin/{python}", *arguments, "--list"]
    listed = subprocess.run(command, cwd=app, capture_output=True, text=True, check=False)
    if listed.returncode or "TranslationUser" not in listed.stdout + listed.stderr:
        yield f"the load test image's Locust does not know its user: {listed.stderr.strip()}"


def local_environment(stage: Stage, venv: Path) -> dict[str, str]:
    """The image's, with loopback and free ports in place of its addresses."""
    environment = {"PATH": f"{venv}/bin:/usr/bin:/bin"}
    for name, value in stage.environment().items():
        environment[name] = f"127.0.0.1:{free_port()}" if value.startswith("0.0.0.0:") else value
    return environment


def check_absent(
    what: str, modules: Sequence[str], venv: Path, app: Path, environment: dict[str, str]
) -> Iterator[str]:
    for module in modules:
        command = [f"{venv}/bin/python", "-c", f"import {module}"]
        if subprocess.run(command, cwd=app, env=environment, stderr=subprocess.DEVNULL).returncode == 0:
            yield f"the {what} image contains {module}"


def run_image(
    what: str, stage: Stage, venv: Path, app: Path, environment: dict[str, str], grace_seconds: int
) -> Iterator[str]:
    """Start the entry point, wait until the health check succeeds, and stop it as Docker does."""
    entrypoint, probe = (stage.one(word).exec_form() for word in ("ENTRYPOINT", "HEALTHCHECK"))
    with subprocess.Popen([f"{venv}/bin/{entrypoint[0]}", *entrypoint[1:]], cwd=app, env=environment) as process:
        try:
            until = time.monotonic() + _START_SECONDS
            while True:
                result = subprocess.run(
                    [f"{venv}/bin/{probe[0]}", *probe[1:]], cwd=app, env=environment, stderr=subprocess.PIPE, text=True
                )
                if result.returncode == 0:
                    break
                if process.poll() is not None or time.monotonic() > until:
                    yield f"the {what} image's {what} did not become healthy: {result.stderr.strip()}"
                    return
                time.sleep(0.5)
            process.terminate()
            code = process.wait(grace_seconds + 5)
            if code:
                yield f"the {what} image's {what} exited with {code} after SIGTERM"
        except subprocess.TimeoutExpired as error:
            yield f"the {what} image's {what} still ran {error.timeout} s after SIGTERM"
        finally:
            process.kill()


def copy(stage: Stage, folder: Path) -> None:
    """The stage's COPY instructions, with `folder` for its working directory."""
    for sources, target in stage.copies():
        for source in map(Path, sources):
            if source.is_dir():  # COPY takes what is in it
                shutil.copytree(source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                destination = folder / target / source.name if target.endswith("/") else folder / target
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, destination)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def read_yaml(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load(path)
    return content


if __name__ == "__main__":
    main()

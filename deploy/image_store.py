"""Images that are built and looked into without a daemon, by buildah, in a folder that is given up with them."""

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

_BASE_TARGET = """\
FROM scratch
ADD base.tar /
RUN python3 -m venv /usr/local/python
# Not a link: a virtual environment's python finds what is installed by the path that it was called by.
RUN printf '#!/bin/sh\\nexec /usr/local/python/bin/python "$@"\\n' > /usr/local/bin/python
RUN chmod +x /usr/local/bin/python
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
"""
_WITH_COMPILER = "FROM {slim}\nRUN apt-get update && apt-get install --yes --no-install-recommends g++\n"
_CERTIFICATES = Path("/etc/ssl/certs")


class Image(NamedTuple):
    config: dict[str, Any]
    """What the image says of how it is run, as Docker names it: Env, User, Entrypoint, Healthcheck, WorkingDir."""

    megabytes: float
    """With the base."""

    root: Path
    """Its file system, mounted."""

    @property
    def environment(self) -> dict[str, str]:
        return dict(variable.split("=", 1) for variable in self.config["Env"])


class ImageStore:
    """Raises subprocess.CalledProcessError where a step of a build fails; what it wrote is on standard error."""

    def __init__(self, folder: Path) -> None:
        """`folder`: empty; holds some gigabytes for each image, as every layer is a copy of the one below."""
        self._folder = folder

    def make_base(self, slim: str, with_compiler: str, suite: str) -> None:
        """Debian's `suite` with its Python, under the names of the official Python images, which need a registry."""
        context = self._folder / "base"
        context.mkdir()
        tar = str(context / "base.tar")
        packages = "--include=python3-venv,ca-certificates"
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", packages, suite, tar], check=True)
        for name, text in ((slim, _BASE_TARGET), (with_compiler, _WITH_COMPILER.format(slim=slim))):
            file = self._folder / "Containerfile"
            file.write_text(text, encoding="utf-8")
            self._build(name, file, context)
            (context / "base.tar").unlink(missing_ok=True)

    def build(self, name: str, dockerfile: Path, target: str) -> Image:
        """Build the stage `target` with the current folder for its context."""
        self._build(name, dockerfile, Path(), "--target", target)
        config = json.loads(self._buildah("inspect", "--type", "image", name))["Docker"]["config"]
        root = self.mount(name)
        return Image(config, file_megabytes(root), root)

    def mount(self, name: str) -> Path:
        """The file system of a container that is made of the image and never started."""
        return Path(self._buildah("mount", self._buildah("from", "--pull-never", name)))

    def close(self) -> None:
        self._buildah("umount", "--all")
        self._buildah("rm", "--all")

    def _build(self, name: str, dockerfile: Path, context: Path, *more: str) -> None:
        # Docker's format, as the other one has no health check; the host's authorities, for registries behind one.
        options = ["--isolation", "chroot", "--format", "docker", "--pull-never", "--tag", name, *more]
        options += ["--volume", f"{_CERTIFICATES}:{_CERTIFICATES}:ro"] if "--target" in more else []
        self._buildah("build", *options, "--file", str(dockerfile), str(context))

    def _buildah(self, *arguments: str) -> str:
        storage = ["--storage-driver", "vfs", "--root", f"{self._folder}/root", "--runroot", f"{self._folder}/run"]
        return subprocess.run(
            ["buildah", *storage, *arguments], check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()


def file_megabytes(folder: Path) -> float:
    listed = subprocess.run(
        ["du", "--summarize", "--bytes", "--one-file-system", str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return int(listed.stdout.split()[0]) / 1e6

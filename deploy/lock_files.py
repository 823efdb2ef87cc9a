"""Are the lock files of the images (make lock) those of pyproject.toml? Reads both, and asks nobody else."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = Path("deploy/locks")
PROJECT = Path("pyproject.toml")
EXTRAS = ("serve", "gateway", "loadtest")
"""Each has a lock, LOCKS/<extra>.txt: of what callers need, and of the extra."""

PLATFORMS = tuple(
    {
        "implementation_name": "cpython",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": "3.11.14",
        "python_version": "3.11",
        "sys_platform": "linux",
    }
    for machine in ("x86_64", "aarch64")
)
"""What the images run on, as markers of requirements name it."""


class Locked(NamedTuple):
    requirement: Requirement
    hashes: list[str]

    @property
    def version(self) -> str | None:
        """None where anything but one version is asked for."""
        return next((each.version for each in self.requirement.specifier if each.operator == "=="), None)


def check_locks() -> Iterator[str]:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    for extra in EXTRAS:
        path = LOCKS / f"{extra}.txt"
        if not path.exists():
            yield f"{path}: no such file: make lock"
            continue
        wanted = [*project["dependencies"], *project["optional-dependencies"][extra]]
        for problem in check_lock(path.read_text(encoding="utf-8"), wanted):
            yield f"{path}: {problem}"


def check_lock(text: str, wanted: Sequence[str]) -> Iterator[str]:
    """On every platform, every requirement that is `wanted` has one version within its bounds, and every version has a
    SHA-256. A lock names no registry: which one is asked is for whoever installs to say."""
    lines = text.replace("\\\n", " ").splitlines()
    options = [line for line in lines if line.startswith("-") or "://" in line]
    yield from (f"more than versions and hashes: {line.strip()}" for line in options)
    locked = read_lock(text)
    for entry in locked:
        if entry.version is None:
            yield f"{entry.requirement}: no one version"
        if not entry.hashes:
            yield f"{entry.requirement}: no hash"
    for platform in PLATFORMS:
        versions = installed(locked, platform)
        for requirement in map(Requirement, wanted):
            version = versions.get(canonicalize_name(requirement.name))
            if version is None:
                yield f"{requirement.name} is missing for {platform['platform_machine']}: make lock"
            elif version not in requirement.specifier:
                yield f"{requirement.name} {version}, {PROJECT} wants {requirement.specifier}: make lock"


def read_lock(text: str) -> list[Locked]:
    lines = text.replace("\\\n", " ").splitlines()
    return [read_locked(line) for line in lines if line.strip() and line[0] not in "#-"]


def read_locked(line: str) -> Locked:
    requirement, *hashes = re.split(r"\s+--hash=(?=sha256:[0-9a-f]{64}\b)", line.strip())
    return Locked(Requirement(requirement), hashes)


def installed(locked: Sequence[Locked], platform: Mapping[str, str]) -> dict[str, str]:
    """Version by name, of those entries that are meant for `platform`."""
    meant = [each for each in locked if not each.requirement.marker or each.requirement.marker.evaluate(dict(platform))]
    return {canonicalize_name(each.requirement.name): each.version for each in meant if each.version}

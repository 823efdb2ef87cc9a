"""Repositories whose models have several versions, each of which writes other translations."""

import dataclasses
import shutil
from pathlib import Path

from server.bundle.manifest import Bundle, read_bundle, write_manifest


def write_version(bundle: Bundle, repository: Path, name: str, version: str) -> Bundle:
    """The files of a bundle as a version of a model, in one step: the folder gets its name when all is in it."""
    folder = repository / name / version
    draft = folder.with_name(f".{version}")
    draft.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(bundle.folder, draft)
    write_manifest(draft, dataclasses.replace(bundle.manifest, name=name, version=version))
    draft.rename(folder)
    return read_bundle(folder)


def remove_version(repository: Path, name: str, version: str) -> None:
    """In one step, as `write_version` makes one."""
    gone = repository / name / f".gone-{version}"
    (repository / name / version).rename(gone)
    shutil.rmtree(gone)

"""Model repositories: folders, and the bundles and glossaries that lie in them."""

import contextlib
import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from seq2serve.glossary_file import read_glossary_file
from server.bundle.manifest import MANIFEST, Bundle, BundleError, file_sha256, read_bundle, read_manifest
from server.serving.models.policy import POLICY, Policy, read_policy
from server.text.glossary import Glossary

GLOSSARIES = "glossaries"
GLOSSARY_SUFFIX = ".tsv"

SEPARATOR = "@"
"""Between a model's name and its version, or a label, where one text says both."""

_LOST_AND_FOUND = "lost+found"
"""A folder that every ext4 file system has, and only root can read."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelFolder:
    """The folder of a model, with its versions in it, as it is found; nothing of it is read yet."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def versions(self) -> list[str]:
        """Oldest first."""
        return sorted((path.name for path in _folders(self.path) if _is_version(path.name)), key=int)

    def read(self, known: Mapping[str, Bundle] | None = None, version: str = "") -> "ModelFiles":
        """Read all that is to be served of the model, or one version. The files of bundles that are `known`, by
        version, are not hashed again if they lie where they lay and their manifests are the same.

        Raises BundleError with every problem of every version.
        """
        policy = read_policy(self.path / POLICY)
        try:
            versions = [version] if version else policy.choose(self.versions)
        except ValueError as error:
            raise BundleError(f"{self.path / POLICY}: {error}") from error
        bundles: dict[str, Bundle] = {}
        problems: list[str] = []
        for version in versions:
            try:
                bundles[version] = self.read_version(version, (known or {}).get(version))
            except BundleError as error:
                problems += error.problems
        if problems:
            raise BundleError(*problems)
        return ModelFiles(policy, bundles, self._glossaries_digest())

    def _glossaries_digest(self) -> str:
        """Raises BundleError."""
        digest = hashlib.sha256()
        for path in _glossary_files(self.path):
            try:
                digest.update(hashlib.sha256(path.name.encode()).digest() + bytes.fromhex(file_sha256(path)))
            except OSError as error:
                raise BundleError(f"{path}: {error.strerror}") from error
        return digest.hexdigest()

    def read_version(self, version: str, known: Bundle | None = None) -> Bundle:
        """Read one version. It is the one that its folder is named by, whatever its manifest says: a copy of a folder
        is a version of its own. Raises BundleError."""
        folder = self.path / version
        _check_has_manifest(folder)
        manifest = read_manifest(folder)
        if manifest.name != self.name:
            own = self.path.with_name(manifest.name) / version
            raise BundleError(f"{folder}: {MANIFEST} is of model {manifest.name}; move the folder to {own}")
        if known is not None and (known.folder, known.manifest.digest) == (folder, manifest.digest):
            return known
        bundle = read_bundle(folder)
        return replace(bundle, manifest=replace(bundle.manifest, version=version))


class ModelFiles(NamedTuple):
    """What is to be served of a model."""

    policy: Policy
    bundles: Mapping[str, Bundle]
    """By version, oldest first."""
    glossaries_digest: str
    """Of the model's glossaries, which are read with a bundle."""


def read_models(folders: Sequence[Path]) -> list[ModelFiles]:
    """What is to be served of every model of all repositories, repository by repository.

    Raises BundleError as `find_models` does, and with every problem of every model.
    """
    files: list[ModelFiles] = []
    problems: list[str] = []
    for model in find_models(folders).values():
        try:
            files.append(model.read())
        except BundleError as error:
            problems += error.problems
    if problems:
        raise BundleError(*problems)
    return files


def read_repositories(folders: Sequence[Path]) -> list[Bundle]:
    """The versions to serve of every model of all repositories, repository by repository.

    Raises BundleError as `read_models` does.
    """
    return [bundle for files in read_models(folders) for bundle in files.bundles.values()]


def read_repository(folder: Path) -> list[Bundle]:
    """The versions to serve of every model of one repository, by name. Raises BundleError as `read_repositories`
    does."""
    return read_repositories([folder])


def find_models(folders: Sequence[Path]) -> dict[str, ModelFolder]:
    """The models of all repositories by name, repository by repository. Hidden folders are passed over; so are, with a
    warning, folders without a version.

    Raises BundleError where a folder cannot be read or has no model, and where two have a model of the same name:
    neither of them could be meant to hide the other's.
    """
    found: dict[str, ModelFolder] = {}
    problems: list[str] = []
    for folder in folders:
        for model in _find_models(folder):
            other = found.setdefault(model.name, model)
            if other is not model:
                both = f"{other.path} and {model.path}"
                problems.append(f"{both}: two models of one name; only one of them can be served")
    if problems:
        raise BundleError(*problems)
    return found


def find_versions(folders: Sequence[Path]) -> dict[str, list[str]]:
    """The versions that lie in the repositories, oldest first, by model; nothing of them is read, and what cannot be
    read is passed over."""
    found: dict[str, list[str]] = {}
    for folder in folders:
        with contextlib.suppress(BundleError):
            for path in sorted(path for path in _folders(folder) if not path.name.startswith(".")):
                with contextlib.suppress(BundleError):
                    if versions := ModelFolder(path).versions:
                        found.setdefault(path.name, versions)
    return found


def _find_models(folder: Path) -> list[ModelFolder]:
    models = []
    for path in sorted(path for path in _folders(folder) if not path.name.startswith(".")):
        model = ModelFolder(path)
        if path.name == _LOST_AND_FOUND or not model.versions:
            _logger.warning("%s is passed over: no version, a folder named by a number, is in it", path)
            continue
        if SEPARATOR in path.name:
            raise BundleError(f"{path}: a name without {SEPARATOR!r} expected: the version of a model stands behind it")
        models.append(model)
    if not models:
        raise BundleError(f"{folder}: no model is in it, as <model>/<version>/{MANIFEST}")
    return models


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdecimal()


def _folders(folder: Path) -> list[Path]:
    """Those in a folder. Raises BundleError for one that cannot be read."""
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError as error:
        raise BundleError(f"{folder}: {error.strerror}") from error


def _check_has_manifest(version: Path) -> None:
    """Raises BundleError for a folder that an export or a copy has not made a bundle."""
    try:
        names = [path.name for path in version.iterdir()]
    except OSError as error:
        raise BundleError(f"{version}: {error.strerror}") from error
    if not names:
        raise BundleError(f"{version}: the folder is empty; remove it, or put a bundle into it")
    if MANIFEST not in names:
        raise BundleError(f"{version}: {MANIFEST} is missing, the bundle is not whole; remove it, or copy it anew")


def read_glossaries(bundle: Bundle) -> dict[str, Glossary]:
    """The glossaries that the repository keeps for a model, in `<model>/glossaries/<name>.tsv`. Raises BundleError with
    every one that cannot be used."""
    glossaries, problems = {}, []
    for path in _glossary_files(bundle.folder.parent):
        try:
            glossaries[path.stem] = Glossary(read_glossary_file(path))
        except (OSError, ValueError) as error:
            problems.append(f"{path}: {error}")
    if problems:
        raise BundleError(*problems)
    return glossaries


def _glossary_files(model: Path) -> list[Path]:
    return sorted(model.joinpath(GLOSSARIES).glob(f"*{GLOSSARY_SUFFIX}"))


def check_default(bundles: list[Bundle], defaults: Iterable[str]) -> None:
    """Raises BundleError if a default model is not among the bundles."""
    _check_names("default_model", defaults, bundles)


def check_engines(bundles: list[Bundle], models: Iterable[str]) -> None:
    """Raises BundleError if one of the models whose number of engines is set is not among the bundles."""
    _check_names("engines", models, bundles)


def _check_names(setting: str, names: Iterable[str], bundles: list[Bundle]) -> None:
    """Raises BundleError if a setting names a model that is not among the bundles."""
    by_repository: dict[Path, list[str]] = {}
    for bundle in bundles:
        by_repository.setdefault(bundle.folder.parent.parent, []).append(bundle.manifest.name)
    for name in names:
        if not any(name in others for others in by_repository.values()):
            served = "; ".join(f"{folder} has {', '.join(others)}" for folder, others in by_repository.items())
            raise BundleError(f"{setting}: no model {name!r} is served; {served}")

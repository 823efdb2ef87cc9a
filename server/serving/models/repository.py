"""Model repositories: folders, and the bundles and glossaries that lie in them."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from seq2serve.glossary_file import read_glossary_file
from server.bundle.manifest import MANIFEST, Bundle, BundleError, read_bundle
from server.text.glossary import Glossary

GLOSSARIES = "glossaries"
GLOSSARY_SUFFIX = ".tsv"

_LOST_AND_FOUND = "lost+found"
"""A folder that every ext4 file system has, and only root can read."""

_logger = logging.getLogger(__name__)


def read_repositories(folders: Sequence[Path]) -> list[Bundle]:
    """The newest version of every model of all repositories, repository by repository.

    Raises BundleError as `read_repository` does for each of them, and where two have a model of the same name: neither
    of them could be meant to hide the other's.
    """
    bundles: dict[str, Bundle] = {}
    for folder in folders:
        for bundle in read_repository(folder):
            other = bundles.setdefault(bundle.manifest.name, bundle)
            if other is not bundle:
                both = f"{other.folder.parent} and {bundle.folder.parent}"
                raise BundleError(f"{both}: two models of one name; only one of them can be served")
    return list(bundles.values())


def read_repository(folder: Path) -> list[Bundle]:
    """The newest version of every model, by name. Hidden folders are passed over; so are, with a warning, folders
    without a version.

    Raises BundleError where the folder cannot be read or has no model, or a model is damaged.
    """
    bundles = []
    for model in sorted(path for path in _folders(folder) if not path.name.startswith(".")):
        versions = [] if model.name == _LOST_AND_FOUND else [path for path in _folders(model) if path.name.isdecimal()]
        if not versions:
            _logger.warning("%s is passed over: no version, a folder named by a number, is in it", model)
            continue
        newest = max(versions, key=lambda path: int(path.name))
        _check_has_manifest(newest)
        bundle = read_bundle(newest)
        if (bundle.manifest.name, bundle.manifest.version) != (model.name, bundle.folder.name):
            raise BundleError(f"{bundle.folder}: model.json says {bundle.manifest.name}/{bundle.manifest.version}")
        bundles.append(bundle)
    if not bundles:
        raise BundleError(f"{folder}: no model is in it, as <model>/<version>/{MANIFEST}")
    return bundles


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
    """The glossaries that the repository keeps for a model, in `<model>/glossaries/<name>.tsv`. Raises BundleError."""
    glossaries = {}
    for path in sorted(bundle.folder.parent.joinpath(GLOSSARIES).glob(f"*{GLOSSARY_SUFFIX}")):
        try:
            glossaries[path.stem] = Glossary(read_glossary_file(path))
        except (OSError, ValueError) as error:
            raise BundleError(f"{path}: {error}") from error
    return glossaries


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

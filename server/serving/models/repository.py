"""The model repository: a folder, and the bundles and glossaries that lie in it."""

import logging
from collections.abc import Iterable
from pathlib import Path

from seq2serve.glossary_file import read_glossary_file
from server.bundle.manifest import Bundle, BundleError, read_bundle
from server.text.glossary import Glossary

GLOSSARIES = "glossaries"
GLOSSARY_SUFFIX = ".tsv"

_LOST_AND_FOUND = "lost+found"
"""A folder that every ext4 file system has, and only root can read."""

_logger = logging.getLogger(__name__)


def read_repository(folder: Path) -> list[Bundle]:
    """The newest version of every model, by name. Hidden folders are passed over; so are, with a warning, folders
    without a version.

    Raises BundleError where the folder has no model, or a model is damaged.
    """
    bundles = []
    for model in sorted(path for path in folder.glob("[!.]*") if path.is_dir()):
        versions = _versions(model)
        if not versions:
            _logger.warning("%s is passed over: no version, a folder named by a number, is in it", model)
            continue
        bundle = read_bundle(max(versions, key=lambda path: int(path.name)))
        if (bundle.manifest.name, bundle.manifest.version) != (model.name, bundle.folder.name):
            raise BundleError(f"{bundle.folder}: model.json says {bundle.manifest.name}/{bundle.manifest.version}")
        bundles.append(bundle)
    if not bundles:
        raise BundleError(f"{folder}: no model is in it")
    return bundles


def _versions(model: Path) -> list[Path]:
    """The folders of a model's versions. Raises BundleError for a folder that cannot be read."""
    if model.name == _LOST_AND_FOUND:
        return []
    try:
        return [path for path in model.iterdir() if path.is_dir() and path.name.isdecimal()]
    except OSError as error:
        raise BundleError(f"{model}: {error.strerror}") from error


def read_glossaries(bundle: Bundle) -> dict[str, Glossary]:
    """The glossaries that the repository keeps for a model, in `<model>/glossaries/<name>.tsv`. Raises BundleError."""
    glossaries = {}
    for path in sorted(bundle.folder.parent.joinpath(GLOSSARIES).glob(f"*{GLOSSARY_SUFFIX}")):
        try:
            glossaries[path.stem] = Glossary(read_glossary_file(path))
        except (OSError, ValueError) as error:
            raise BundleError(f"{path}: {error}") from error
    return glossaries


def check_default(bundles: list[Bundle], default: str) -> None:
    """Raises BundleError if the default model is not among the bundles."""
    _check_name("default_model", default, bundles)


def check_engines(bundles: list[Bundle], models: Iterable[str]) -> None:
    """Raises BundleError if one of the models whose number of engines is set is not among the bundles."""
    for model in models:
        _check_name("engines", model, bundles)


def _check_name(setting: str, name: str, bundles: list[Bundle]) -> None:
    """Raises BundleError if a setting names a model that is not among the bundles."""
    names = [bundle.manifest.name for bundle in bundles]
    if name not in names:
        raise BundleError(f"{setting}: {name!r} is not in the repository, which has {', '.join(names)}")

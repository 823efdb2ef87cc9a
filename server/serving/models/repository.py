"""The model repository: a folder, and the bundles and glossaries that lie in it."""

from collections.abc import Iterable
from pathlib import Path

from server.bundle.manifest import Bundle, BundleError, read_bundle
from server.text.glossary import SUFFIX, Glossary, read_glossary

GLOSSARIES = "glossaries"


def read_repository(folder: Path) -> list[Bundle]:
    """The newest version of every model, by name; hidden folders are passed over.

    Raises BundleError where there is none, or one is damaged.
    """
    bundles = []
    for model in sorted(path for path in folder.glob("[!.]*") if path.is_dir()):
        versions = [path for path in model.iterdir() if path.is_dir() and path.name.isdecimal()]
        if not versions:
            raise BundleError(f"{model}: no version, a folder named by a number, is in it")
        bundle = read_bundle(max(versions, key=lambda path: int(path.name)))
        if (bundle.manifest.name, bundle.manifest.version) != (model.name, bundle.folder.name):
            raise BundleError(f"{bundle.folder}: model.json says {bundle.manifest.name}/{bundle.manifest.version}")
        bundles.append(bundle)
    if not bundles:
        raise BundleError(f"{folder}: no model is in it")
    return bundles


def read_glossaries(bundle: Bundle) -> dict[str, Glossary]:
    """Those that the repository keeps for a model, in `<model>/glossaries/<name>.tsv`. Raises BundleError."""
    glossaries = {}
    for path in sorted(bundle.folder.parent.joinpath(GLOSSARIES).glob(f"*{SUFFIX}")):
        try:
            glossaries[path.stem] = read_glossary(path)
        except (OSError, ValueError) as error:
            raise BundleError(f"{path}: {error}") from error
    return glossaries


def check_default(bundles: list[Bundle], default: str) -> None:
    """Raises BundleError if it is not among them."""
    _check_name("default_model", default, bundles)


def check_engines(bundles: list[Bundle], models: Iterable[str]) -> None:
    """Raises BundleError if one of the models whose number of engines is set is not among them."""
    for model in models:
        _check_name("engines", model, bundles)


def _check_name(setting: str, name: str, bundles: list[Bundle]) -> None:
    names = [bundle.manifest.name for bundle in bundles]
    if name not in names:
        raise BundleError(f"{setting}: {name!r} is not in the repository, which has {', '.join(names)}")

"""The model repository: which models are served, and which one answers a request."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.bundle import Bundle, BundleError, Manifest, read_bundle
from server.errors import InvalidRequest, UnknownModel, shown
from server.glossary import SUFFIX, Glossary, read_glossary
from server.sentence import SentenceDecoder
from server.text import Tokenizer

GLOSSARIES = "glossaries"


@dataclass(frozen=True)
class ServedModel:
    manifest: Manifest
    tokenizer: Tokenizer
    engine: SentenceDecoder
    glossaries: Mapping[str, Glossary] = field(default_factory=dict)
    """By name."""


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
    names = [bundle.manifest.name for bundle in bundles]
    if default not in names:
        raise BundleError(f"default_model: {default!r} is not in the repository, which has {', '.join(names)}")


class Models:
    """The served models, the default one first."""

    def __init__(self, bundles: list[Bundle], default: str, load: Callable[[Bundle], ServedModel]) -> None:
        """`default`: the name of one of them."""
        self.default = default
        bundles = sorted(bundles, key=lambda bundle: (bundle.manifest.name != default, bundle.manifest.name))
        self._by_name = {bundle.manifest.name: load(bundle) for bundle in bundles}

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._by_name.values())

    def select(self, name: str, source_language: str, target_language: str) -> ServedModel:
        """The model of that name; without a name, the first one of that language pair, the default one first.

        Raises UnknownModel, or InvalidRequest for a language pair that is not served.
        """
        if name and name not in self._by_name:
            raise UnknownModel(name, list(self._by_name))
        candidates = [self._by_name[name]] if name else list(self._by_name.values())
        for model in candidates:
            serves_source = source_language in ("", model.manifest.source_language)
            if serves_source and target_language in ("", model.manifest.target_language):
                return model
        pairs = sorted({f"{m.manifest.source_language}-{m.manifest.target_language}" for m in candidates})
        sources = {model.manifest.source_language for model in candidates}
        field, value = (
            ("source_language_code", source_language)
            if source_language and source_language not in sources
            else ("target_language_code", target_language)
        )
        served_by = f"model {shown(name)} serves" if name else "the language pairs served here are"
        raise InvalidRequest(field, f"{served_by} {', '.join(pairs)}, got {shown(value)}")

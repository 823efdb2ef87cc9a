"""The models that are served, and which of them answers a request."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from server.bundle.manifest import Bundle, Manifest
from server.errors import InvalidRequest, UnknownModel, shown
from server.messages.sentence import SentenceDecoder
from server.serving.models.backlog import Backlog
from server.text.alphabet import Alphabet
from server.text.glossary import Glossary
from server.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class ServedModel:
    manifest: Manifest
    tokenizer: Tokenizer
    engine: SentenceDecoder
    backlog: Backlog
    glossaries: Mapping[str, Glossary] = field(default_factory=dict)
    """The glossaries that the repository keeps for the model, by name."""

    @cached_property
    def alphabet(self) -> Alphabet:
        """What the tokenizer can read."""
        return Alphabet(self.tokenizer)


class Models:
    """The served models, the default one first."""

    def __init__(self, bundles: list[Bundle], default: str, load: Callable[[Bundle], ServedModel]) -> None:
        """`default`: the name of the default model, which is one of the bundles'."""
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

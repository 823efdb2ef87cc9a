"""The models that are served, and which of them answers a request."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from server.bundle.manifest import Bundle, Manifest
from server.errors import InvalidRequest, UnknownModel, shown
from server.messages.sentence import SentenceDecoder
from server.serving.models.backlog import Backlog
from server.text.alphabet import Alphabet
from server.text.glossary import Glossary
from server.text.language_codes import LanguageCode, distance, opaque_language_code, parse_language_code
from server.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class ServedModel:
    """A model that is served, with all that its requests need."""

    manifest: Manifest
    tokenizer: Tokenizer
    engine: SentenceDecoder
    backlog: Backlog
    glossaries: Mapping[str, Glossary] = field(default_factory=dict)
    """The glossaries that the repository keeps for the model, by name."""

    @cached_property
    def alphabet(self) -> Alphabet:
        """The characters that the tokenizer can read."""
        return Alphabet(self.tokenizer)


class Models:
    """The served models: the default one, those that are preferred after it, and all others by name."""

    def __init__(self, bundles: list[Bundle], defaults: Sequence[str], load: Callable[[Bundle], ServedModel]) -> None:
        """`defaults`: names of bundles' models; the first is the default model, and of several that serve a language
        pair the first answers for it."""
        self.default = defaults[0]
        names = sorted(bundle.manifest.name for bundle in bundles)
        by_name = {bundle.manifest.name: bundle for bundle in bundles}
        self._by_name = {name: load(by_name[name]) for name in dict.fromkeys([*defaults, *names])}
        self._languages = {name: _languages(model.manifest) for name, model in self._by_name.items()}
        """Source and target language of each model."""

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._by_name.values())

    def __getitem__(self, name: str) -> ServedModel:
        """Raises KeyError."""
        return self._by_name[name]

    def select(self, name: str, source_language: str, target_language: str) -> ServedModel:
        """The model of that name; without a name, the one whose language pair is nearest to what is wanted, first by
        the target language, then by the source language (`server.text.language_codes.distance`); of several that
        are equally near, the first in the models' order. An empty language stands for any.

        Raises UnknownModel, or InvalidRequest for a language pair that is not served.
        """
        if name and name not in self._by_name:
            raise UnknownModel(name, list(self._by_name))
        candidates = [name] if name else list(self._by_name)
        by_source = self._distances(0, source_language, candidates)
        by_target = self._distances(1, target_language, candidates)
        served = [model for model in candidates if model in by_source and model in by_target]
        if served:
            return self._by_name[min(served, key=lambda model: (by_target[model], by_source[model]))]
        field, code = (
            ("target_language_code", target_language) if by_source else ("source_language_code", source_language)
        )
        got = shown(code)
        if by_source and by_target:  # each language is served, but not together
            got = f"{shown(source_language)} to {shown(target_language)}"
        pairs = sorted({"-".join(language.code for language in self._languages[model]) for model in candidates})
        served_by = f"model {shown(name)} serves" if name else "the language pairs served here are"
        form = "" if _is_language_code(code) else "a code such as en or pt-BR expected; "
        raise InvalidRequest(field, f"{form}{served_by} {', '.join(pairs)}, got {got}")

    def _distances(self, side: int, code: str, candidates: list[str]) -> dict[str, int]:
        """Distance of each model whose source (0) or target (1) language serves a code, by name."""
        if not code:
            return dict.fromkeys(candidates, 0)
        wanted = _language(code)
        distances = {name: distance(wanted, self._languages[name][side]) for name in candidates}
        return {name: distance_ for name, distance_ in distances.items() if distance_ is not None}


def _languages(manifest: Manifest) -> tuple[LanguageCode, LanguageCode]:
    return _language(manifest.source_codes[0]), _language(manifest.target_codes[0])


def _language(code: str) -> LanguageCode:
    """The language of a code. A code that is no BCP 47 tag is a language of its own: a model's manifest may have one,
    and a request for just this code finds the model."""
    try:
        return parse_language_code(code)
    except ValueError:
        return opaque_language_code(code)


def _is_language_code(code: str) -> bool:
    try:
        parse_language_code(code)
    except ValueError:
        return False
    return True

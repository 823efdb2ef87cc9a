"""The models that are served, and which of them answers a request."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from server.bundle.manifest import Bundle, Manifest
from server.errors import InvalidRequest, UnknownModel, shown
from server.messages.sentence import SentenceDecoder
from server.serving.models.backlog import Backlog
from server.serving.models.directions import Direction, Directions, Found, Unclear
from server.text.alphabet import Alphabet
from server.text.glossary import Glossary
from server.text.language_codes import parse_language_code
from server.text.tokenizer import Tokenizers

_MAX_NAMED = 120
"""Languages, or pairs of them, that an error names: what it says has to have room in a header."""


@dataclass(frozen=True)
class ServedModel:
    """A model that is served, with all that its requests need."""

    manifest: Manifest
    tokenizers: Tokenizers
    engine: SentenceDecoder
    backlog: Backlog
    glossaries: Mapping[str, Glossary] = field(default_factory=dict)
    """The glossaries that the repository keeps for the model, by name."""

    def prepare(self) -> None:
        """Find out what takes a moment for large vocabularies, so that no request waits for it."""
        _ = self.source_alphabet, self.target_alphabet, self.directions

    @cached_property
    def directions(self) -> Directions:
        return Directions(self.manifest)

    @cached_property
    def source_alphabet(self) -> Alphabet:
        """The characters that the model can read."""
        return Alphabet(self.tokenizers.source)

    @cached_property
    def target_alphabet(self) -> Alphabet:
        """The characters that the model can write."""
        is_one = self.tokenizers.target is self.tokenizers.source
        return self.source_alphabet if is_one else Alphabet(self.tokenizers.target)


class Selected(NamedTuple):
    """Which model answers a request, and what it makes of the request's languages."""

    model: ServedModel
    direction: Direction


class Models:
    """The served models: the default one, those that are preferred after it, and all others by name."""

    def __init__(self, bundles: list[Bundle], defaults: Sequence[str], load: Callable[[Bundle], ServedModel]) -> None:
        """`defaults`: names of bundles' models; the first is the default model, and of several that serve a language
        pair the first answers for it."""
        self.default = defaults[0]
        names = sorted(bundle.manifest.name for bundle in bundles)
        by_name = {bundle.manifest.name: bundle for bundle in bundles}
        self._by_name = {name: load(by_name[name]) for name in dict.fromkeys([*defaults, *names])}

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._by_name.values())

    def __getitem__(self, name: str) -> ServedModel:
        """Raises KeyError."""
        return self._by_name[name]

    def named(self, name: str) -> ServedModel:
        """The model of that name, or the default one where it is empty. Raises UnknownModel."""
        model = self._by_name.get(name or self.default)
        if model is None:
            raise UnknownModel(name, list(self._by_name))
        return model

    def select(self, name: str, source_language: str, target_language: str) -> Selected:
        """The model of that name; without a name, the one that has the language pair which is nearest to what is
        wanted, first by the target language, then by the source language; of several that are equally near, the first
        in the models' order. An empty language stands for the model's own.

        Raises UnknownModel, or InvalidRequest for a language pair that is not served, or an empty language that may be
        several.
        """
        if name and name not in self._by_name:
            raise UnknownModel(name, list(self._by_name))
        candidates = [self._by_name[name]] if name else list(self)
        best: tuple[ServedModel, Found] | None = None
        for model in candidates:
            found = model.directions.find(source_language, target_language)
            if found and (best is None or found.distance < best[1].distance):
                best = model, found
        if not best:
            raise _not_served(name, candidates, source_language, target_language)
        model, found = best
        if isinstance(found.meant, Unclear):
            expected = f"a language of model {shown(model.manifest.name)} expected ({_listed(found.meant.codes)})"
            raise InvalidRequest(found.meant.field, f"{expected}, got none")
        return Selected(model, found.meant)


def _not_served(name: str, candidates: list[ServedModel], source: str, target: str) -> InvalidRequest:
    directions = [model.directions for model in candidates]
    has_source = any(one.sources(source) for one in directions)
    has_target = any(one.targets(target) for one in directions)
    field, code = ("target_language_code", target) if has_source else ("source_language_code", source)
    got = f"{shown(source)} to {shown(target)}" if has_source and has_target else shown(code)
    form = "" if _is_language_code(code) else "a code such as en or pt-BR expected; "
    if sum(one.num_pairs for one in directions) <= _MAX_NAMED:
        served_by = f"model {shown(name)} serves" if name else "the language pairs served here are"
        languages = ", ".join(sorted({"-".join(pair) for one in directions for pair in one.pairs()}))
    else:
        side = "into" if has_source else "from"
        served_by = f"model {shown(name)} translates {side}" if name else f"the languages translated {side} here are"
        codes = {code for one in directions for code in (one.targets("") if has_source else one.sources(""))}
        languages = _listed(sorted(codes))
    return InvalidRequest(field, f"{form}{served_by} {languages}, got {got}")


def _listed(codes: list[str]) -> str:
    rest = len(codes) - _MAX_NAMED
    return ", ".join(codes[:_MAX_NAMED]) + (f" and {rest} more, see ListModels" if rest > 0 else "")


def _is_language_code(code: str) -> bool:
    try:
        parse_language_code(code)
    except ValueError:
        return False
    return True

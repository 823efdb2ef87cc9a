"""The models that are served, and which of them answers a request."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from server.errors import InvalidRequest, UnknownModel, listed, shown
from server.serving.models.directions import Direction, Found, Unclear
from server.serving.models.repository import SEPARATOR
from server.serving.models.served import ServedModel
from server.serving.models.versions import ModelVersions
from server.text.language_codes import parse_language_code

_MAX_NAMED = 120
"""Pairs of languages that an error names; beyond them it names languages."""


class Selected(NamedTuple):
    """Which model answers a request, and what it makes of the request's languages."""

    model: ServedModel
    direction: Direction


class Models:
    """The served models: the default one, those that are preferred after it, and all others by name. Used on the event
    loop's thread alone."""

    def __init__(self, defaults: Sequence[str], models: Iterable[ModelVersions] = ()) -> None:
        """`defaults`: names of models; the first is the default model, and of several that serve a language pair the
        first answers for it."""
        self.default = defaults[0]
        self._defaults = list(defaults)
        self._by_name: dict[str, ModelVersions] = {}
        for model in models:
            self.put(model)

    def put(self, model: ModelVersions) -> None:
        """Serve a model from now on, in place of what was served by its name."""
        by_name = self._by_name | {model.name: model}
        names = [name for name in self._defaults if name in by_name]
        self._by_name = {name: by_name[name] for name in dict.fromkeys([*names, *sorted(by_name)])}

    def remove(self, name: str) -> None:
        """Serve a model no longer."""
        self._by_name = {other: model for other, model in self._by_name.items() if other != name}

    def __iter__(self) -> Iterator[ModelVersions]:
        return iter(self._by_name.values())

    def __getitem__(self, name: str) -> ModelVersions:
        """Raises KeyError."""
        return self._by_name[name]

    def named(self, name: str) -> ServedModel:
        """A version of the model of that name, or of the default one where it is empty: the version whose number or
        label stands behind the name and @; else the one that the model's split draws. Raises UnknownModel."""
        model, version = self._parted(name)
        return model.pick(version)

    def described(self, name: str) -> ServedModel:
        """As `named`, but for a name without a version the one that most requests are answered by: what a description
        of the model is of, which is not to change from call to call. Raises UnknownModel."""
        model, version = self._parted(name)
        return model.pick(version) if version else model.main

    def _parted(self, name: str) -> tuple[ModelVersions, str]:
        """The model of that name, and what stands behind its @. Raises UnknownModel."""
        model, _, version = (name or self.default).partition(SEPARATOR)
        if model not in self._by_name or name.endswith(SEPARATOR):
            raise UnknownModel(name, list(self._by_name))
        return self._by_name[model], version

    def select(self, name: str, source_language: str, target_language: str) -> Selected:
        """The model of that name, which may be followed by @ and one of its versions or labels; without a name, the one
        that has the language pair which is nearest to what is wanted, first by the target language, then by the source
        language; of several that are equally near, the first in the models' order. An empty language stands for the
        model's own.

        Raises UnknownModel, or InvalidRequest for a language pair that is not served, or an empty language that may be
        several.
        """
        candidates = [self.named(name)] if name else [model.pick() for model in self]
        best: tuple[ServedModel, Found] | None = None
        for model in candidates:
            found = model.directions.find(source_language, target_language)
            if found and (best is None or found.distance < best[1].distance):
                best = model, found
        if not best:
            raise _not_served(name, candidates, source_language, target_language)
        model, found = best
        if isinstance(found.meant, Unclear):
            expected = f"a language of model {shown(model.manifest.name)} expected ({listed(found.meant.codes)})"
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
        languages = listed(sorted(codes))
    return InvalidRequest(field, f"{form}{served_by} {languages}, got {got}")


def _is_language_code(code: str) -> bool:
    try:
        parse_language_code(code)
    except ValueError:
        return False
    return True

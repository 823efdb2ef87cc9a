"""Which of a model's languages are meant by the codes of a request, and what they make of its sources."""

from collections.abc import Iterator
from dataclasses import dataclass

from server.bundle.languages import SOURCE_TOKEN, Language, expand
from server.bundle.manifest import Manifest
from server.text.language_codes import LanguageCode, distance, opaque_language_code, parse_language_code


@dataclass(frozen=True)
class Direction:
    """From one language into another, by one model."""

    source_code: str
    """Empty where nobody has said which of several it is, and the model need not know."""
    target_code: str
    before: tuple[int, ...]
    """What a source has before the ids of its text."""
    behind: tuple[int, ...]
    """What a source has behind them, as its end."""
    start_ids: tuple[int, ...]
    """What the decoder reads before it writes, as in `DecodingOptions`."""

    def source_ids(self, text_ids: list[int]) -> list[int]:
        """What the model reads of a text."""
        return [*self.before, *text_ids, *self.behind]

    @property
    def num_added(self) -> int:
        """Ids of a source that are not its text's."""
        return len(self.before) + len(self.behind)


@dataclass(frozen=True)
class Unclear:
    """One of several languages has to be named, and is not."""

    field: str
    """Of the request."""
    codes: list[str]
    """What it may be."""


@dataclass(frozen=True)
class Found:
    """What codes mean to a model."""

    meant: Direction | Unclear
    distance: tuple[int, int]
    """How far the target and the source language are from what was asked for (`server.text.language_codes.distance`);
    of those that were not named, 0."""


class Directions:
    """The directions of one model."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._by_code = {language.code: language for language in manifest.languages}
        self._codes = {language.code: parsed(language.code) for language in manifest.languages}
        self._pairs = {(pair.source, pair.target) for pair in manifest.pairs or ()}
        self._needs_source = SOURCE_TOKEN in manifest.source_template

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Codes of what is translated into what, in the order of the model's languages."""
        for source in self._manifest.source_codes:
            for target in self._manifest.target_codes:
                if self._has(source, target):
                    yield source, target

    @property
    def num_pairs(self) -> int:
        """Language pairs, at most: those of one language are counted."""
        return len(self._pairs) or len(self._manifest.source_codes) * len(self._manifest.target_codes)

    def sources(self, code: str) -> dict[str, int]:
        """The source languages that serve a code, and their distances; all of them where it is empty."""
        return self._distances(code, self._manifest.source_codes)

    def targets(self, code: str) -> dict[str, int]:
        return self._distances(code, self._manifest.target_codes)

    def find(self, source: str, target: str) -> Found | None:
        """The direction that is nearest to two codes, first by its target; None where there is none."""
        sources, targets = self.sources(source), self.targets(target)
        if not source and not target and len(targets) > 1:
            return Found(Unclear("target_language_code", list(targets)), (0, 0))
        found = [
            ((to, away), one, other)
            for other, to in sorted(targets.items(), key=lambda item: item[1])
            for one, away in sorted(sources.items(), key=lambda item: item[1])
            if self._has(one, other)
        ]
        if not found:
            return None
        nearest, from_, into = min(found, key=lambda item: item[0])
        equal = [item for item in found if item[0] == nearest]
        if not target and len(codes := list(dict.fromkeys(other for _, _, other in equal))) > 1:
            return Found(Unclear("target_language_code", codes), nearest)
        if not source and len(codes := [one for _, one, other in equal if other == into]) > 1:
            if self._needs_source:
                return Found(Unclear("source_language_code", codes), nearest)
            return Found(self._direction(None, self._by_code[into]), nearest)
        return Found(self._direction(self._by_code[from_], self._by_code[into]), nearest)

    def _has(self, source: str, target: str) -> bool:
        return (source, target) in self._pairs if self._pairs else source != target or len(self._by_code) == 1

    def _distances(self, code: str, known: list[str]) -> dict[str, int]:
        if not code:
            return dict.fromkeys(known, 0)
        wanted = parsed(code)
        distances = {one: distance(wanted, self._codes[one]) for one in known}
        return {one: distance_ for one, distance_ in distances.items() if distance_ is not None}

    def _direction(self, source: Language | None, target: Language) -> Direction:
        before, behind = expand(self._manifest.source_template, source, target)
        start_ids, _ = expand(self._manifest.forced_target, source, target)
        return Direction(source.code if source else "", target.code, before, behind, start_ids)


def parsed(code: str) -> LanguageCode:
    """The language of a code. A code that is no BCP 47 tag is a language of its own: a model's manifest may have one,
    and a request for just this code finds the model."""
    try:
        return parse_language_code(code)
    except ValueError:
        return opaque_language_code(code)

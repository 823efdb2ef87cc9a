"""Language codes as people write them (BCP 47), and which of them mean the same language.

The parser and the tables are those of `langcodes`. Its `Language` class is not used: it keeps every code that it ever
saw, and callers choose the codes.
"""

from dataclasses import dataclass

from langcodes.data_dicts import (
    DEFAULT_SCRIPTS,
    LANGUAGE_REPLACEMENTS,
    LIKELY_SUBTAGS,
    MACROLANGUAGES,
    NORMALIZED_MACROLANGUAGES,
    TERRITORY_REPLACEMENTS,
)
from langcodes.tag_parser import parse_tag

_MAX_CHARACTERS = 100
"""Of a code. RFC 5646 wants room for 35."""
_MACROLANGUAGE = 100
"""Distance of a macrolanguage, more than any of a broader range of the language itself."""
_NARROWER = 1000
"""Distance of a served language that is a kind of the wanted one, more than any that is broader."""


@dataclass(frozen=True)
class LanguageCode:
    code: str
    """As it was written."""
    ranges: tuple[str, ...]
    """Its normal form in small letters, and ever broader languages: zh-hant-tw, zh-hant, zh."""
    macrolanguage_ranges: tuple[str, ...] = ()
    """Those of the macrolanguage that the language belongs to: no, of nb."""

    def distance_to(self, range_: str) -> int | None:
        """How much of the code is left out in a broader range; None for a range of another language."""
        if range_ in self.ranges:
            return self.ranges.index(range_)
        if range_ in self.macrolanguage_ranges:
            return _MACROLANGUAGE + self.macrolanguage_ranges.index(range_)
        return None


def parse_language_code(code: str) -> LanguageCode:
    """Letter case does not count, and a low line is a hyphen. Codes of one language that differ by age or by standard
    have one normal form: iw and he, eng and en, cmn and zh. A script is left out where the language has no other, and
    is there where the territory tells which one it is (zh-TW: zh-hant-tw).

    Raises ValueError for what has not the form of a language code (RFC 5646).
    """
    if len(code) > _MAX_CHARACTERS:
        raise ValueError(f"at most {_MAX_CHARACTERS} characters expected, got {len(code)}")
    language, *others = _normal_form(code)
    macrolanguage = MACROLANGUAGES.get(language)
    if macrolanguage in LANGUAGE_REPLACEMENTS:  # sh, which is no language any more
        macrolanguage = None
    return LanguageCode(
        code,
        tuple(_ever_broader([language, *others])),
        tuple(_ever_broader([macrolanguage, *others])) if macrolanguage else (),
    )


def opaque_language_code(code: str) -> LanguageCode:
    """What has not the form of a language code: it is equal to itself alone."""
    return LanguageCode(code, (code,))


def distance(wanted: LanguageCode, served: LanguageCode) -> int | None:
    """How far what is served is from what is wanted; 0: the same; None: another language.

    That is the lookup of RFC 4647 (section 3.4): subtags of what is wanted are left out from its end until it is what
    is served (en-US: en), the macrolanguage comes last (nb: no). Farther than all those is what the RFC's lookup does
    not have, but people expect who ask for a language as such: a narrower one (en: en-GB), as in its filtering
    (section 3.3.1). Neither makes one territory's language another's (en-US: en-GB), or one script another.
    """
    broader = wanted.distance_to(served.ranges[0])
    if broader is not None:
        return broader
    narrower = served.distance_to(wanted.ranges[0])
    return None if narrower is None else _NARROWER + narrower


def _normal_form(code: str) -> list[str]:
    """Subtags in small letters. Raises ValueError."""
    parse_tag(code)
    subtags = code.lower().replace("_", "-").split("-")
    if not subtags[0].isalpha():
        raise ValueError(f"a language's letters expected, got {subtags[0]!r}")
    head, rest = subtags[:1], subtags[1:]
    for num_subtags in range(min(len(subtags), 3), 0, -1):
        replacement = LANGUAGE_REPLACEMENTS.get("-".join(subtags[:num_subtags]))
        if replacement:
            head, rest = replacement.split("-"), subtags[num_subtags:]
            break
    if head[0] in ("x", "i"):  # private, or registered before there was a form
        return [*head, *rest]
    single: dict[str, str] = {}
    extended: list[str] = []
    others: list[str] = []
    for kind, value in [*parse_tag("-".join(head)), *parse_tag("-".join(["und", *rest]))[1:]]:
        if kind in ("language", "script", "territory"):
            single[kind] = value
        elif kind == "extlang":
            extended.append(value)
        else:
            others += value.split("-")
    language = NORMALIZED_MACROLANGUAGES.get(single.get("language", head[0]), single.get("language", head[0]))
    territory = single.get("territory")
    if territory:
        territory = TERRITORY_REPLACEMENTS.get(territory.lower(), territory)
    script = single.get("script") or (_likely_script(language, territory) if territory else None)
    if script == DEFAULT_SCRIPTS.get(language):
        script = None
    return [subtag.lower() for subtag in (language, *extended, script, territory, *others) if subtag]


def _likely_script(language: str, territory: str) -> str | None:
    likely = LIKELY_SUBTAGS.get(f"{language}-{territory}") or LIKELY_SUBTAGS.get(language)
    return dict(parse_tag(likely)).get("script") if likely else None


def _ever_broader(subtags: list[str]) -> list[str]:
    ranges = []
    while subtags:
        ranges.append("-".join(subtags))
        subtags = subtags[:-1]
        while subtags and len(subtags[-1]) == 1:  # what it introduced is gone
            subtags = subtags[:-1]
    return ranges

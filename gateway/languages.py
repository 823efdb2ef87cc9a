"""What the server's models translate, as HTTP's APIs list it, and what a text seems to be written in."""

from collections.abc import Mapping, Sequence
from functools import cache

from babel import Locale, UnknownLocaleError
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from seq2serve import AsyncClient, Model, PermissionDenied

_MOST_READ = 4000
"""Characters of a text of which its language is told."""


def targets_by_source(models: Sequence[Model]) -> Mapping[str, list[str]]:
    """The languages that any of the models translates from, those of the default model first, and what each is
    translated into."""
    targets: dict[str, list[str]] = {}
    for model in models:
        pairs = [(pair.source_language_code, pair.target_language_code) for pair in model.language_pairs] or [
            (source, target)  # of so many pairs that they are not listed
            for source in model.source_language_codes
            for target in model.target_language_codes
            if source != target
        ]
        for source, target in pairs:
            known = targets.setdefault(source, [])
            if target not in known:
                known.append(target)
    return targets


@cache
def name_of(code: str) -> str:
    """A language's name in English, as CLDR has it; the code itself where it has none."""
    try:
        return Locale.parse(code, sep="-").get_display_name("en") or code
    except (UnknownLocaleError, ValueError):
        return code


def detect(text: str, sources: Sequence[str]) -> list[tuple[str, float]]:
    """The languages of `sources` that the text may be written in, the likeliest first, each with its probability among
    all the languages that are told apart: of a text in a language that is not served all are low. None of a text
    without letters."""
    if not any(character.isalpha() for character in text):
        return []
    ranked = dict(identifier().rank(text[:_MOST_READ]))
    found = [(code, float(ranked.get(code.partition("-")[0].lower(), 0.0))) for code in sources]
    return sorted(found, key=lambda one: -one[1])


@cache
def identifier() -> LanguageIdentifier:
    """Loading it takes a second."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


async def detect_served(client: AsyncClient, texts: Sequence[str]) -> list[tuple[str, float]]:
    """`detect` for texts together, among the languages that the server's models translate from. None where the caller's
    key may translate, and not list models."""
    try:
        models = await client.list_models()
    except PermissionDenied:
        return []
    return detect("\n".join(texts), list(targets_by_source(models)))

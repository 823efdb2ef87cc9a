"""The languages of a model, and how they stand in what it reads and writes: data of the manifest.

A source is made from a template: a list of token ids and of the words below, each at most once.

    {text}           the ids of the text
    {source_token}   the token of the language that the text is in
    {target_token}   the token of the language to translate into

So `["{text}", 3]` is a text and its end, `["{target_token}", "{text}", 2]` a text that says first what it is to
become. The decoder's start is a template as well, without a text: what it reads behind the start token before the
translation begins. The tokens of the decoder's start are no part of a translation: they have no text and no score.
"""

from collections.abc import Sequence
from dataclasses import dataclass

TEXT, SOURCE_TOKEN, TARGET_TOKEN = "{text}", "{source_token}", "{target_token}"

Template = tuple[int | str, ...]


@dataclass(frozen=True, kw_only=True)
class Language:
    code: str
    """BCP 47 code, or the language's name as the model has it."""
    source_id: int | None = None
    """The token for {source_token}; None for none."""
    target_id: int | None = None
    """The token for {target_token}; None for none. A template of the source has it of the source's vocabulary, one of
    the decoder's start of the target's; a model that has it in both has one vocabulary."""
    is_source: bool = True
    is_target: bool = True


@dataclass(frozen=True, kw_only=True)
class Pair:
    source: str
    """Code of one of the model's languages."""
    target: str


def bilingual(source: str, target: str) -> tuple[Language, Language]:
    """The languages of a model of one pair, which has no tokens for them."""
    return Language(code=source, is_target=False), Language(code=target, is_source=False)


def expand(template: Template, source: Language | None, target: Language | None) -> tuple[tuple[int, ...], ...]:
    """The ids of a template before its text, and those behind it; without a text all are before it. A language may be
    None where the template has no token of it."""
    before: list[int] = []
    behind: list[int] = []
    ids = before
    for item in template:
        if item == TEXT:
            ids = behind
            continue
        id_: int | None
        if isinstance(item, int):
            id_ = item
        elif item == SOURCE_TOKEN:
            id_ = source.source_id if source else None
        else:
            id_ = target.target_id if target else None
        assert id_ is not None, f"no token for {item}"
        ids.append(id_)
    return tuple(before), tuple(behind)


def check_template(field: str, template: Template, words: Sequence[str], size: int) -> None:
    """Raises ValueError where the template has other words than these, or ids of no vocabulary of this size."""
    for index, item in enumerate(template):
        is_known = item in words if isinstance(item, str) else 0 <= item < size
        if not is_known:
            expected = f"one of {', '.join(words)}, or 0 to {size - 1}, expected"
            raise ValueError(f"{field}[{index}]: {expected}, got {item!r}")
        if isinstance(item, str) and item in template[:index]:
            raise ValueError(f"{field}[{index}]: {item} is there twice")


def check_languages(languages: Sequence[Language], pairs: Sequence[Pair] | None) -> None:
    """Raises ValueError for languages or pairs that contradict each other, or themselves."""
    codes = [language.code for language in languages]
    for index, language in enumerate(languages):
        if not language.code:
            raise ValueError(f"languages[{index}].code: a text that is not empty expected, got ''")
        if language.code in codes[:index]:
            raise ValueError(f"languages[{index}].code: {language.code!r} is there twice")
        if not language.is_source and not language.is_target:
            raise ValueError(f"languages[{index}]: a source or a target language expected, {language.code!r} is none")
    sources = [language.code for language in languages if language.is_source]
    targets = [language.code for language in languages if language.is_target]
    for index, pair in enumerate(pairs or ()):
        for field, code, known in ("source", pair.source, sources), ("target", pair.target, targets):
            if code not in known:
                raise ValueError(f"pairs[{index}].{field}: one of {', '.join(known)} expected, got {code!r}")
    if pairs is not None and not pairs:
        raise ValueError("pairs: one at least expected, or null for all, got none")
    is_of_one = len(languages) == 1 and sources == targets
    if pairs is None and not is_of_one and not any(source != target for source in sources for target in targets):
        raise ValueError("languages: a source language and another target language expected")


def check_tokens(languages: Sequence[Language], template: Template, start: Template, sizes: tuple[int, int]) -> None:
    """Raises ValueError where a language lacks a token that a template needs, or has one that is none. sizes: of the
    source's and of the target's vocabulary."""
    for index, language in enumerate(languages):
        for name, id_, is_needed, size in (
            ("source_id", language.source_id, SOURCE_TOKEN in template and language.is_source, sizes[0]),
            ("target_id", language.target_id, TARGET_TOKEN in template and language.is_target, sizes[0]),
            ("target_id", language.target_id, TARGET_TOKEN in start and language.is_target, sizes[1]),
        ):
            if is_needed and (id_ is None or not 0 <= id_ < size):
                raise ValueError(f"languages[{index}].{name}: 0 to {size - 1} expected, got {id_!r}")

"""Language codes of checkpoints, each spelled its own way, as BCP 47 where they are languages."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from langcodes import standardize_tag, tag_is_valid

PSEUDO_CODES = frozenset({"xx", "xxx", "mul", "multi", "und", "unk", "zxx"})
"""What vocabularies list beside languages: whatever a mix of corpora was labelled with."""

_MISNOMERS = {"jap": "ja", "ns": "nso"}
"""Codes that checkpoints use and no standard has."""


class LanguageToken(NamedTuple):
    spelled: str
    """The language as its token spells it: eng_Latn, fr_XX, cmn_Hans."""
    id: int


def bcp47(spelled: str) -> str | None:
    """The language's code in its normal form: eng_Latn is en, zho_Hans zh-Hans, fr_CA fr-CA, en_XX en; None for what is
    no language."""
    tag = _MISNOMERS.get(spelled, spelled).replace("_", "-")
    tag = tag.removesuffix("-XX")
    try:
        return standardize_tag(tag) if tag_is_valid(tag) else None
    except ValueError:
        return None


def code_of(spelled: str) -> str:
    """BCP 47 where it is a language, else as it is spelled."""
    return bcp47(spelled) or spelled


def same_language(left: str, right: str) -> bool:
    return code_of(left).casefold() == code_of(right).casefold()


def distinct_codes(tokens: Iterable[LanguageToken], warnings: list[str]) -> dict[str, LanguageToken]:
    """The token of every language by its code, in the order of ids. Of two tokens for one language the first counts,
    and a warning names the other; pseudo codes are left out."""
    by_code: dict[str, LanguageToken] = {}
    for token in sorted(tokens, key=lambda token: token.id):
        if token.spelled.casefold() in PSEUDO_CODES:
            continue
        code = code_of(token.spelled)
        if code in by_code:
            warnings.append(f"two tokens for {code}: {by_code[code].spelled} is used, {token.spelled} is not")
        else:
            by_code[code] = token
    return by_code


def choose(wanted: str, codes: Sequence[str], side: str, problems: list[str]) -> list[str]:
    """The one code among `codes` that is the wanted language, in a list; all for `mul`. What is not there becomes a
    problem that lists what is."""
    if wanted == "mul":
        return list(codes)
    found = [code for code in codes if same_language(code, wanted)]
    if not found:
        problems.append(f"--languages: the checkpoint has no {side} language {wanted}, it has {', '.join(codes)}")
    return found

"""Which languages a native Marian model translates: by its tokens, by OPUS-MT's README.md, or as the caller says."""

import re
from collections.abc import Sequence
from pathlib import Path

from export.checkpoints.imported import Language
from export.checkpoints.languages import LanguageToken, choose, code_of, distinct_codes

README = "README.md"

_LANGUAGES = re.compile(r"^[ \t]*\*[ \t]*(source|target) language\(s\):(.*)$", re.MULTILINE)
_LABELS = re.compile(r"valid (?:target )?language labels:|sentence initial language token is required")


def find_languages(
    folder: Path,
    tokens: Sequence[LanguageToken],
    wanted: tuple[str, str] | None,
    named: tuple[str, str] | None,
    problems: list[str],
    warnings: list[str],
) -> tuple[Language, ...]:
    """Languages, each with its token where targets need one.

    tokens: >>xxx<< of the source's vocabulary. wanted: source and target as the caller says, `mul` for all there are.
    named: those of the files' names, if they say them. What is not known, or not there, becomes a problem.
    """
    readme = _read(folder / README)
    by_code = distinct_codes(tokens, warnings)
    if len(by_code) == 1 and not _LABELS.search(readme):
        by_code = {}  # of one language, nobody has to say it
    told_sources, told_targets = ([code_of(named[0])], [code_of(named[1])]) if named else _told(readme)
    sources = _side("source", told_sources, wanted and wanted[0], problems)
    if by_code:
        targets = choose(wanted[1] if wanted else "mul", list(by_code), "target", problems)
    else:
        targets = _side("target", told_targets, wanted and wanted[1], problems)
        if len(targets) > 1:
            listed = ", ".join(targets)
            problems.append(f"languages: one target expected of a model without tokens >>xxx<<, got {listed}")
    return tuple(
        Language(
            code=code,
            target_id=by_code[code].id if code in by_code and code in targets else None,
            is_source=code in sources,
            is_target=code in targets,
        )
        for code in dict.fromkeys([*sources, *targets])
    )


def _side(side: str, told: list[str], wanted: str | None, problems: list[str]) -> list[str]:
    """Languages of a side that has no tokens: what the caller wants goes before what the folder says."""
    if wanted is not None and wanted != "mul":
        return [code_of(wanted)]
    if not told:
        problems.append(f"languages: the folder does not say the {side} language: --languages en-fr, say, expected")
    return told


def _told(readme: str) -> tuple[list[str], list[str]]:
    """The source and target languages of a README."""
    codes: dict[str, list[str]] = {"source": [], "target": []}
    for match in _LANGUAGES.finditer(readme):
        codes[match[1]] += map(code_of, match[2].replace(",", " ").split())
    return list(dict.fromkeys(codes["source"])), list(dict.fromkeys(codes["target"]))


def _read(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.is_file() else ""

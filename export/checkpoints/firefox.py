"""Reader of the students that Firefox and Bergamot ship: `model.<pair>.intgemm.alphas.bin`, unpacked, with their
vocabularies beside them.

The weights are int8 and are read as what they stand for. The factors by which activations are quantised there
(`_QuantMultA`) are not used: an int8 bundle has its own.
"""

import re
from pathlib import Path
from typing import Literal

from export.checkpoints.imported import Imported
from export.checkpoints.lexical_shortlist import with_shortlist
from export.checkpoints.marian_binary import read_binary
from export.checkpoints.marian_folder import MarianFiles
from export.checkpoints.marian_model import import_marian

_MODEL = ("model*.bin",)
_JOINT = ("vocab*.spm",)
_SOURCE, _TARGET = ("srcvocab*.spm", "source.spm"), ("trgvocab*.spm", "target.spm")
_PAIR = re.compile(r"model\.([a-z]{2})[-_]?([a-z]{2})\.")


def recognises(folder: Path) -> bool:
    return bool(_found(folder, *_MODEL)) and not (folder / "config.json").is_file()


def read(folder: Path, languages: tuple[str, str] | None, positions: Literal["own", "marian"]) -> Imported:
    """Read the model of a folder; raises ImportProblem with every problem.

    languages: source and target, before those of the file's name. positions: both are the same here.
    """
    problems: list[str] = []
    model = _one(folder, "model", _MODEL, problems)
    names = (_JOINT, _JOINT) if _found(folder, *_JOINT) else (_SOURCE, _TARGET)
    source, target = (_one(folder, "vocabulary", patterns, problems) for patterns in names)
    vocabularies = (source, target) if source and target else None
    match = _PAIR.match(model.name) if model else None
    files = MarianFiles(
        model=model,
        vocabularies=vocabularies,
        pieces=vocabularies,
        decoding={},
        is_aligned=True,  # as Mozilla's and Bergamot's recipes train all students
        languages=(match[1], match[2]) if match else None,
    )
    return with_shortlist(folder, import_marian("firefox", folder, files, read_binary, languages, problems))


def _found(folder: Path, *patterns: str) -> list[Path]:
    return [path for pattern in patterns for path in sorted(folder.glob(pattern))]


def _one(folder: Path, what: str, patterns: tuple[str, ...], problems: list[str]) -> Path | None:
    """The only file of that name; a packed one has to be unpacked before."""
    found = _found(folder, *patterns)
    if len(found) == 1:
        return found[0]
    got = ", ".join(path.name for path in found or _found(folder, *(f"{pattern}.gz" for pattern in patterns)))
    problem = f"{what}: one {' or '.join(patterns)}, not packed, expected, got {got or 'none'}"
    if problem not in problems:
        problems.append(problem)
    return None

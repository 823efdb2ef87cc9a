"""JSON files of a checkpoint, read so that what is wrong with one is a problem beside others."""

import json
from pathlib import Path
from typing import Any

_POINTER = b"version https://git-lfs"
"""How the small file begins that Git LFS leaves in place of a large one."""


def read_object(path: Path, problems: list[str], *, required: bool = True) -> dict[str, Any]:
    """The object of a JSON file; empty where it is missing or damaged, which becomes a problem unless a missing one
    may be."""
    if not path.is_file():
        if required:
            problems.append(f"{path.name} is missing")
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        problems.append(pointer_problem(path) or f"{path.name}: {error}")
        return {}
    if not isinstance(value, dict):
        problems.append(f"{path.name}: an object expected, got {type(value).__name__}")
        return {}
    return value


def pointer_problem(path: Path) -> str | None:
    """What to say of a file that Git LFS would still have to fetch; None for any other file."""
    with path.open("rb") as file:
        if file.read(len(_POINTER)) != _POINTER:
            return None
    return f"{path.name} is a pointer of Git LFS, not the file: run `git lfs pull` in the folder"

"""Readers of checkpoints that others have trained, one module a format."""

from importlib import import_module
from pathlib import Path
from typing import Literal

from export.checkpoints.imported import Imported, ImportProblem

READERS = {
    "Hugging Face (config.json)": "export.checkpoints.huggingface",
}
"""What a folder may hold -> the module that reads it: `recognises(folder)` and `read(folder, languages, positions)`."""

_NUM_SHOWN = 12
"""Files that a message lists at most."""


def read_checkpoint(
    folder: Path, languages: tuple[str, str] | None = None, positions: Literal["own", "marian"] = "own"
) -> Imported:
    """The checkpoint in a folder, whichever reader recognises it by its files.

    languages: source and target in place of what the checkpoint says; `mul`: all that it has. positions: `marian` gives
    a model that was trained by Marian its own sinusoids where the file's toolkit computes others. Raises ImportProblem.
    """
    if not folder.is_dir():
        raise ImportProblem(f"{folder}: a folder expected")
    for name in READERS.values():
        reader = import_module(name)
        if reader.recognises(folder):
            imported: Imported = reader.read(folder, languages, positions)
            return imported
    found = sorted(path.name for path in folder.iterdir())
    more = f" and {len(found) - _NUM_SHOWN} more" if len(found) > _NUM_SHOWN else ""
    listed = f"{', '.join(found[:_NUM_SHOWN])}{more}" if found else "nothing"
    raise ImportProblem(f"{folder}: one of {', '.join(READERS)} expected, found {listed}")

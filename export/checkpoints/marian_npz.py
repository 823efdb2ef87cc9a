"""Reader of native Marian models, `.npz`: OPUS-MT's zips as they unpack, and folders that `marian train` has written.

The architecture is that of marian-nmt/marian-dev, `src/models/transformer.h`; the modules beside this one read its
options, tensors, vocabularies and folders.
"""

import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from export.checkpoints.imported import Imported, ImportProblem
from export.checkpoints.lexical_shortlist import with_shortlist
from export.checkpoints.marian_folder import find_files, models_of
from export.checkpoints.marian_model import import_marian


def recognises(folder: Path) -> bool:
    return bool(models_of(folder)) and not (folder / "config.json").is_file()


def read(folder: Path, languages: tuple[str, str] | None, positions: Literal["own", "marian"]) -> Imported:
    """Read the model of a folder; raises ImportProblem with every problem.

    languages: source and target, before what the folder says; `mul` for all. positions: both are the same here.
    """
    problems: list[str] = []
    files = find_files(folder, problems)
    return with_shortlist(folder, import_marian("marian-npz", folder, files, read_npz, languages, problems))


def read_npz(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Every array by its name; raises ImportProblem for what is no such archive, whatever it holds."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise ImportProblem(f"{path.name}: no archive of arrays that can be read: {error}") from None

"""What every model of Marian is imported as, whatever file it is in."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from export.checkpoints.imported import TARGET_TOKEN, TEXT, Imported, ImportProblem, Language
from export.checkpoints.marian_folder import MarianFiles
from export.checkpoints.marian_languages import find_languages
from export.checkpoints.marian_settings import MarianModel, read_model_yaml, read_settings
from export.checkpoints.marian_sides import Side, read_side
from export.checkpoints.marian_weights import marian_weights

Arrays = Mapping[str, npt.NDArray[np.generic]]
Part = TypeVar("Part")


def import_marian(
    family: Literal["marian-npz", "firefox"],
    folder: Path,
    files: MarianFiles,
    read_arrays: Callable[[Path], Arrays],
    languages: tuple[str, str] | None,
    problems: list[str],
) -> Imported:
    """Read the files of a model, whose arrays `read_arrays` reads. Raises ImportProblem with `problems`, those of the
    files, and every other one that is seen: parts that do not depend on each other are all looked at."""
    warnings: list[str] = []
    arrays = _attempt(problems, partial(read_arrays, files.model)) if files.model else None
    model = weights = None
    if files.model and arrays is not None:
        file = files.model.name
        model = _attempt(problems, partial(_read_settings, arrays, file))
        if model is not None:
            weights = _attempt(problems, partial(marian_weights, model, arrays, file))
    sides = _read_sides(files, model, problems)
    tokens = sides[0].language_tokens if sides else ()
    found = find_languages(folder, tokens, languages, files.languages, problems, warnings)
    if sides is not None and model is not None:
        _check_sides(*sides, model, problems)
    if problems or files.model is None or model is None or weights is None or sides is None:
        raise ImportProblem(*problems)
    return _imported(family, files, model, weights, sides, found, warnings)


def _attempt(problems: list[str], read: Callable[[], Part]) -> Part | None:
    """What `read` returns; None, and its problems, where it raises ImportProblem."""
    try:
        return read()
    except ImportProblem as problem:
        problems += (each for each in problem.problems if each not in problems)
        return None


def _read_settings(arrays: Arrays, file: str) -> MarianModel:
    return read_settings(read_model_yaml(arrays, file), {name: array.shape for name, array in arrays.items()}, file)


def _read_sides(files: MarianFiles, model: MarianModel | None, problems: list[str]) -> tuple[Side, Side] | None:
    if model is None or files.vocabularies is None or files.pieces is None:
        return None
    sizes = (model.settings.source_vocabulary - 1, model.settings.target_vocabulary - 1)
    source, target = (
        _attempt(problems, partial(read_side, *each))
        for each in zip(files.vocabularies, files.pieces, sizes, strict=True)
    )
    return None if source is None or target is None else (source, target)


def _check_sides(source: Side, target: Side, model: MarianModel, problems: list[str]) -> None:
    if model.settings.shares_embeddings and source.table.names != target.table.names:
        problems.append("vocabularies: one for both sides, whose embeddings are tied, expected, got two")
    if source.unknown_id != target.unknown_id:
        problems.append(f"vocabularies: one id of <unk> expected, got {source.unknown_id} and {target.unknown_id}")


def _imported(
    family: str,
    files: MarianFiles,
    model: MarianModel,
    weights: dict[str, Tensor],
    sides: tuple[Side, Side],
    languages: tuple[Language, ...],
    warnings: list[str],
) -> Imported:
    source, target = sides
    settings = model.settings
    shares = source.table.names == target.table.names
    needs_token = any(language.target_id is not None for language in languages)
    tokens = {token.id for token in source.language_tokens} if shares else set[int]()
    return Imported(
        family=family,
        settings=settings,
        weights=weights,
        source=source.table,
        target=source.table if source.table == target.table else target.table,
        shares_vocabulary=shares,
        start_id=settings.target_vocabulary - 1,
        eos_id=target.eos_id,
        pad_id=settings.source_vocabulary - 1,
        unknown_id=target.unknown_id,
        never_written=tuple(sorted(target.never_written | tokens)),
        source_template=(*((TARGET_TOKEN,) if needs_token else ()), TEXT, source.eos_id),
        forced_target=(),
        languages=languages,
        max_source_tokens=settings.max_source_positions,
        max_output_tokens=settings.max_target_positions,
        alignment_heads=(0,) if files.is_aligned and model.aligns_last_layer else None,
        provenance={
            "format": family,
            "file": files.model.name if files.model else "",
            "marian_version": model.version,
            "positions": "learned" if model.learns_positions else "marian",
            **files.decoding,
        },
        warnings=(*model.warnings, *warnings),
    )

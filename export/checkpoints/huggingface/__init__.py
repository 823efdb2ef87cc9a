"""Checkpoints as Hugging Face's transformers saves them: Marian (OPUS-MT), M2M100, NLLB and mBART-50.

transformers itself is not needed: files are read as versions 4 and 5 write them, and as the hub has them.
"""

import re
from pathlib import Path
from typing import Literal

from export.checkpoints.huggingface import marian, multilingual
from export.checkpoints.huggingface.config import (
    CONFIG,
    FAMILIES,
    Family,
    Keys,
    check_supported,
    read_settings,
)
from export.checkpoints.huggingface.text import Reading
from export.checkpoints.huggingface.weights import Weights, check_tables, collect
from export.checkpoints.imported import Imported, ImportProblem
from export.checkpoints.tensors import StoredTensors, read_tensors

_ADAPTER = "adapter_config.json"

_DECLARED = ("num_beams", "length_penalty", "max_length", "no_repeat_ngram_size", "repetition_penalty")
"""How a checkpoint wants to be decoded by its own toolkit: recorded, and not done."""

_CHANGES_DECODING = {"no_repeat_ngram_size": 0, "encoder_no_repeat_ngram_size": 0, "repetition_penalty": 1.0}
"""Keys of generation whose values, other than these, ask for a search that is not this server's."""

_LICENCE = re.compile(r"^license:[ \t]*['\"]?([\w.+-]+)", re.MULTILINE)


def recognises(folder: Path) -> bool:
    return (folder / CONFIG).is_file()


def read(folder: Path, languages: tuple[str, str] | None, positions: Literal["own", "marian"]) -> Imported:
    """Raises ImportProblem with everything that is wrong."""
    problems: list[str] = []
    warnings: list[str] = []
    keys = Keys(folder, problems)
    model_type = keys.config.get("model_type")
    family = FAMILIES.get(model_type) if isinstance(model_type, str) else None
    if family is None:
        problems.append(f"{CONFIG}: model_type={model_type!r}: one of {', '.join(FAMILIES)} is supported")
        raise ImportProblem(*problems)
    if (folder / _ADAPTER).exists():
        problems.append(f"{_ADAPTER}: an adapter is there, which is not read: merge it into the weights")
    if positions == "marian" and family is not FAMILIES["marian"]:
        problems.append(f"--positions marian: {CONFIG} has model_type={model_type!r}, which was not trained by Marian")
    check_supported(keys, family, problems, warnings)
    settings = read_settings(keys, family, problems)
    try:
        stored = read_tensors(folder)
    except ImportProblem as problem:
        problems += problem.problems
        stored = None
    tables = check_tables(stored.tensors, settings, stored.file) if settings and stored else []
    if settings is None or tables:
        raise ImportProblem(*problems, *tables)
    reading = Reading(
        folder=folder,
        keys=keys,
        settings=settings,
        start_id=keys.token_id("decoder_start_token_id", family.start_id, settings.target_vocabulary),
        eos_id=keys.token_id("eos_token_id", family.eos_id, settings.target_vocabulary),
        pad_id=keys.token_id("pad_token_id", family.pad_id, settings.source_vocabulary),
        languages=languages,
        problems=problems,
        warnings=warnings,
    )
    text = (marian if family is FAMILIES["marian"] else multilingual).read_text(reading)
    _warn_of_decoding(keys, warnings)
    if stored is None:
        raise ImportProblem(*problems)
    weights = collect(Weights(stored.tensors, stored.file, problems, warnings), settings, family, positions)
    if problems:
        raise ImportProblem(*problems)
    return Imported(
        settings=settings,
        weights=weights,
        start_id=reading.start_id,
        eos_id=reading.eos_id,
        pad_id=reading.pad_id,
        max_source_tokens=settings.max_source_positions,
        max_output_tokens=settings.max_target_positions - len(text.forced_target),
        alignment_heads=(0,) if text.family == "marian" else None,  # the head that guided alignment trains
        provenance=_provenance(folder, keys, stored, family, positions),
        warnings=tuple(warnings),
        family=text.family,
        source=text.source,
        target=text.target,
        shares_vocabulary=text.shares_vocabulary,
        unknown_id=text.unknown_id,
        never_written=text.never_written,
        source_template=text.source_template,
        forced_target=text.forced_target,
        languages=text.languages,
    )


def _warn_of_decoding(keys: Keys, warnings: list[str]) -> None:
    for name, plain in _CHANGES_DECODING.items():
        value = keys.generation(name)
        if value is not None and value != plain:
            warnings.append(f"{name}={value!r} is declared for generation, and is not done here")


def _provenance(
    folder: Path, keys: Keys, stored: StoredTensors, family: Family, positions: Literal["own", "marian"]
) -> dict[str, str]:
    facts = {
        "imported_from": f"Hugging Face {keys.config['model_type']}: {keys.config.get('_name_or_path') or folder.name}",
        "weights_sha256": stored.sha256,
        "weights_file": f"{stored.file} ({stored.dtypes})",
    }
    if not family.learned_positions:
        facts["positions"] = "Marian's, in place of the checkpoint's own" if positions == "marian" else "own"
    version = keys.config.get("transformers_version")
    if version:
        facts["transformers"] = str(version)
    declared = {name: keys.generation(name) for name in _DECLARED if keys.generation(name) is not None}
    if declared:
        facts["declared_generation"] = ", ".join(f"{name}={value}" for name, value in declared.items())
    card = folder / "README.md"
    licence = _LICENCE.search(card.read_text(encoding="utf-8", errors="replace")) if card.is_file() else None
    if licence:
        facts["licence"] = licence[1]
    return facts

"""Somebody's checkpoint for CTranslate2, in int8, by its own converters."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ctranslate2.converters import MarianConverter
from sentencepiece import SentencePieceProcessor

from bench.ctranslate2_system import SOURCE_MODEL, TARGET_MODEL
from bench.process import BenchError

_SETTINGS = "special:model.yml"
"""Name of a model's settings among its tensors."""


def convert(checkpoint: Path, folder: Path, python: str | None) -> None:
    """Write the model to `folder` with the SentencePiece models of both sides, unless it is there. `python`: that of an
    environment with transformers, for Hugging Face's layout. Raises BenchError where it has to be and is not given, and
    what the converter raises."""
    if (folder / "model.bin").exists():
        return
    models = _sentencepieces(checkpoint)
    marian = sorted(checkpoint.glob("*.npz"))
    if marian:
        folder.parent.mkdir(parents=True, exist_ok=True)
        vocabularies = sorted(checkpoint.glob("*.vocab.yml"))
        if not vocabularies:
            vocabularies = [_as_yaml(model, folder.parent / f"{model.name}.yml") for model in models]
        model = _with_short_settings(marian[0], folder.parent / "marian.npz")
        MarianConverter(str(model), [str(vocabularies[0]), str(vocabularies[-1])]).convert(
            str(folder), quantization="int8", force=True
        )
    elif python:
        module = "ctranslate2.converters.transformers"
        options = ["--model", checkpoint, "--output_dir", folder, "--quantization", "int8", "--force"]
        subprocess.run([python, "-m", module, *map(str, options)], check=True)
    else:
        raise BenchError("no variable OPTIMUM_PYTHON, of an environment with transformers")
    for model, name in zip(models, (SOURCE_MODEL, TARGET_MODEL), strict=True):
        shutil.copyfile(model, folder / name)


def _sentencepieces(checkpoint: Path) -> Sequence[Path]:
    """The SentencePiece models of source and target."""
    found = sorted(checkpoint.glob("*.spm"))
    if not found:
        raise BenchError(f"{checkpoint}: no *.spm")
    return found[0], found[-1]  # source.spm comes before target.spm


def _with_short_settings(model: Path, path: Path) -> Path:
    """The model with one zero byte behind its settings, which is what the converter expects: recent versions of Marian
    fill them up with more."""
    with np.load(model) as arrays:
        tensors = dict(arrays)
    settings = tensors[_SETTINGS].tobytes().rstrip(b"\0") + b"\0"
    tensors[_SETTINGS] = np.frombuffer(settings, np.int8)
    np.savez(path, **tensors)
    return path


def _as_yaml(model: Path, path: Path) -> Path:
    """The pieces of a SentencePiece model as a vocabulary of Marian, which is what the converter reads."""
    pieces = SentencePieceProcessor(model_file=str(model))
    names = (pieces.id_to_piece(id_) for id_ in range(pieces.get_piece_size()))
    path.write_text("".join(f"{json.dumps(name, ensure_ascii=False)}: {id_}\n" for id_, name in enumerate(names)))
    return path

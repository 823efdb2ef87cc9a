"""Tensors of a checkpoint by name: safetensors or PyTorch's pickles, whole or in shards."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from export.checkpoints.imported import ImportProblem
from export.checkpoints.json_files import pointer_problem, read_object
from models.checkpoint import file_sha256

_WHOLE = ("model.safetensors", "pytorch_model.bin")
"""Files with all tensors, the preferred first; `<file>.index.json` says which shards hold them."""
_INDEX = ".index.json"

_FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


class StoredTensors(NamedTuple):
    tensors: dict[str, Tensor]
    """float32."""
    file: str
    """Name of the file, or of the index of the files."""
    dtypes: str
    """Types in the file: "float16", say."""
    sha256: str
    """Of the file; of the checksums of all files where there are several."""


def read_tensors(folder: Path) -> StoredTensors:
    """All tensors of the folder, in float32 whatever they are stored in.

    Pickles are read with `weights_only`: no code of theirs runs. Raises ImportProblem with everything that is missing,
    damaged, or no plain floating point tensor.
    """
    name, paths = _find(folder)
    problems: list[str] = []
    tensors: dict[str, Tensor] = {}
    for path in paths:
        try:
            tensors.update(_read_file(path))
        except ImportProblem as problem:
            problems += problem.problems
    dtypes = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()})
    for key, tensor in tensors.items():
        if tensor.dtype not in _FLOATS:
            problems.append(f"{name}: {key} is stored as {tensor.dtype}, a floating point type expected")
        elif not tensor.isfinite().all():
            problems.append(f"{name}: {key} has values that are not finite")
    if problems:
        raise ImportProblem(*problems)
    checksums = [file_sha256(path) for path in paths]
    checksum = checksums[0] if len(checksums) == 1 else hashlib.sha256("".join(checksums).encode()).hexdigest()
    return StoredTensors({key: tensor.float() for key, tensor in tensors.items()}, name, ", ".join(dtypes), checksum)


def _find(folder: Path) -> tuple[str, list[Path]]:
    """The file or index that says what the tensors are, and the files that hold them."""
    for whole in _WHOLE:
        if (folder / whole).is_file():
            return whole, [folder / whole]
        index = folder / f"{whole}{_INDEX}"
        if index.is_file():
            return index.name, _shards(index)
    raise ImportProblem(f"no tensors: {' or '.join(_WHOLE)}, or the {_INDEX} of one of them, expected in {folder}")


def _shards(index: Path) -> list[Path]:
    problems: list[str] = []
    weight_map = read_object(index, problems).get("weight_map")
    if not problems and (not isinstance(weight_map, dict) or not weight_map):
        problems.append(f"{index.name}: weight_map: an object of file names by tensor expected")
    if problems:
        raise ImportProblem(*problems)
    assert isinstance(weight_map, dict)
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name:
            problems.append(f"{index.name}: {name}: a file beside it expected")
        elif not (index.parent / name).is_file():
            problems.append(f"{name} is missing: {index.name} names it")
    if problems:
        raise ImportProblem(*problems)
    return [index.parent / name for name in names]


def _read_file(path: Path) -> dict[str, Tensor]:
    pointer = pointer_problem(path)
    if pointer:
        raise ImportProblem(pointer)
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a damaged file, PyTorch raises whatever its parts raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ImportProblem(f"{path.name} cannot be read, it is damaged or holds more than tensors: {lines[0]}") from (
            error
        )
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ImportProblem(f"{path.name}: a state dict expected, tensors by name, got {type(content).__name__}")
    return {str(name): tensor for name, tensor in content.items()}

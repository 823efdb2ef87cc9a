"""A finished model in a folder: config.toml, tokenizer.model, model.safetensors, and the SHA-256 of each in SHA256SUMS.

`SHA256SUMS` is written when a model is finished, in the format of `sha256sum`, so that `sha256sum --check SHA256SUMS`
checks it as well.
"""

import hashlib
import json
import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sentencepiece import SentencePieceProcessor
from torch import Tensor

from models.config import Config, load_config
from models.registry import architecture
from models.seq2seq import Seq2SeqModel
from models.tokenizer import load_tokenizer

CONFIG = "config.toml"
TOKENIZER = "tokenizer.model"
WEIGHTS = "model.safetensors"
METRICS = "metrics.jsonl"
CHECKSUMS = "SHA256SUMS"

FILES = (CONFIG, TOKENIZER, WEIGHTS)
"""What a finished model consists of."""

_logger = logging.getLogger(__name__)


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, or of another model; the message names the file."""


def save_weights(weights: dict[str, Tensor], path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write weights to `path`, by way of a file beside it, so that an interruption leaves the earlier file whole."""
    unfinished = path.with_suffix(".part")
    save_file({name: tensor.detach().to(dtype).contiguous() for name, tensor in weights.items()}, unfinished)
    unfinished.replace(path)


def save_model(weights: dict[str, Tensor], folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write the weights of a finished model beside its config and its tokenizer, and the SHA-256 of all three."""
    (folder / CHECKSUMS).unlink(missing_ok=True)  # an interruption leaves none, rather than those of other weights
    save_weights(weights, folder / WEIGHTS, dtype)
    write_checksums(folder)


def load_weights(model: Seq2SeqModel, path: Path) -> None:
    """Read weights into the model. Raises CheckpointError for a file that is missing, damaged, or does not fit, and for
    weights of NaN or infinity."""
    try:
        weights = load_file(path)
        broken = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
        if broken:
            raise CheckpointError(f"{path}: weights that are not finite: {', '.join(broken)}")
        model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def average_weights(paths: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of several snapshots (Vaswani et al. 2017, section 6.1). Raises CheckpointError for a damaged one."""
    total: dict[str, Tensor] = {}
    for path in paths:
        try:
            weights = load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path}: {error}") from error
        for name, tensor in weights.items():
            total[name] = total[name] + tensor if name in total else tensor
    return {name: tensor / len(paths) for name, tensor in total.items()}


def build_model(config: Config, vocabulary_size: int) -> Seq2SeqModel:
    return architecture(config.architecture).build(config.model, vocabulary_size)


def load_checkpoint(folder: Path) -> tuple[Config, Seq2SeqModel, SentencePieceProcessor]:
    """A finished model from its folder, in evaluation mode on the CPU. Raises CheckpointError or ConfigError."""
    for name in FILES:
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder / name} is missing: no finished model is in this folder")
    check_checksums(folder)
    config = load_config(folder / CONFIG)
    try:
        tokenizer = load_tokenizer(folder / TOKENIZER)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{folder / TOKENIZER}: {error}") from error
    model = build_model(config, tokenizer.get_piece_size())
    load_weights(model, folder / WEIGHTS)
    return config, model.eval(), tokenizer


def write_checksums(folder: Path) -> None:
    """Write `SHA256SUMS` of a finished model's folder."""
    lines = [f"{file_sha256(folder / name)}  {name}\n" for name in FILES]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def check_checksums(folder: Path) -> None:
    """Raises CheckpointError naming the file that is not the one of `SHA256SUMS`. A folder from before there was such a
    file is let pass with a warning."""
    path = folder / CHECKSUMS
    write = f"(cd {shlex.quote(str(folder))} && sha256sum {' '.join(FILES)} > {CHECKSUMS})"
    try:
        lines = [line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines()]
        expected = {name.removeprefix("*"): checksum for checksum, name in lines}
    except FileNotFoundError:
        _logger.warning(
            "%s is missing: nothing says whether the checkpoint was changed; write it with: %s", path, write
        )
        return
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    for name in FILES:
        if name not in expected:
            raise CheckpointError(f"{path}: no line for {name}")
        actual = file_sha256(folder / name)
        if actual != expected[name].lower():
            raise CheckpointError(
                f"{folder / name}: SHA-256 is {actual}, {CHECKSUMS} says {expected[name]}: the file was changed after "
                f"the model was finished; if that is meant, accept it with: {write}"
            )


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """What training recorded at each validation, the earliest first; nothing for a checkpoint that came without. Raises
    CheckpointError for a damaged file."""
    path = folder / METRICS
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise CheckpointError(f"{path}: line {number}: {error}; remove the line if it was cut off") from error
        if not isinstance(records[-1], dict):
            raise CheckpointError(f"{path}: line {number}: an object a line expected")
    return records

"""A finished model in a folder: config.toml, tokenizer.model, model.safetensors."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sentencepiece import SentencePieceProcessor
from torch import Tensor

from models.config import Config, load_config
from models.registry import architecture
from models.seq2seq import Seq2SeqModel
from models.tokenizer import load_tokenizer


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, or of another model; the message names the file."""


def save_weights(weights: dict[str, Tensor], path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write weights to `path`, by way of a file beside it, so that an interruption leaves the earlier file whole."""
    unfinished = path.with_suffix(".part")
    save_file({name: tensor.detach().to(dtype).contiguous() for name, tensor in weights.items()}, unfinished)
    unfinished.replace(path)


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
    """The mean of several snapshots (Vaswani et al. 2017, section 6.1)."""
    total = load_file(paths[0])
    for path in paths[1:]:
        for name, tensor in load_file(path).items():
            total[name] += tensor
    return {name: tensor / len(paths) for name, tensor in total.items()}


def build_model(config: Config, vocabulary_size: int) -> Seq2SeqModel:
    return architecture(config.architecture).build(config.model, vocabulary_size)


def load_checkpoint(folder: Path) -> tuple[Config, Seq2SeqModel, SentencePieceProcessor]:
    """A finished model from its folder, in evaluation mode on the CPU. Raises CheckpointError or ConfigError."""
    for name in ("config.toml", "tokenizer.model", "model.safetensors"):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder / name} is missing: no finished model is in this folder")
    config = load_config(folder / "config.toml")
    try:
        tokenizer = load_tokenizer(folder / "tokenizer.model")
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{folder / 'tokenizer.model'}: {error}") from error
    model = build_model(config, tokenizer.get_piece_size())
    load_weights(model, folder / "model.safetensors")
    return config, model.eval(), tokenizer

"""What a bundle says of its model: the declaration in the manifest's words, and what the bundle was made from."""

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Literal

import onnxruntime
import torch

from export.declaration import DTYPES
from models.checkpoint import CONFIG, WEIGHTS, file_sha256, read_metrics
from models.config import Config
from models.data.licences import licence_of_weights
from models.data.training_text import sources_of
from models.seq2seq import BOS, EOS, PAD, UNKNOWN, Seq2SeqModel
from server.bundle.languages import TEXT, bilingual
from server.bundle.licences import LICENCE, TRAINING_LICENCES
from server.bundle.manifest import (
    FORMAT_VERSION,
    TOKENIZER,
    AlignmentSpec,
    Manifest,
    SpecialIds,
    StateSpec,
    TokenizerSpec,
)

MAX_SOURCE_TOKENS = 128
MAX_OUTPUT_TOKENS = 256

WEIGHTS_SHA256 = "weights_sha256"
"""Provenance: which checkpoint's weights the graphs hold."""

ROOT = Path(__file__).parents[1]


def describe_bundle(
    bundle: Path,
    checkpoint: Path,
    config: Config,
    model: Seq2SeqModel,
    vocabulary_size: int,
    precision: Literal["int8", "fp32"],
) -> Manifest:
    """The manifest of `<model name>/<version>`, as far as it is known before anything is measured or quantised."""
    return Manifest(
        format_version=FORMAT_VERSION,
        name=bundle.parent.name,
        version=bundle.name,
        architecture=config.architecture,
        precision=precision,
        source_vocabulary_size=vocabulary_size,
        target_vocabulary_size=vocabulary_size,
        source_tokenizer=TokenizerSpec(sentencepiece=TOKENIZER),
        target_tokenizer=TokenizerSpec(sentencepiece=TOKENIZER),
        special_ids=SpecialIds(start=BOS, eos=EOS, pad=PAD, unknown=UNKNOWN, never_written=(PAD, UNKNOWN, BOS)),
        languages=bilingual(config.data.source_language, config.data.target_language),
        source_template=(TEXT, EOS),
        max_source_tokens=MAX_SOURCE_TOKENS,
        max_output_tokens=MAX_OUTPUT_TOKENS,
        state=state_specs(model, {}),
        alignment=alignment_spec(model, {}),
        has_shortlist=False,
        quality=(),
        provenance=provenance(checkpoint, config),
        sha256={},
    )


def state_specs(model: Seq2SeqModel, cache_scales: dict[str, float]) -> tuple[StateSpec, ...]:
    """The model's declaration of its state, in the manifest's words. `cache_scales`: scales of the tensors
    that `quantize` made int8."""
    return tuple(
        StateSpec(
            name=tensor.name,
            kind=tensor.kind,
            shape=tensor.shape,
            dtype="int8" if tensor.name in cache_scales else DTYPES[tensor.dtype],
        )
        for tensor in model.state
    )


def alignment_spec(model: Seq2SeqModel, cache_scales: dict[str, float]) -> AlignmentSpec | None:
    """The model's declaration of its alignment, in the manifest's words; the scale of int8 keys is part of the
    alignment's scale."""
    if model.alignment is None:
        return None
    keys, scale = model.alignment
    return AlignmentSpec(keys=keys, scale=scale * cache_scales.get(keys, 1.0))


def provenance(checkpoint: Path, config: Config) -> dict[str, str]:
    """What the bundle was made from and by: weights, data, licences, recipe, how far training went, and the code."""
    facts = {
        WEIGHTS_SHA256: file_sha256(checkpoint / WEIGHTS),
        "mix": json.dumps(config.data.mix),
        LICENCE: licence_of_weights(sources_of(config.data)),
        TRAINING_LICENCES: json.dumps({name: source.licence for name, source in sources_of(config.data).items()}),
        "recipe": json.dumps(tomllib.loads((checkpoint / CONFIG).read_text(encoding="utf-8"))),
        "seed": str(config.training.seed),
        "commit": commit(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    metrics = read_metrics(checkpoint)
    if metrics:
        facts["training"] = f"{metrics[-1]['step']} steps, {metrics[-1]['target_tokens']} target tokens"
    return facts


def commit() -> str:
    """The git commit of the code and the checkpoints; `-dirty` says that they were changed since, "unknown" that git
    cannot tell."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "checkpoints", "export", "models", "server")
        return git("rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository
        return "unknown"

"""From a trained checkpoint to a bundle that the server serves.

    python -m export checkpoints/transformer model_repository/transformer-en-fr/1 [--precision fp32]

The export fails, and leaves nothing behind, unless PyTorch and ONNX Runtime agree step by step at fp32, and unless
int8 keeps the BLEU of validation text.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
import torch
from sentencepiece import SentencePieceProcessor

from export.calibrate import calibrate
from export.graphs import export_encoder, export_step
from export.parity import TOLERANCE, largest_difference
from export.quantize import quantize
from export.session import GraphSession
from export.shortlist import build_shortlist, split_output
from models.checkpoint import CheckpointError, load_checkpoint
from models.config import Config, ConfigError
from models.data.corpora import Corpus, CorpusError, Direction, data_folder, read_tests
from models.data.training_text import read_training_text, read_validation, sources_of
from models.greedy import translate
from models.metrics import bleu, cased_bleu
from models.seq2seq import BOS, EOS, PAD, UNKNOWN, Seq2SeqModel
from server.bundle.manifest import (
    ENCODER,
    FEATURES_STEP,
    FORMAT_VERSION,
    MANIFEST,
    OUTPUT_STEP,
    SHORTLIST,
    STEP,
    TOKENIZER,
    AlignmentSpec,
    Manifest,
    Quality,
    SpecialIds,
    StateSpec,
    write_manifest,
)
from server.bundle.shortlist import Shortlist, write_shortlist
from server.bundle.span_pieces import span_pieces

MAX_BLEU_LOSS = 0.5
"""BLEU that int8 may cost on each validation set."""

CALIBRATION_SENTENCES = 200
"""Sentences that are taken from each validation set for calibration."""

MAX_SOURCE_TOKENS = 128
MAX_OUTPUT_TOKENS = 256

DTYPES: dict[torch.dtype, Literal["float32", "int32", "int64"]] = {
    torch.float32: "float32",
    torch.int32: "int32",
    torch.int64: "int64",
}
"""Types of state tensors: PyTorch's, and the manifest's name for each."""

ROOT = Path(__file__).parents[1]


class ExportError(Exception):
    """A graph that does not compute what the model computes, or int8 that loses too much."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m export", description="Export a checkpoint to a bundle.")
    parser.add_argument("checkpoint", type=Path, help="a finished model's folder, e.g. checkpoints/transformer")
    parser.add_argument("bundle", type=Path, help="<model repository>/<model name>/<version>")
    parser.add_argument("--precision", choices=("int8", "fp32"), default="int8")
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    parser.add_argument("--without-cache", action="store_true", help="a step that recomputes what the cache would hold")
    arguments = parser.parse_args()
    bundle: Path = arguments.bundle.resolve()
    if not bundle.name.isdecimal():
        parser.error(f"bundle: <model repository>/<model name>/<version number> expected, got {arguments.bundle}")
    if bundle.exists() and not (bundle / MANIFEST).is_file():
        parser.error(f"bundle: {arguments.bundle} exists, and is no bundle that could be replaced")
    try:
        config, model, tokenizer = load_checkpoint(arguments.checkpoint)
        if arguments.without_cache:
            try:
                model = model.without_cache()
            except ValueError as error:
                raise ExportError(str(error)) from error
        export(arguments.checkpoint, config, model, tokenizer, bundle, arguments.precision, data_folder(arguments.data))
    except (ExportError, CheckpointError, ConfigError, CorpusError) as error:
        sys.exit(f"error: {error}")


def export(
    checkpoint: Path,
    config: Config,
    model: Seq2SeqModel,
    tokenizer: SentencePieceProcessor,
    bundle: Path,
    precision: Literal["int8", "fp32"],
    data: Path,
) -> None:
    """Build the bundle in a folder of its own, and put it in place when everything has held."""
    bundle.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bundle.parent, prefix=".export-") as name:
        folder = Path(name) / "bundle"
        folder.mkdir()
        export_encoder(model, folder / ENCODER)
        export_step(model, folder / STEP)
        shutil.copyfile(checkpoint / "tokenizer.model", folder / TOKENIZER)
        check_parity(model, folder, tokenizer.get_piece_size())
        quality: list[Quality] = []
        shortlist = None
        cache_scales: dict[str, float] = {}
        if precision == "int8":
            cache_scales = quantize_and_check(model, folder, tokenizer, data, config)
            quality += measure(model, folder, tokenizer, data, config.data.direction)
            shortlist = add_shortlist(folder, tokenizer, data, config)
            if shortlist:
                quality += measure(model, folder, tokenizer, data, config.data.direction, shortlist)
        write_manifest(
            folder,
            Manifest(
                format_version=FORMAT_VERSION,
                name=bundle.parent.name,
                version=bundle.name,
                architecture=config.architecture,
                source_language=config.data.source_language,
                target_language=config.data.target_language,
                precision=precision,
                vocabulary_size=tokenizer.get_piece_size(),
                special_ids=SpecialIds(pad=PAD, unknown=UNKNOWN, bos=BOS, eos=EOS),
                max_source_tokens=MAX_SOURCE_TOKENS,
                max_output_tokens=MAX_OUTPUT_TOKENS,
                state=state_specs(model, cache_scales),
                alignment=alignment_spec(model, cache_scales),
                has_shortlist=shortlist is not None,
                quality=tuple(quality),
                provenance=provenance(checkpoint, config),
                sha256={},
                span_pieces=span_pieces(map(tokenizer.id_to_piece, range(tokenizer.get_piece_size()))),
            ),
        )
        if bundle.exists():
            bundle.rename(Path(name) / "replaced")
        folder.rename(bundle)
    print(f"wrote {bundle}")


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


def check_parity(model: Seq2SeqModel, folder: Path, vocabulary_size: int) -> None:
    """Raises ExportError unless the fp32 graphs agree with PyTorch on sources of several lengths."""
    generator = np.random.default_rng(0)
    first = max(PAD, UNKNOWN, BOS, EOS) + 1
    sources = [[*generator.integers(first, vocabulary_size, length).tolist(), EOS] for length in (1, 4, 9, 30, 128)]
    difference = largest_difference(model, GraphSession(folder / ENCODER, folder / STEP, model.state), sources)
    print(f"fp32: largest difference of a log-probability between PyTorch and ONNX Runtime: {difference:.1e} nats")
    if not difference <= TOLERANCE:
        raise ExportError(f"PyTorch and ONNX Runtime differ by {difference:.3g} nats, at most {TOLERANCE} is allowed")


def quantize_and_check(
    model: Seq2SeqModel, folder: Path, tokenizer: SentencePieceProcessor, data: Path, config: Config
) -> dict[str, float]:
    """Calibrate and quantise both graphs. Returns the scales of int8 caches. Raises ExportError if int8 costs more
    BLEU than it may."""
    validation = read_validation(data, config.data.direction)
    full = validation_bleu(model, folder, tokenizer, validation)
    texts = [text for part in validation.values() for text in part.sources[:CALIBRATION_SENTENCES]]
    sources = [[*ids, EOS] for ids in tokenizer.encode(texts)]
    calibration = calibrate(folder / ENCODER, folder / STEP, model.state, sources)
    quantize(folder / ENCODER, calibration.encoder, calibration.cache_scales)
    quantize(folder / STEP, calibration.step, calibration.cache_scales)
    quantized = validation_bleu(model, folder, tokenizer, validation)
    for corpus, score in full.items():
        print(f"{corpus}/val: BLEU {score:.2f} at fp32, {quantized[corpus]:.2f} at int8")
        if quantized[corpus] < score - MAX_BLEU_LOSS:
            raise ExportError(
                f"int8 loses {score - quantized[corpus]:.2f} BLEU on {corpus}, {MAX_BLEU_LOSS} is allowed"
            )
    return calibration.cache_scales


def validation_bleu(
    model: Seq2SeqModel, folder: Path, tokenizer: SentencePieceProcessor, validation: dict[str, Corpus]
) -> dict[str, float]:
    session = GraphSession(folder / ENCODER, folder / STEP, model.state)
    return {
        corpus: bleu(translate(session.decode, tokenizer, part.sources), part.references)
        for corpus, part in validation.items()
    }


def add_shortlist(folder: Path, tokenizer: SentencePieceProcessor, data: Path, config: Config) -> Shortlist | None:
    """Make a vocabulary shortlist from the training corpora; None for a model whose output layer cannot be cut off."""
    output_layer = split_output(folder / STEP, folder / FEATURES_STEP, folder / OUTPUT_STEP)
    if output_layer is None:
        return None
    text, _ = read_training_text(data, config.data, config.training.seed)
    pairs = [pair for every in text.domains.values() for pair in every]
    sources = tokenizer.encode([pair.source for pair in pairs])
    targets = tokenizer.encode([pair.target for pair in pairs])
    shortlist = build_shortlist(sources, targets, *output_layer)
    write_shortlist(folder / SHORTLIST, shortlist)
    return shortlist


def measure(
    model: Seq2SeqModel,
    folder: Path,
    tokenizer: SentencePieceProcessor,
    data: Path,
    direction: Direction,
    shortlist: Shortlist | None = None,
) -> list[Quality]:
    """BLEU of the finished graphs on every test set."""
    how = "greedy, shortlist" if shortlist else "greedy"
    session = GraphSession(folder / ENCODER, folder / STEP, model.state)
    quality = []
    for name, test in read_tests(data, direction=direction).items():
        decode = partial(session.decode, shortlist=shortlist)
        score = cased_bleu(translate(decode, tokenizer, test.sources), test.references)
        metric = f"{score.metric}, {how}, {score.signature}"
        quality.append(Quality(test_set=name, metric=metric, value=score.value))
        print(f"{name}: BLEU {score.value}, {how}")
    return quality


def provenance(checkpoint: Path, config: Config) -> dict[str, str]:
    """What the bundle was made from and by: data, licences, recipe, how far training went, and the code."""
    facts = {
        "mix": json.dumps(config.data.mix),
        "licences": json.dumps({name: source.licence for name, source in sources_of(config.data).items()}),
        "recipe": json.dumps(tomllib.loads((checkpoint / "config.toml").read_text(encoding="utf-8"))),
        "seed": str(config.training.seed),
        "commit": commit(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    metrics = checkpoint / "metrics.jsonl"
    if metrics.exists():
        last = json.loads(metrics.read_text(encoding="utf-8").splitlines()[-1])
        facts["training"] = f"{last['step']} steps, {last['target_tokens']} target tokens"
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


if __name__ == "__main__":
    main()

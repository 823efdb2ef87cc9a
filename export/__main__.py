"""From a trained checkpoint to a bundle that the server serves.

    python -m export checkpoints/transformer-en-fr model_repository/transformer-en-fr/1 [--precision fp32]

`--import` exports a checkpoint that others have trained: see `export/importing`.

The export fails, and leaves nothing behind, unless the checkpoint is what its checksums say, the model keeps its
declaration, PyTorch and ONNX Runtime agree step by step at fp32, validation text is translated about as well as
training recorded, and int8 keeps that.
"""

import argparse
import dataclasses
import math
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sentencepiece import SentencePieceProcessor

from export.errors import ExportError
from export.graphs import export_encoder, export_step
from export.importing.command import main as import_main
from export.manifest import alignment_spec, describe_bundle, state_specs
from export.parity import check_parity
from export.place import check_place, new_bundle
from export.quality import (
    Validation,
    carried_span_pieces,
    check_bleu,
    measure,
    quantize_and_check,
    recorded_bleu,
    validation_bleu,
)
from export.shortlist import build_shortlist, split_output
from models.checkpoint import TOKENIZER as CHECKPOINT_TOKENIZER
from models.checkpoint import CheckpointError, load_checkpoint
from models.config import Config, ConfigError
from models.data.corpora import CorpusError, data_folder, read_tests
from models.data.training_text import CHUNK_PAIRS, read_training_text, read_validation
from server.bundle.manifest import (
    ENCODER,
    FEATURES_STEP,
    MANIFEST,
    OUTPUT_STEP,
    SHORTLIST,
    STEP,
    TOKENIZER,
    Quality,
    write_manifest,
)
from server.bundle.shortlist import Shortlist, write_shortlist

LEXICON_CHUNKS = 4
"""Chunks of training text, of some 33,000 pairs each, from which a shortlist is made."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    data: Path
    """The corpora's folder."""
    precision: Literal["int8", "fp32"] = "int8"
    without_cache: bool = False
    """Export a step that recomputes what the cache would hold."""
    replace: bool = False
    """Take the place of another model's bundle."""
    allow_low_bleu: bool = False
    """Export a model that translates next to nothing, or far worse than its training recorded."""


def main(argv: Sequence[str] | None = None) -> None:
    if "--import" in (sys.argv[1:] if argv is None else argv):
        import_main(argv)
        return
    parser = argparse.ArgumentParser(
        prog="python -m export",
        description="Export a checkpoint to a bundle; with --import, one that others have trained.",
    )
    parser.add_argument("checkpoint", type=Path, help="a finished model's folder, e.g. checkpoints/transformer-en-fr")
    parser.add_argument("bundle", type=Path, help="<model repository>/<model name>/<version>")
    parser.add_argument("--precision", choices=("int8", "fp32"), default=ExportOptions.precision)
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    parser.add_argument("--without-cache", action="store_true", help="a step that recomputes what the cache would hold")
    parser.add_argument("--replace", action="store_true", help="take the place of another model's bundle")
    parser.add_argument(
        "--allow-low-bleu",
        action="store_true",
        help="export a model that has just begun, or is far worse than its training recorded",
    )
    arguments = parser.parse_args(argv)
    bundle: Path = arguments.bundle.resolve()
    if not bundle.name.isdecimal():
        parser.error(f"bundle: <model repository>/<model name>/<version number> expected, got {arguments.bundle}")
    if bundle.exists() and not (bundle / MANIFEST).is_file():
        parser.error(f"bundle: {arguments.bundle} exists, and is no bundle that could be replaced")
    options = ExportOptions(
        data=data_folder(arguments.data),
        precision=arguments.precision,
        without_cache=arguments.without_cache,
        replace=arguments.replace,
        allow_low_bleu=arguments.allow_low_bleu,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left behind then either
    try:
        export(arguments.checkpoint, bundle, options)
    except (ExportError, CheckpointError, ConfigError, CorpusError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: nothing was written")
    print(f"wrote {bundle}")


def export(checkpoint: Path, bundle: Path, options: ExportOptions) -> None:
    """Build the bundle in a folder of its own, and put it in place when everything has held.

    Raises CheckpointError, ConfigError, CorpusError or ExportError; nothing is left of the new bundle then, and an
    earlier one is as it was.
    """
    config, model, tokenizer = load_checkpoint(checkpoint)
    if options.without_cache:
        try:
            model = model.without_cache()
        except ValueError as error:
            raise ExportError(str(error)) from error
    manifest = describe_bundle(bundle, checkpoint, config, model, tokenizer.get_piece_size(), options.precision)
    if not options.replace:
        check_place(bundle, manifest)
    validation = read_validation_for(options, config)
    with new_bundle(bundle) as folder:
        export_encoder(model, folder / ENCODER)
        export_step(model, folder / STEP)
        shutil.copyfile(checkpoint / CHECKPOINT_TOKENIZER, folder / TOKENIZER)
        check_parity(model, folder, tokenizer.get_piece_size())
        full = validation_bleu(model, folder, tokenizer, validation)
        for corpus, score in full.items():
            print(f"{corpus}/val: BLEU {score:.2f} at fp32")
        if full and not options.allow_low_bleu:
            check_bleu(full, recorded_bleu(checkpoint))
        if options.precision == "int8":
            cache_scales = quantize_and_check(model, folder, tokenizer, validation, full)
            tests = read_tests(options.data, direction=config.data.direction)
            quality: list[Quality] = measure(model, folder, tokenizer, tests)
            shortlist = add_shortlist(folder, tokenizer, options.data, config)
            if shortlist:
                quality += measure(model, folder, tokenizer, tests, shortlist)
            manifest = dataclasses.replace(
                manifest,
                state=state_specs(model, cache_scales),
                alignment=alignment_spec(model, cache_scales),
                has_shortlist=shortlist is not None,
                quality=tuple(quality),
            )
        write_manifest(folder, dataclasses.replace(manifest, span_pieces=carried_span_pieces(model, folder, tokenizer)))


def read_validation_for(options: ExportOptions, config: Config) -> Validation:
    """Validation text; none, with a warning, where an fp32 export has to do without: int8 is calibrated with it. Raises
    CorpusError."""
    try:
        return read_validation(options.data, config.data.direction)
    except CorpusError as error:
        if options.precision == "int8":
            raise
        print(f"warning: nobody has looked whether the graphs translate well: {error}", file=sys.stderr)
        return {}


def add_shortlist(folder: Path, tokenizer: SentencePieceProcessor, data: Path, config: Config) -> Shortlist | None:
    """Make a vocabulary shortlist from the training corpora; None for a model whose output layer cannot be cut off."""
    output_layer = split_output(folder / STEP, folder / FEATURES_STEP, folder / OUTPUT_STEP)
    if output_layer is None:
        return None
    pairs = read_pairs(data, config)
    sources = tokenizer.encode([source for source, _ in pairs])
    targets = tokenizer.encode([target for _, target in pairs])
    shortlist = build_shortlist(sources, targets, output_layer)
    write_shortlist(folder / SHORTLIST, shortlist)
    return shortlist


def read_pairs(data: Path, config: Config) -> list[tuple[str, str]]:
    """A part of the text that a model was trained on, in the shares and the forms in which it was: all of it would take
    the lexicon tens of gigabytes. A teacher's translations need not be there. Raises CorpusError."""
    without_teacher = dataclasses.replace(config.data, distilled="")
    text, _ = read_training_text(data, without_teacher, config.training.seed)
    num_chunks = math.ceil(sum(map(len, text.domains.values())) / CHUNK_PAIRS)
    return [pair for number in range(min(num_chunks, LEXICON_CHUNKS)) for pair in text.chunk(number)]


if __name__ == "__main__":
    main()

"""From a checkpoint that others have trained to a bundle that the server serves.

    python -m export --import FOLDER BUNDLE --text FILE [--languages en-fr] [--precision fp32] [--positions marian]

What is in the folder is recognised by its files. The text has sentences of the source language, a line each: int8 is
calibrated with it, and compared with fp32. Without it the bundle is fp32. The import fails, and leaves nothing behind,
unless all of the checkpoint is understood, PyTorch and ONNX Runtime agree step by step at fp32, and int8 translates the
text as fp32 does.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from export.checkpoints import read_checkpoint
from export.checkpoints.imported import Imported
from export.errors import ExportError
from export.graphs import export_encoder, export_step
from export.importing.int8 import Floors, quantize_and_compare
from export.importing.manifest import copy_tokenizers, describe_import
from export.importing.report import Findings, describe
from export.importing.text import plan_directions, read_sentences
from export.importing.vocabulary_shortlist import add_shortlist
from export.parity import TOLERANCE, largest_difference
from export.place import check_place, new_bundle
from export.session import GraphSession
from models.encoder_decoder import EncoderDecoder
from models.greedy import max_output
from models.seq2seq import OutputIds
from server.bundle.manifest import ENCODER, STEP, write_manifest

MAX_SENTENCES = 50_000
"""Sentences of a text that are used at most."""


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    texts: Mapping[str | None, Path] = field(default_factory=dict)
    """Files of source sentences, by the code of their language; None where the model has one source language."""
    languages: tuple[str, str] | None = None
    precision: Literal["int8", "fp32"] = "int8"
    positions: Literal["own", "marian"] = "own"
    replace: bool = False
    """Take the place of another model's bundle."""
    floors: Floors = field(default_factory=Floors)


def import_checkpoint(folder: Path, bundle: Path, options: ImportOptions) -> str:
    """Build the bundle in a folder of its own, and put it in place when everything has held. Returns the last screen.

    Raises ImportProblem or ExportError; nothing is left of the new bundle then, and an earlier one is as it was.
    """
    print(f"reading {folder}", flush=True)
    imported = read_checkpoint(folder, options.languages, options.positions)
    precision = options.precision if options.texts else "fp32"
    texts = {code: read_sentences(path) for code, path in options.texts.items()}
    directions, num_long = plan_directions(imported, texts, MAX_SENTENCES)
    model = build_model(imported)
    manifest = describe_import(imported, model, bundle, precision)
    if not options.replace:
        check_place(bundle, manifest)
    with new_bundle(bundle) as target:
        copy_tokenizers(imported, target)
        print("tracing encoder and step", flush=True)
        export_encoder(model, target / ENCODER)
        export_step(model, target / STEP)
        parity = check_parity(imported, model, target)
        findings = Findings(parity=parity, num_long=num_long, min_agreement=options.floors.agreement)
        if precision == "int8":
            manifest = quantize_and_compare(imported, model, target, directions, options.floors, manifest, findings)
            has_shortlist, findings.shortlist = add_shortlist(imported, model, target, directions, options.floors)
            manifest = dataclasses.replace(manifest, has_shortlist=has_shortlist)
        write_manifest(target, manifest)
    return describe(imported, manifest, bundle, findings, is_without_text=not options.texts)


def build_model(imported: Imported) -> EncoderDecoder:
    """The model in evaluation mode. Where its output layer has a bias, that of ids which are never written is minus
    infinity, so that no search has to forbid them, and scores are normalised without them."""
    weights = dict(imported.weights)
    if imported.settings.output_bias:
        weights["output_bias"] = weights["output_bias"].clone()
        weights["output_bias"][list(imported.never_written)] = float("-inf")
    with torch.device("meta"):  # large checkpoints are in memory once, and no time is spent on random weights
        model = EncoderDecoder(imported.settings).eval()
    model.load_state_dict(weights, assign=True)
    target = next(language for language in imported.languages if language.is_target)
    forced = [target.target_id] if imported.forced_target else []
    model.output_ids = OutputIds(
        start=(imported.start_id, *(index for index in forced if index is not None)),
        eos=imported.eos_id,
        never_written=imported.never_written,
        encodes_start=imported.encodes_start,
    )
    return model


def check_parity(imported: Imported, model: EncoderDecoder, folder: Path) -> float:
    """The largest difference of a log-probability between PyTorch and ONNX Runtime, in nats. Raises ExportError where
    it is more than rounding."""
    generator = np.random.default_rng(0)
    size = imported.settings.source_vocabulary
    words = np.setdiff1d(np.arange(size), [imported.eos_id, imported.pad_id, *imported.never_written])
    lengths = [
        length
        for length in (1, 4, 9, 30, 128)
        if length < imported.max_source_tokens and max_output([0] * (length + 1)) <= imported.max_output_tokens
    ]
    sources = [[*generator.choice(words, length).tolist(), imported.eos_id] for length in lengths]
    session = GraphSession(folder / ENCODER, folder / STEP, model.state, model.output_ids)
    difference = largest_difference(model, session, sources)
    if not difference <= TOLERANCE:
        raise ExportError(f"PyTorch and ONNX Runtime differ by {difference:.3g} nats, at most {TOLERANCE} is allowed")
    return difference

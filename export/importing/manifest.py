"""What the bundle of an import says of it, and the files of its tokenizers."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Literal

import onnxruntime
import torch

from export.checkpoints.imported import Imported
from export.manifest import WEIGHTS_SHA256, alignment_spec, commit, state_specs
from models.encoder_decoder import EncoderDecoder
from server.bundle.languages import Language
from server.bundle.manifest import FORMAT_VERSION, TOKENIZER, AlignmentSpec, Manifest, SpecialIds, TokenizerSpec

PIECES, SOURCE_PIECES, TARGET_PIECES = "pieces.json", "source.pieces.json", "target.pieces.json"
SOURCE_MODEL, TARGET_MODEL = "source.spm", "target.spm"


def describe_import(
    imported: Imported, model: EncoderDecoder, bundle: Path, precision: Literal["int8", "fp32"]
) -> Manifest:
    """The manifest of `<model name>/<version>`, as far as it is known before anything is quantised."""
    source, target = tokenizer_specs(imported)
    return Manifest(
        format_version=FORMAT_VERSION,
        name=bundle.parent.name,
        version=bundle.name,
        architecture="encoder_decoder",
        precision=precision,
        source_vocabulary_size=imported.settings.source_vocabulary,
        target_vocabulary_size=imported.settings.target_vocabulary,
        source_tokenizer=source,
        target_tokenizer=target,
        special_ids=SpecialIds(
            start=imported.start_id,
            eos=imported.eos_id,
            pad=imported.pad_id,
            unknown=imported.unknown_id,
            never_written=imported.never_written,
            is_masked=imported.settings.output_bias,
        ),
        languages=tuple(Language(**dataclasses.asdict(language)) for language in imported.languages),
        source_template=imported.source_template,
        forced_target=imported.forced_target,
        encodes_start=model.output_ids.encodes_start,
        max_source_tokens=imported.max_source_tokens,
        max_output_tokens=imported.max_output_tokens,
        state=state_specs(model, {}),
        alignment=import_alignment(imported, model, {}),
        has_shortlist=False,
        quality=(),
        provenance={
            WEIGHTS_SHA256: _weights_sha256(imported),
            **imported.provenance,
            "family": imported.family,
            "commit": commit(),
            "torch": torch.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        sha256={},
    )


def tokenizer_specs(imported: Imported) -> tuple[TokenizerSpec, TokenizerSpec]:
    """Names of the files of both sides; what is one file is named once."""
    is_one_model = imported.source.sentencepiece == imported.target.sentencepiece
    is_one_table = imported.source.names == imported.target.names
    models = (TOKENIZER, TOKENIZER) if is_one_model else (SOURCE_MODEL, TARGET_MODEL)
    tables = (PIECES, PIECES) if is_one_table else (SOURCE_PIECES, TARGET_PIECES)
    source, target = (
        TokenizerSpec(sentencepiece=model, pieces=None if side.names is None else table)
        for side, model, table in zip((imported.source, imported.target), models, tables, strict=True)
    )
    return source, target


def copy_tokenizers(imported: Imported, folder: Path) -> None:
    for side, spec in zip((imported.source, imported.target), tokenizer_specs(imported), strict=True):
        shutil.copyfile(side.sentencepiece, folder / spec.sentencepiece)
        if spec.pieces is not None:
            (folder / spec.pieces).write_text(json.dumps(side.names, ensure_ascii=False), encoding="utf-8")


def import_alignment(imported: Imported, model: EncoderDecoder, cache_scales: dict[str, float]) -> AlignmentSpec | None:
    """Where the model's attention is, of the heads that align."""
    spec = alignment_spec(model, cache_scales)
    return spec and dataclasses.replace(spec, heads=imported.alignment_heads)


def _weights_sha256(imported: Imported) -> str:
    """Of the values of all tensors, where a reader does not say that of the file."""
    checksum = hashlib.sha256()
    for name, tensor in sorted(imported.weights.items()):
        checksum.update(name.encode())
        checksum.update(tensor.contiguous().numpy().data)
    return checksum.hexdigest()

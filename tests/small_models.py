"""Bundles of small models with random weights, made by the real export: one of every registered architecture."""

import dataclasses
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sentencepiece import SentencePieceProcessor
from torch import nn

from export.calibrate import calibrate
from export.graphs import export_encoder, export_step
from export.manifest import alignment_spec, state_specs
from export.quantize import quantize
from export.shortlist import build_shortlist, split_output
from models.registry import architecture
from models.seq2seq import BOS, EOS, PAD, UNKNOWN, Seq2SeqModel
from models.span_characters import SPAN_CHARACTERS
from models.tokenizer import load_tokenizer, train_tokenizer
from server.bundle.languages import TEXT, bilingual
from server.bundle.manifest import (
    ENCODER,
    FEATURES_STEP,
    FORMAT_VERSION,
    OUTPUT_STEP,
    SHORTLIST,
    STEP,
    TOKENIZER,
    Bundle,
    Manifest,
    Quality,
    SpecialIds,
    TokenizerSpec,
    read_bundle,
    write_manifest,
)
from server.bundle.shortlist import write_shortlist

SENTENCES = (Path(__file__).parent / "sentences.txt").read_text(encoding="utf-8").splitlines()
"""What the small tokenizer is trained on, and what the graphs are calibrated with."""

VOCABULARY_SIZE = 300
SPAN_PIECES = ("\ue000", "\ue001", "\ue002", "\ue003")
"""Of the carrying tokenizer."""

MAX_SOURCE_TOKENS = 48
MAX_OUTPUT_TOKENS = 96

_WIDTH = 32
_LAYERS = 2
_SPREAD = 3.5


@dataclass(frozen=True)
class SmallModel:
    """One model in its three forms: PyTorch, fp32 graphs, and the int8 bundle that is served."""

    model: Seq2SeqModel
    fp32: Path
    """Folder of the two graphs before quantisation."""
    bundle: Bundle


def small_settings(settings: Any) -> Any:
    """Settings of any architecture, with every width and depth brought down as far as they accept it.

    A width is recognised by its value, whatever it is called: a whole number above _WIDTH is halved until it is not,
    so that heads which divided it mostly still do. Limits, `max_*`, stay: models cannot be asked for more.
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if type(value) is not int or field.name.startswith("max_"):
            continue
        smaller = min(_LAYERS, value) if field.name.endswith("layers") else value
        while smaller > _WIDTH:
            smaller //= 2
        with suppress(ValueError):  # it belongs to another setting, say; larger models only take longer
            settings = dataclasses.replace(settings, **{field.name: smaller})
    return settings


def build_random_model(name: str, seed: int = 3) -> Seq2SeqModel:
    """Matrices are wider spread than at the start of a training, so that outputs vary as a trained model's do."""
    torch.manual_seed(seed)
    registered = architecture(name)
    model = registered.build(small_settings(registered.settings()), VOCABULARY_SIZE).eval()
    with torch.no_grad():
        for module in model.modules():
            for parameter in module.parameters(recurse=False):
                if parameter.dim() > 1 and not isinstance(module, nn.Embedding):
                    nn.init.normal_(parameter, std=_SPREAD * parameter.shape[1] ** -0.5)
    return model


def export_small_model(name: str, tokenizer: Path, place: Path) -> None:
    """Export as `python -m export` does, less what needs a corpus, to a new folder that `read_small_model` reads."""
    model = build_random_model(name)
    fp32, folder = _folders(name, place)
    fp32.mkdir(parents=True)
    export_encoder(model, fp32 / ENCODER)
    export_step(model, fp32 / STEP)
    sources = [[*ids, EOS] for ids in load_tokenizer(tokenizer).encode(SENTENCES)]
    calibration = calibrate(fp32 / ENCODER, fp32 / STEP, model.state, sources, min_growing_width=1)
    shutil.copytree(fp32, folder)
    shutil.copyfile(tokenizer, folder / TOKENIZER)
    quantize(folder / ENCODER, calibration.encoder, calibration.cache_scales)
    quantize(folder / STEP, calibration.step, calibration.cache_scales)
    has_shortlist = add_small_shortlist(folder, sources)
    write_manifest(folder, small_manifest(name, model, calibration.cache_scales, has_shortlist))


def read_small_model(name: str, place: Path) -> SmallModel:
    """What was exported there, and the model that it was exported from."""
    fp32, folder = _folders(name, place)
    return SmallModel(build_random_model(name), fp32, read_bundle(folder))


def _folders(name: str, place: Path) -> tuple[Path, Path]:
    """Of the fp32 graphs, and of the bundle `<repository>/<name>-en-fr/1`."""
    return place / "fp32" / name, place / "model_repository" / f"{name}-en-fr" / "1"


def add_small_shortlist(folder: Path, sources: list[list[int]]) -> bool:
    """From a made-up corpus, whose translations have the ids that follow the source's."""
    output_layer = split_output(folder / STEP, folder / FEATURES_STEP, folder / OUTPUT_STEP)
    if output_layer:
        targets = [[1 + id_ for id_ in source[:-1] if id_ + 1 < VOCABULARY_SIZE] for source in sources]
        shortlist = build_shortlist([source[:-1] for source in sources], targets, output_layer)
        small = dataclasses.replace(shortlist, frequent=shortlist.frequent[:40], candidates=shortlist.candidates[:, :4])
        write_shortlist(folder / SHORTLIST, small)
    return output_layer is not None


def small_manifest(name: str, model: Seq2SeqModel, cache_scales: dict[str, float], has_shortlist: bool) -> Manifest:
    return Manifest(
        format_version=FORMAT_VERSION,
        name=f"{name}-en-fr",
        version="1",
        architecture=name,
        precision="int8",
        source_vocabulary_size=VOCABULARY_SIZE,
        target_vocabulary_size=VOCABULARY_SIZE,
        source_tokenizer=TokenizerSpec(sentencepiece=TOKENIZER),
        target_tokenizer=TokenizerSpec(sentencepiece=TOKENIZER),
        special_ids=SpecialIds(start=BOS, eos=EOS, pad=PAD, unknown=UNKNOWN, never_written=(PAD, UNKNOWN, BOS)),
        languages=bilingual("en", "fr"),
        source_template=(TEXT, EOS),
        max_source_tokens=MAX_SOURCE_TOKENS,
        max_output_tokens=MAX_OUTPUT_TOKENS,
        state=state_specs(model, cache_scales),
        alignment=alignment_spec(model, cache_scales),
        quality=(Quality(test_set="none/test", metric="BLEU", value=12.5),),
        has_shortlist=has_shortlist,
        provenance={"licence": "CC0-1.0", "licences": '{"dice": "public domain"}'},
        sha256={},
    )


def train_small_tokenizer(path: Path) -> SentencePieceProcessor:
    train_tokenizer(SENTENCES, path, VOCABULARY_SIZE, spans="")
    return load_tokenizer(path)


def train_carrying_tokenizer(path: Path) -> SentencePieceProcessor:
    """As large as the other one, with span pieces."""
    train_tokenizer(SENTENCES, path, VOCABULARY_SIZE, SPAN_CHARACTERS)
    return load_tokenizer(path)

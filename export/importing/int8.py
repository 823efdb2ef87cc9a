"""int8 graphs of an import, compared with those in fp32."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.calibrate import Calibration, calibrate
from export.checkpoints.imported import Imported
from export.errors import ExportError
from export.importing.manifest import import_alignment
from export.importing.report import Findings
from export.importing.text import Direction, agreement, translate
from export.manifest import state_specs
from export.quantize import quantize
from export.session import GraphSession
from models.encoder_decoder import EncoderDecoder
from server.bundle.manifest import ENCODER, STEP, Manifest

CALIBRATION_SENTENCES = 200
GUARD_SENTENCES = 300
"""Sentences of the text whose translations are compared."""


@dataclass(frozen=True, kw_only=True)
class Floors:
    """What an import has to reach."""

    agreement: float = 50.0
    """BLEU, over pieces, of int8 translations against those of fp32. Equally good translations are not equal: the
    shipped models, which lose less than 0.5 BLEU against references, reach 73 (Transformer) and 85 (LSTM)."""
    shortlist_agreement: float = 97.0
    """BLEU, over pieces, of translations with a shortlist against those without, for it to be kept."""
    shortlist_sentences: int = 2000
    """Sentences of the text, beyond `GUARD_SENTENCES`, that a shortlist is made of."""


def quantize_and_compare(
    imported: Imported,
    model: EncoderDecoder,
    folder: Path,
    directions: Sequence[Direction],
    floors: Floors,
    manifest: Manifest,
    findings: Findings,
) -> Manifest:
    """Quantise both graphs, and compare their translations with those of fp32. Returns the manifest of the int8
    bundle. Raises ExportError where int8 translates otherwise."""
    print("translating the text in fp32", flush=True)
    guards = first(directions, GUARD_SENTENCES)
    full = translate(GraphSession(folder / ENCODER, folder / STEP, model.state), guards)
    print("calibrating", flush=True)
    calibration = _calibrate(model, folder, first(directions, CALIBRATION_SENTENCES))
    quantize(folder / ENCODER, calibration.encoder, calibration.cache_scales)
    quantize(folder / STEP, calibration.step, calibration.cache_scales)
    print("translating the text in int8", flush=True)
    quantized = translate(GraphSession(folder / ENCODER, folder / STEP, model.state), guards)
    findings.agreement = agreement(quantized, full)
    findings.num_compared = sum(len(guard.sentences) for guard in guards)
    findings.examples = [
        (guard.sentences[0], guard.text.decode(ids[0])) for guard, ids in zip(guards, quantized, strict=True)
    ]
    if findings.agreement < floors.agreement:
        raise ExportError(
            f"int8 translates otherwise than fp32: BLEU {findings.agreement:.1f} of one against the other on "
            f"{findings.num_compared} sentences of --text, at least {floors.agreement:g} expected: is the text "
            "in the model's source language? If it is, import with --precision fp32, which loses nothing"
        )
    return dataclasses.replace(
        manifest,
        state=state_specs(model, calibration.cache_scales),
        alignment=import_alignment(imported, model, calibration.cache_scales),
    )


def _calibrate(model: EncoderDecoder, folder: Path, directions: Sequence[Direction]) -> Calibration:
    """Ranges over the sentences of all directions."""
    encoder: dict[str, tuple[float, float]] = {}
    step: dict[str, tuple[float, float]] = {}
    scales: dict[str, float] = {}
    for direction in directions:
        found = calibrate(folder / ENCODER, folder / STEP, model.state, direction.sources, ids=direction.ids)
        for ranges, others in ((encoder, found.encoder), (step, found.step)):
            for name, (low, high) in others.items():
                earlier = ranges.get(name, (low, high))
                ranges[name] = (min(low, earlier[0]), max(high, earlier[1]))
        scales = {name: max(scale, scales.get(name, 0.0)) for name, scale in found.cache_scales.items()}
    return Calibration(encoder, step, scales)


def first(directions: Sequence[Direction], num_sentences: int) -> list[Direction]:
    """The directions with the first of their sentences, in all about `num_sentences`."""
    return [part(direction, slice(-(-num_sentences // len(directions)))) for direction in directions]


def part(direction: Direction, which: slice) -> Direction:
    return dataclasses.replace(direction, sentences=direction.sentences[which], sources=direction.sources[which])

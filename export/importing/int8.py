"""int8 graphs of an import, compared with those in fp32; and its shortlist, of the model's own translations."""

import dataclasses
from collections.abc import Sequence
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
from export.shortlist import build_shortlist, split_output
from models.encoder_decoder import EncoderDecoder
from server.bundle.manifest import ENCODER, FEATURES_STEP, OUTPUT_STEP, SHORTLIST, STEP, Manifest
from server.bundle.shortlist import write_shortlist

MIN_AGREEMENT = 70.0
"""BLEU, over pieces, that int8 translations have to reach against those of fp32."""

MIN_SHORTLIST_AGREEMENT = 97.0
"""BLEU, over pieces, that translations with a shortlist have to reach against those without, for it to be kept."""

CALIBRATION_SENTENCES = 200
GUARD_SENTENCES = 300
"""Sentences of the text whose translations are compared."""
MIN_SHORTLIST_SENTENCES = 2000
"""Sentences of the text, beyond the guard's, that a shortlist is made of at least."""


def quantize_and_compare(
    imported: Imported,
    model: EncoderDecoder,
    folder: Path,
    directions: Sequence[Direction],
    manifest: Manifest,
    findings: Findings,
) -> Manifest:
    """Quantise both graphs, compare their translations with those of fp32, and make a shortlist of them where the text
    is enough for one. Returns the manifest of the int8 bundle. Raises ExportError where int8 translates otherwise."""
    print("translating the text in fp32", flush=True)
    guards = _first(directions, GUARD_SENTENCES)
    full = translate(GraphSession(folder / ENCODER, folder / STEP, model.state), guards)
    print("calibrating", flush=True)
    calibration = _calibrate(model, folder, _first(directions, CALIBRATION_SENTENCES))
    quantize(folder / ENCODER, calibration.encoder, calibration.cache_scales)
    quantize(folder / STEP, calibration.step, calibration.cache_scales)
    print("translating the text in int8", flush=True)
    session = GraphSession(folder / ENCODER, folder / STEP, model.state)
    quantized = translate(session, guards)
    findings.agreement = agreement(quantized, full)
    findings.num_compared = sum(len(guard.sentences) for guard in guards)
    findings.examples = [
        (guard.sentences[0], guard.text.decode(ids[0])) for guard, ids in zip(guards, quantized, strict=True)
    ]
    if findings.agreement < findings.min_agreement:
        raise ExportError(
            f"int8 translates otherwise than fp32: BLEU {findings.agreement:.1f} of one against the other on "
            f"{findings.num_compared} sentences of --text, at least {findings.min_agreement:g} expected: is the text "
            "in the model's source language? If it is, import with --precision fp32, which loses nothing"
        )
    return dataclasses.replace(
        manifest,
        state=state_specs(model, calibration.cache_scales),
        alignment=import_alignment(imported, model, calibration.cache_scales),
        has_shortlist=_add_shortlist(imported, folder, session, directions, quantized, findings),
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


def _add_shortlist(
    imported: Imported,
    folder: Path,
    session: GraphSession,
    directions: Sequence[Direction],
    guard: Sequence[Sequence[Sequence[int]]],
    findings: Findings,
) -> bool:
    """Whether a shortlist was written: made from the model's own translations, and kept where the guard's sentences,
    which it is not made from, are translated as without it."""
    num_further = sum(len(direction.sentences) for direction in directions) - GUARD_SENTENCES
    if len(directions) > 1:
        findings.shortlist = "none: it is made for models of one pair"
        return False
    if num_further < MIN_SHORTLIST_SENTENCES:
        findings.shortlist = f"none: it is made from --text of {MIN_SHORTLIST_SENTENCES + GUARD_SENTENCES} sentences on"
        return False
    print(f"translating {num_further} sentences for the shortlist", flush=True)
    further = _slice(directions[0], slice(GUARD_SENTENCES, None))
    targets = translate(session, [further])[0]
    layer = split_output(folder / STEP, folder / FEATURES_STEP, folder / OUTPUT_STEP)
    if layer is None:
        findings.shortlist = "none: the output layer cannot be cut off"
        return False
    sources = [further.text.pieces(sentence) for sentence in further.sentences]
    size = None if imported.shares_vocabulary else imported.settings.source_vocabulary
    shortlist = build_shortlist(sources, targets, layer, imported.eos_id, size)
    session = GraphSession(folder / ENCODER, folder / STEP, session.state)
    kept = agreement(translate(session, _first(directions, GUARD_SENTENCES), shortlist), guard)
    findings.shortlist = f"from {num_further} translations, BLEU {kept:.1f} with it against without"
    if kept < MIN_SHORTLIST_AGREEMENT:
        findings.shortlist = f"none: {findings.shortlist}, at least {MIN_SHORTLIST_AGREEMENT} expected"
        for name in (FEATURES_STEP, OUTPUT_STEP):
            (folder / name).unlink()
        return False
    write_shortlist(folder / SHORTLIST, shortlist)
    return True


def _first(directions: Sequence[Direction], num_sentences: int) -> list[Direction]:
    """The directions with the first of their sentences, in all about `num_sentences`."""
    return [_slice(direction, slice(-(-num_sentences // len(directions)))) for direction in directions]


def _slice(direction: Direction, which: slice) -> Direction:
    return dataclasses.replace(direction, sentences=direction.sentences[which], sources=direction.sources[which])

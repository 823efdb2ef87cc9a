"""What the token of a language costs that every translation is made to begin with.

    python -m bench.forced_token FOLDER [--rounds 9]

One model of random weights, of OPUS-MT's size, is exported twice: as an import without such a token, and as one with
it, whose encoder reads the start token. Each sentence writes 16 tokens. Offline, one core; the three ways take turns,
and what counts is processor time. FOLDER keeps the bundles.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from bench.made import SMALL
from bench.opus_size import write_made_manifest
from bench.systems import OurEngine
from export.calibrate import calibrate
from export.graphs import export_encoder, export_step
from export.quantize import quantize
from models.checkpoint import TOKENIZER
from models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from models.seq2seq import BOS, EOS, OutputIds
from server.bundle.manifest import ENCODER, STEP, read_manifest, write_manifest

LANGUAGE = 50
VOCABULARY_SIZE = 32_000
NUM_OUTPUT = 16
NUM_SENTENCES = 256
ROWS = 64

WAYS = {"none": ("plain", ()), "read in a step": ("plain", (LANGUAGE,)), "start encoded": ("encoding", (LANGUAGE,))}
"""Bundle, and what the decoder reads behind its start token, of each way."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.forced_token", description="What a forced token costs.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    lengths = generator.integers(8, 22, NUM_SENTENCES).tolist()
    sources = [[*generator.integers(100, VOCABULARY_SIZE, length).tolist(), EOS] for length in lengths]
    for name in ("plain", "encoding"):
        make(arguments.folder / name / "1", sources[:8], encodes_start=name == "encoding")
    engines = {name: OurEngine(arguments.folder / name / "1", threads=1) for name in ("plain", "encoding")}
    print("| | of the rate without one | tokens/s |\n| --- | --: | --: |")
    for search, beam_size in ("greedy", 1), ("beam 4", 4):
        part = sources[:: beam_size**2]
        rates: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(arguments.rounds + 1):
            for way in WAYS if number % 2 == 0 else reversed(WAYS):
                name, start_ids = WAYS[way]
                rates[way].append(tokens_per_second(engines[name], part, beam_size, start_ids))
        for way, (_, *by_round) in rates.items():  # the first round has what is done once
            share = statistics.median(map(float.__truediv__, by_round, rates["none"][1:]))
            print(f"| {search}, {way} | {share:.3f} | {statistics.median(by_round):.0f} |")


def make(bundle: Path, sources: Sequence[list[int]], encodes_start: bool) -> None:
    """Export the model in int8, unless it is there."""
    if (bundle / "model.json").exists():
        return
    bundle.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    settings = EncoderDecoderConfig(
        source_vocabulary=VOCABULARY_SIZE,
        target_vocabulary=VOCABULARY_SIZE,
        d_model=512,
        num_encoder_heads=8,
        num_decoder_heads=8,
        d_encoder_ffn=2048,
        d_decoder_ffn=2048,
        activation="relu",
        output_bias=False,
    )
    model = EncoderDecoder(settings).eval()
    model.output_ids = OutputIds(start=(BOS, LANGUAGE), encodes_start=encodes_start)
    export_encoder(model, bundle / ENCODER)
    export_step(model, bundle / STEP)
    calibration = calibrate(bundle / ENCODER, bundle / STEP, model.state, sources, ids=model.output_ids)
    quantize(bundle / ENCODER, calibration.encoder, calibration.cache_scales)
    quantize(bundle / STEP, calibration.step, calibration.cache_scales)
    (bundle / TOKENIZER).write_bytes((SMALL / TOKENIZER).read_bytes())
    write_made_manifest(bundle, model, calibration.cache_scales, VOCABULARY_SIZE)
    manifest = dataclasses.replace(read_manifest(bundle), forced_target=(LANGUAGE,), encodes_start=encodes_start)
    write_manifest(bundle, manifest)


def tokens_per_second(
    engine: OurEngine, sources: Sequence[list[int]], beam_size: int, start_ids: tuple[int, ...]
) -> float:
    """Of processor time. Random weights hardly ever end a sentence."""
    started = time.process_time()
    outputs = engine.translate(sources, beam_size, ROWS, NUM_OUTPUT, start_ids)
    return sum(map(len, outputs)) / (time.process_time() - started)


if __name__ == "__main__":
    main()

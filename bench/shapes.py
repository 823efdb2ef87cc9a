"""What a Transformer's shape costs on the machine at hand: tokens a second of untrained models, in int8.

    python -m bench.shapes

Weights are random and every output has the same length, so that nothing but the shape decides. Models take turns; the
figures are medians of processor time on one core, in a table in Markdown.
"""

import itertools
import statistics
import tempfile
import time
from pathlib import Path
from shutil import copyfile
from typing import NamedTuple

import numpy as np
import torch

from bench.made import SMALL
from bench.opus_size import write_made_manifest
from bench.systems import OurEngine
from export.calibrate import calibrate
from export.graphs import export_encoder, export_step
from export.quantize import quantize
from models.seq2seq import EOS
from models.transformer import Transformer, TransformerConfig
from server.bundle.manifest import ENCODER, STEP, TOKENIZER

NUM_SOURCES, NUM_OUTPUT, NUM_ROWS, ROUNDS = 1000, 15, 48, 5
SOURCE_LENGTHS = (6, 20)
"""The shortest and the longest source, in tokens; as everyday sentences and captions are."""


class Shape(NamedTuple):
    d_model: int
    num_encoder_layers: int
    num_decoder_layers: int
    vocabulary_size: int


SHAPES = (
    Shape(128, 4, 2, 4000),
    Shape(128, 6, 1, 8000),
    Shape(192, 6, 1, 4000),
    Shape(192, 6, 1, 8000),
    Shape(192, 6, 1, 16000),
    Shape(192, 6, 2, 8000),
    Shape(256, 6, 1, 8000),
    Shape(256, 6, 2, 8000),
    Shape(384, 6, 1, 8000),
)
"""The first one is what the others are compared with."""


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rates: dict[Shape, list[float]] = {shape: [] for shape in SHAPES}
    with tempfile.TemporaryDirectory() as folder:
        engines = {shape: OurEngine(_bundle(shape, Path(folder)), 1) for shape in SHAPES}
        for number, (shape, engine) in itertools.product(range(ROUNDS + 1), engines.items()):
            started = time.process_time()
            outputs = engine.translate(_sources(shape), 1, NUM_ROWS, NUM_OUTPUT)
            if number:  # the first round warms up
                rates[shape].append(sum(map(len, outputs)) / (time.process_time() - started))
    medians = {shape: statistics.median(every) for shape, every in rates.items()}
    print("| width | layers | pieces | tokens a second | of the first |\n|---|---|---|---|---|")
    for shape, rate in medians.items():
        layers = f"{shape.num_encoder_layers} + {shape.num_decoder_layers}"
        ratio = rate / medians[SHAPES[0]]
        print(f"| {shape.d_model} | {layers} | {shape.vocabulary_size:,} | {rate:,.0f} | {ratio:.2f} |")


def _sources(shape: Shape) -> list[list[int]]:
    generator = np.random.default_rng(0)
    lengths = generator.integers(*SOURCE_LENGTHS, NUM_SOURCES)
    return [[*generator.integers(EOS + 1, shape.vocabulary_size, length).tolist(), EOS] for length in lengths]


def _bundle(shape: Shape, folder: Path) -> Path:
    config = TransformerConfig(
        d_model=shape.d_model,
        d_ffn=4 * shape.d_model,
        num_encoder_layers=shape.num_encoder_layers,
        num_decoder_layers=shape.num_decoder_layers,
    )
    model = Transformer(config, shape.vocabulary_size).eval()
    bundle = folder / "-".join(map(str, shape)) / "1"
    bundle.mkdir(parents=True)
    copyfile(SMALL / TOKENIZER, bundle / TOKENIZER)  # which nobody reads
    export_encoder(model, bundle / ENCODER)
    export_step(model, bundle / STEP)
    calibration = calibrate(bundle / ENCODER, bundle / STEP, model.state, _sources(shape)[:100])
    quantize(bundle / ENCODER, calibration.encoder, calibration.cache_scales)
    quantize(bundle / STEP, calibration.step, calibration.cache_scales)
    write_made_manifest(bundle, model, calibration.cache_scales, shape.vocabulary_size)
    return bundle


if __name__ == "__main__":
    main()

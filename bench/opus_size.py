"""A Transformer of the size of OPUS-MT's models, with random weights: speed does not depend on what they say.

`python -m bench.opus_size FOLDER` makes the bundle and the CTranslate2 model.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch

from bench.ctranslate2_model import convert
from bench.ctranslate2_system import open_translator
from export.__main__ import alignment_spec, state_specs
from export.calibrate import calibrate
from export.graphs import export_encoder, export_step
from export.parity import TOLERANCE, largest_difference
from export.quantize import quantize
from export.session import GraphSession
from models.greedy import greedy_decode
from models.seq2seq import BOS, EOS, PAD, UNKNOWN
from models.transformer import Transformer, TransformerConfig
from server.bundle.manifest import ENCODER, FORMAT_VERSION, STEP, TOKENIZER, Manifest, SpecialIds, write_manifest

VOCABULARY_SIZE = 32_000
NUM_SOURCE, NUM_OUTPUT = 15, 20
"""Tokens of every sentence."""

PIECES = ["<pad>", "<unk>", "<s>", "</s>", *(f"piece{id_}" for id_ in range(EOS + 1, VOCABULARY_SIZE))]


def random_transformer() -> Transformer:
    """d 512, 8 heads, 6+6 layers; it never ends a sentence by itself."""
    torch.manual_seed(0)
    config = TransformerConfig(
        d_model=512, num_heads=8, d_ffn=2048, num_encoder_layers=6, num_decoder_layers=6, dropout=0.0
    )
    model = Transformer(config, VOCABULARY_SIZE).eval()
    with torch.no_grad():  # a logit of 0, which is never the greatest of 32,000
        model.embedding.weight[[PAD, UNKNOWN, BOS, EOS]] = 0.0
    return model


def random_sources(number: int) -> list[list[int]]:
    generator = np.random.default_rng(0)
    return [[*generator.integers(EOS + 1, VOCABULARY_SIZE, NUM_SOURCE - 1).tolist(), EOS] for _ in range(number)]


@torch.no_grad()
def make(folder: Path) -> None:
    """Write `seq2serve/`, an int8 bundle, and `ctranslate2/`. Raises RuntimeError where they are not the same model."""
    model = random_transformer()
    sources = random_sources(3)
    bundle = folder / "seq2serve"
    bundle.mkdir(parents=True, exist_ok=True)
    export_encoder(model, bundle / ENCODER)
    export_step(model, bundle / STEP)
    difference = largest_difference(model, GraphSession(bundle / ENCODER, bundle / STEP, model.state), sources)
    if difference > TOLERANCE:
        raise RuntimeError(f"graphs of OPUS-MT's size differ from PyTorch by {difference:.2g} nats")
    expected = [output[:NUM_OUTPUT] for output in greedy_decode(model, sources)]
    convert(model, PIECES, "float32", folder / "ctranslate2-float32")
    translator = open_translator(folder / "ctranslate2-float32", "float32", 1)
    results = translator.translate_batch(
        [[PIECES[id_] for id_ in source[:-1]] for source in sources],
        beam_size=1,
        min_decoding_length=NUM_OUTPUT,
        max_decoding_length=NUM_OUTPUT,
    )
    if [result.hypotheses[0] for result in results] != [[PIECES[id_] for id_ in output] for output in expected]:
        raise RuntimeError("CTranslate2 does not write what PyTorch writes with the weights of OPUS-MT's size")
    convert(model, PIECES, "int8", folder / "ctranslate2")
    calibration = calibrate(bundle / ENCODER, bundle / STEP, model.state, sources)
    quantize(bundle / ENCODER, calibration.encoder, calibration.cache_scales)
    quantize(bundle / STEP, calibration.step, calibration.cache_scales)
    (bundle / TOKENIZER).write_bytes(Path("checkpoints/tokenizer.model").read_bytes())  # never asked
    write_manifest(
        bundle,
        Manifest(
            format_version=FORMAT_VERSION,
            name="opus-size",
            version="1",
            architecture="transformer",
            source_language="en",
            target_language="fr",
            precision="int8",
            vocabulary_size=VOCABULARY_SIZE,
            special_ids=SpecialIds(pad=PAD, unknown=UNKNOWN, bos=BOS, eos=EOS),
            max_source_tokens=128,
            max_output_tokens=256,
            state=state_specs(model, calibration.cache_scales),
            alignment=alignment_spec(model, calibration.cache_scales),
            has_shortlist=False,
            quality=(),
            provenance={"weights": "random"},
            sha256={},
        ),
    )


if __name__ == "__main__":
    started = time.monotonic()
    make(Path(sys.argv[1]))
    print(f"made in {time.monotonic() - started:.0f} s")

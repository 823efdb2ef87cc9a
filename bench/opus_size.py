"""A small Transformer, widened to the size of OPUS-MT's models: as expensive as they are, on real sentences.

The small one, in `bench/small_transformer`, has d 128, which divides OPUS-MT's, and stays the same whichever models are
shipped.

`python -m bench.opus_size FOLDER` makes in FOLDER/opus-size an int8 bundle, and an int8 model for CTranslate2, both
with the same vocabulary shortlist. It fails unless in fp32 both write what the small model writes, token for token,
and unless int8 keeps its BLEU.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2

from bench.ctranslate2_model import convert, pieces_of
from bench.ctranslate2_system import CTranslate2
from bench.made import SMALL, opus_size_paths
from bench.plan import TEST_SETS
from bench.widened import widen
from export.calibrate import calibrate
from export.graphs import export_encoder, export_step
from export.manifest import MAX_OUTPUT_TOKENS, MAX_SOURCE_TOKENS, alignment_spec, state_specs
from export.parity import TOLERANCE, largest_difference
from export.quantize import quantize
from export.session import GraphSession
from export.shortlist import build_shortlist, split_output
from models.checkpoint import load_checkpoint
from models.data.corpora import LANGUAGES, REPORTED, CorpusError, data_folder, read_corpus, read_tests
from models.greedy import greedy_decode
from models.metrics import bleu
from models.seq2seq import BOS, EOS, PAD, UNKNOWN, Seq2SeqModel
from models.transformer import Transformer, TransformerConfig
from server.bundle.languages import TEXT, bilingual
from server.bundle.manifest import (
    ENCODER,
    FEATURES_STEP,
    FORMAT_VERSION,
    OUTPUT_STEP,
    SHORTLIST,
    STEP,
    TOKENIZER,
    Manifest,
    SpecialIds,
    TokenizerSpec,
    write_manifest,
)
from server.bundle.shortlist import Shortlist, write_shortlist

CONFIG = TransformerConfig(
    d_model=512, num_heads=8, d_ffn=2048, num_encoder_layers=6, num_decoder_layers=6, dropout=0.0
)
VOCABULARY_SIZE = 32_000

NUM_CHECKED = 150
"""Sentences of each test set that every form of the model translates."""
NUM_CALIBRATED = 50
"""Sentences of each validation set, which find the ranges of what int8 quantises."""
MIN_EQUAL = 0.99
"""Share of translations in fp32 that have to be the small model's, token for token; sums in another order may change
one that is nearly undecided."""
MAX_BLEU_LOSS = 1.0
"""What int8 may cost on so few sentences."""

Sources = Sequence[Sequence[int]]
Decode = Callable[[Sources], list[list[int]]]


class Different(Exception):
    """A form of the model that does not compute what the small model computes; the message says how far it is."""


def make(folder: Path, data: Path) -> None:
    """`folder`: where all models lie that the benchmark makes. Raises Different, and CorpusError where a test or
    validation set is missing."""
    _, small, tokenizer = load_checkpoint(SMALL)
    assert isinstance(small, Transformer)
    wide = widen(small, CONFIG, VOCABULARY_SIZE)
    tests, validation = read_tests(data), [read_corpus(data, name, "val") for name in REPORTED]
    checked = [text for name in TEST_SETS for text in tests[name].sources[:NUM_CHECKED]]
    references = [every for name in TEST_SETS for every in tests[name].references[:NUM_CHECKED]]
    calibrated = [text for part in validation for text in part.sources[:NUM_CALIBRATED]]
    sources, calibration_sources = ([[*ids, EOS] for ids in tokenizer.encode(texts)] for texts in (checked, calibrated))
    difference = logit_difference(small, wide, sources[:: len(sources) // 10])
    print(f"fp32: largest difference of a logit from the small model: {difference:.1e}")
    if not difference <= TOLERANCE:
        raise Different(f"the widened model's logits differ by {difference:.3g}, at most {TOLERANCE} is allowed")
    expected = in_batches(lambda batch: greedy_decode(small, batch), sources)

    _, bundle, ctranslate2 = opus_size_paths(folder)
    bundle.mkdir(parents=True, exist_ok=True)
    (bundle / TOKENIZER).write_bytes(extended_tokenizer((SMALL / TOKENIZER).read_bytes(), VOCABULARY_SIZE))
    pieces = pieces_of(bundle / TOKENIZER)
    with tempfile.TemporaryDirectory(dir=folder) as float32:
        convert(wide, bundle / TOKENIZER, "float32", Path(float32))
        theirs = CTranslate2(Path(float32), "float32", 1)
        _check_equal("CTranslate2", theirs.translate([list(source) for source in sources], 1, 32), expected)
    scores = {"fp32": bleu(tokenizer.decode(expected), references)}
    cache_scales = _export(wide, bundle, calibration_sources, sources, expected)
    shortlist = add_shortlist(bundle, tokenizer, data)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        convert(
            wide, bundle / TOKENIZER, "int8", ctranslate2, vocabulary_map(shortlist, pieces, Path(place) / "vmap.txt")
        )
    int8 = in_batches(GraphSession(bundle / ENCODER, bundle / STEP, wide.state).decode, sources)
    theirs = CTranslate2(ctranslate2, "int8", 1)
    scores["int8"] = bleu(tokenizer.decode(int8), references)
    scores["int8, CTranslate2"] = bleu(
        tokenizer.decode(theirs.translate([list(source) for source in sources], 1, 32)), references
    )
    print(f"BLEU of {len(sources)} sentences: " + ", ".join(f"{name} {score:.2f}" for name, score in scores.items()))
    if scores["int8"] < scores["fp32"] - MAX_BLEU_LOSS:
        raise Different(f"int8 loses {scores['fp32'] - scores['int8']:.2f} BLEU, {MAX_BLEU_LOSS} is allowed")
    write_made_manifest(bundle, wide, cache_scales, VOCABULARY_SIZE, has_shortlist=True)


def extended_tokenizer(model: bytes, vocabulary_size: int) -> bytes:
    """A SentencePiece model that reads and writes as it did, and has pieces behind its own that it never uses."""
    proto: Any = sentencepiece_model_pb2.ModelProto.FromString(model)  # type: ignore[attr-defined] # generated
    for id_ in range(len(proto.pieces), vocabulary_size):
        proto.pieces.add(piece=f"<unused{id_}>", score=0.0, type=proto.SentencePiece.UNUSED)
    extended: bytes = proto.SerializeToString()
    return extended


@torch.inference_mode()
def logit_difference(small: Transformer, wide: Transformer, sources: Sources) -> float:
    """The largest, along the small model's greedy tokens, over all tokens that it knows."""
    worst = 0.0
    for source in sources:
        source_ids, lengths = torch.tensor([source]), torch.tensor([len(source)])
        previous_ids = torch.tensor([[BOS, *greedy_decode(small, [source])[0]]])
        logits, widened = (model.logits(model(source_ids, lengths, previous_ids)) for model in (small, wide))
        worst = max(worst, float((logits - widened[..., : logits.shape[-1]]).abs().max()))
    return worst


def in_batches(decode: Decode, sources: Sources, batch_size: int = 50) -> list[list[int]]:
    """Outputs in the order of the sources; a batch has sources of like length."""
    order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
    outputs: dict[int, list[int]] = {}
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        outputs.update(zip(batch, decode([sources[index] for index in batch]), strict=True))
    return [outputs[index] for index in range(len(sources))]


def _check_equal(name: str, outputs: list[list[int]], expected: list[list[int]]) -> None:
    num_equal = sum(map(list.__eq__, outputs, expected))
    print(f"fp32: {num_equal} of {len(expected)} translations of {name} are the small model's, token for token")
    if num_equal < MIN_EQUAL * len(expected):
        raise Different(f"{name}: {num_equal} of {len(expected)} translations in fp32 are the small model's")


def _export(
    wide: Transformer, bundle: Path, calibration_sources: Sources, sources: Sources, expected: list[list[int]]
) -> dict[str, float]:
    """Write both graphs in int8. Returns the scales of int8 caches."""
    export_encoder(wide, bundle / ENCODER)
    export_step(wide, bundle / STEP)
    session = GraphSession(bundle / ENCODER, bundle / STEP, wide.state)
    difference = largest_difference(wide, session, sources[:3])
    if not difference <= TOLERANCE:
        raise Different(f"the graphs differ from PyTorch by {difference:.3g} nats, at most {TOLERANCE} is allowed")
    _check_equal("ONNX Runtime", in_batches(session.decode, sources), expected)
    calibration = calibrate(bundle / ENCODER, bundle / STEP, wide.state, calibration_sources)
    quantize(bundle / ENCODER, calibration.encoder, calibration.cache_scales)
    quantize(bundle / STEP, calibration.step, calibration.cache_scales)
    return calibration.cache_scales


def add_shortlist(bundle: Path, tokenizer: SentencePieceProcessor, data: Path) -> Shortlist:
    """Give the bundle a shortlist, of the training text of the corpora whose test sets are translated."""
    layer = split_output(bundle / STEP, bundle / FEATURES_STEP, bundle / OUTPUT_STEP)
    assert layer
    corpora = [read_corpus(data, name, "train") for name in REPORTED]
    sources, targets = (
        tokenizer.encode([text for corpus in corpora for text in getattr(corpus, side)])
        for side in ("sources", "targets")
    )
    shortlist = build_shortlist(sources[::2], targets[::2], layer)
    write_shortlist(bundle / SHORTLIST, shortlist)
    return shortlist


def vocabulary_map(shortlist: Shortlist, pieces: Sequence[str], path: Path) -> Path:
    """Write the same lists as a vocabulary map of CTranslate2: a line a source token, with what it puts on the list;
    what the empty one puts there is on every list."""
    lines = [("", shortlist.frequent), *zip(pieces, shortlist.candidates, strict=True)]
    listed_pieces = ((piece, " ".join(pieces[id_] for id_ in listed if id_ >= 0)) for piece, listed in lines)
    text = "".join(f"{piece}\t{listed}\n" for piece, listed in listed_pieces if listed)
    path.write_text(text, encoding="utf-8")
    return path


def write_made_manifest(
    bundle: Path,
    model: Seq2SeqModel,
    cache_scales: dict[str, float],
    vocabulary_size: int,
    has_shortlist: bool = False,
) -> None:
    """The manifest of a model that only a benchmark serves."""
    write_manifest(
        bundle,
        Manifest(
            format_version=FORMAT_VERSION,
            name=bundle.parent.name,
            version=bundle.name,
            architecture="transformer",
            precision="int8",
            source_vocabulary_size=vocabulary_size,
            target_vocabulary_size=vocabulary_size,
            source_tokenizer=TokenizerSpec(sentencepiece=TOKENIZER),
            target_tokenizer=TokenizerSpec(sentencepiece=TOKENIZER),
            special_ids=SpecialIds(start=BOS, eos=EOS, pad=PAD, unknown=UNKNOWN, never_written=(PAD, UNKNOWN, BOS)),
            languages=bilingual(*LANGUAGES),
            source_template=(TEXT, EOS),
            max_source_tokens=MAX_SOURCE_TOKENS,
            max_output_tokens=MAX_OUTPUT_TOKENS,
            state=state_specs(model, cache_scales),
            alignment=alignment_spec(model, cache_scales),
            has_shortlist=has_shortlist,
            quality=(),
            provenance={"weights": "made for a benchmark"},
            sha256={},
        ),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.opus_size")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        make(arguments.folder, data_folder(arguments.data))
    except (Different, CorpusError) as error:
        sys.exit(f"error: {error}")
    print(f"made in {time.monotonic() - started:.0f} s")

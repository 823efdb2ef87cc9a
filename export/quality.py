"""Whether a model is worth being served: BLEU of its graphs against what training recorded, and int8 against fp32."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from sentencepiece import SentencePieceProcessor

from export.calibrate import calibrate
from export.errors import ExportError
from export.quantize import quantize
from export.session import GraphSession
from models.checkpoint import METRICS, TOKENIZER, WEIGHTS, read_metrics
from models.data.corpora import Corpus
from models.evaluate_spans import NoSpanPieces, count_carried, translate_spans
from models.greedy import translate
from models.metrics import bleu, cased_bleu
from models.seq2seq import EOS, Seq2SeqModel
from models.span_sentences import span_sentences
from server.bundle.manifest import ENCODER, STEP, Quality
from server.bundle.shortlist import Shortlist
from server.bundle.span_pieces import span_pieces

MIN_BLEU = 1.0
"""BLEU that the fp32 graphs have to reach on one validation set at least: a model that has learnt anything does."""

MAX_SHORTFALL = 0.1
"""Share of the BLEU that training recorded for its best validation that the fp32 graphs may be below it, beside
`MIN_BLEU`: the final weights are an average, which may be a little better on one set and worse on another."""

MAX_BLEU_LOSS = 0.5
"""BLEU that int8 may cost on each validation set."""

CALIBRATION_SENTENCES = 200
"""Sentences that are taken from each validation set for calibration."""

MIN_CARRIED = 0.9
"""Share of sentences with protected spans that a model has to carry through for its span pieces to be used."""

Validation = Mapping[str, Corpus]
"""Validation text, by corpus."""


def validation_bleu(
    model: Seq2SeqModel, folder: Path, tokenizer: SentencePieceProcessor, validation: Validation
) -> dict[str, float]:
    """BLEU of the graphs in a folder, by corpus."""
    session = GraphSession(folder / ENCODER, folder / STEP, model.state, model.output_ids)
    return {
        corpus: bleu(translate(session.decode, tokenizer, part.sources), part.references)
        for corpus, part in validation.items()
    }


def recorded_bleu(checkpoint: Path) -> dict[str, float]:
    """BLEU that training recorded at its best validation, by corpus; nothing for a checkpoint without such a record.
    Raises CheckpointError for a damaged one."""
    recorded = [record["bleu"] for record in read_metrics(checkpoint) if record.get("bleu")]
    return max(recorded, key=lambda scores: sum(scores.values()) / len(scores), default={})


def check_bleu(measured: Mapping[str, float], recorded: Mapping[str, float]) -> None:
    """Raises ExportError where the fp32 graphs translate validation text far worse than training recorded, or where
    their translations have next to nothing of any reference. Both are BLEU by corpus."""
    far_below = [
        corpus
        for corpus, score in measured.items()
        if score < (1 - MAX_SHORTFALL) * recorded.get(corpus, 0.0) - MIN_BLEU
    ]
    if not far_below and max(measured.values()) >= MIN_BLEU:
        return
    scores = [
        f"{corpus}/val: {measured[corpus]:.2f}"
        + (f", {METRICS} has {recorded[corpus]:.2f}" if corpus in recorded else "")
        for corpus in far_below or measured
    ]
    raise ExportError(
        f"BLEU of the fp32 graphs is {'far below what training recorded' if far_below else 'near zero'} "
        f"({'; '.join(scores)}): is {TOKENIZER} another one than the model was trained with, is {WEIGHTS} damaged, or "
        f"has {'the run gone on since the model was finished' if far_below else 'training just begun'}? "
        "--allow-low-bleu exports it all the same"
    )


def quantize_and_check(
    model: Seq2SeqModel,
    folder: Path,
    tokenizer: SentencePieceProcessor,
    validation: Validation,
    full: Mapping[str, float],
) -> dict[str, float]:
    """Calibrate and quantise both graphs. `full`: their BLEU in fp32, by corpus. Returns the scales of int8 caches.
    Raises ExportError if int8 costs more BLEU than it may."""
    texts = [text for part in validation.values() for text in part.sources[:CALIBRATION_SENTENCES]]
    sources = [[*ids, EOS] for ids in tokenizer.encode(texts)]
    calibration = calibrate(folder / ENCODER, folder / STEP, model.state, sources, ids=model.output_ids)
    quantize(folder / ENCODER, calibration.encoder, calibration.cache_scales)
    quantize(folder / STEP, calibration.step, calibration.cache_scales)
    quantized = validation_bleu(model, folder, tokenizer, validation)
    for corpus, score in quantized.items():
        print(f"{corpus}/val: BLEU {score:.2f} at int8")
    lost = {corpus: score - quantized[corpus] for corpus, score in full.items()}
    problems = [f"{loss:.2f} BLEU on {corpus}" for corpus, loss in lost.items() if loss > MAX_BLEU_LOSS]
    if problems:
        raise ExportError(
            f"int8 loses {', '.join(problems)}, {MAX_BLEU_LOSS} is allowed: export it with --precision fp32, which "
            "loses nothing; or train it longer, or calibrate with more sentences (CALIBRATION_SENTENCES in "
            f"export/quality.py, {CALIBRATION_SENTENCES} of each corpus now)"
        )
    return calibration.cache_scales


def carried_span_pieces(model: Seq2SeqModel, folder: Path, tokenizer: SentencePieceProcessor) -> tuple[str, ...]:
    """The tokenizer's pieces for protected spans, if the graphs carry spans through by themselves: if translations of
    `MIN_CARRIED` of the test sentences have each one once. A server takes spans out of the sentence otherwise."""
    pieces = span_pieces(map(tokenizer.id_to_piece, range(tokenizer.get_piece_size())))
    sentences = span_sentences()
    try:
        session = GraphSession(folder / ENCODER, folder / STEP, model.state, model.output_ids)
        carried = count_carried(sentences, translate_spans(session.decode, tokenizer, sentences))["all"]
    except NoSpanPieces:
        return ()
    share = carried.num_carried / carried.num_sentences
    print(f"protected spans: carried through in {share:.1%} of {carried.num_sentences} sentences")
    return pieces if share >= MIN_CARRIED else ()


def measure(
    model: Seq2SeqModel,
    folder: Path,
    tokenizer: SentencePieceProcessor,
    tests: Mapping[str, Corpus],
    shortlist: Shortlist | None = None,
) -> list[Quality]:
    """BLEU of the finished graphs on every test set."""
    how = "greedy, shortlist" if shortlist else "greedy"
    session = GraphSession(folder / ENCODER, folder / STEP, model.state, model.output_ids)
    quality = []
    for name, test in tests.items():
        decode = partial(session.decode, shortlist=shortlist)
        score = cased_bleu(translate(decode, tokenizer, test.sources), test.references)
        metric = f"{score.metric}, {how}, {score.signature}"
        quality.append(Quality(test_set=name, metric=metric, value=score.value))
        print(f"{name}: BLEU {score.value}, {how}")
    return quality

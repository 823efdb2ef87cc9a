"""CTranslate2, with a model that `ctranslate2_model.py` wrote; without PyTorch, whose memory is not CTranslate2's."""

import json
from collections.abc import Sequence
from pathlib import Path

import ctranslate2
from sentencepiece import SentencePieceProcessor

from bench.systems import LENGTH_PENALTY, System

SOURCE_MODEL, TARGET_MODEL = "source.spm", "target.spm"
"""SentencePiece models beside a model, unless it has one for both sides."""


def open_translator(folder: Path, quantization: str, translators: int, threads_each: int = 1) -> ctranslate2.Translator:
    """On few cores several translators of one thread each are faster than one of several threads."""
    return ctranslate2.Translator(
        str(folder),
        device="cpu",
        compute_type=quantization,
        inter_threads=translators,
        intra_threads=threads_each,
    )


def open_sentencepieces(folder: Path) -> tuple[SentencePieceProcessor, SentencePieceProcessor]:
    """Those of source and target, beside a model: two files, or `tokenizer.model`."""
    names = (SOURCE_MODEL, TARGET_MODEL) if (folder / SOURCE_MODEL).exists() else ("tokenizer.model",) * 2
    source, target = (SentencePieceProcessor(model_file=str(folder / name)) for name in names)
    return source, target


def end_of_sources(folder: Path) -> list[str]:
    """What the pieces of a source end with, unless CTranslate2 adds it."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return [] if config.get("add_source_eos") else ["</s>"]


class CTranslate2(System):
    settings = (16, 32, 64, -512, -1024)
    """Sizes of a batch to choose from: sentences where positive, tokens where negative."""

    def __init__(self, folder: Path, quantization: str, threads: int, is_listed: bool = False) -> None:
        """`is_listed`: translate with the model's vocabulary map."""
        self._is_listed = is_listed
        self._translator = open_translator(folder, quantization, threads)
        self._pieces: list[str] = json.loads((folder / "shared_vocabulary.json").read_text(encoding="utf-8"))
        self._ids = {piece: id_ for id_, piece in enumerate(self._pieces)}

    def translate(
        self, sources: Sequence[list[int]], beam_size: int, setting: int, num_output: int | None = None
    ) -> list[list[int]]:
        results = self._translator.translate_batch(
            [[self._pieces[id_] for id_ in source[:-1]] for source in sources],
            beam_size=beam_size,
            length_penalty=LENGTH_PENALTY if beam_size > 1 else 0.0,
            max_batch_size=abs(setting),
            batch_type="tokens" if setting < 0 else "examples",
            min_decoding_length=num_output or 1,
            max_decoding_length=num_output or 256,
            use_vmap=self._is_listed,
        )
        return [[self._ids[piece] for piece in result.hypotheses[0]] for result in results]

"""The SentencePiece model (Kudo and Richardson 2018) that all architectures share, trained on both languages.

python -m models.tokenizer checkpoints/tokenizer.model [--data FOLDER] [--vocabulary-size N]
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import sentencepiece

from models.corpora import CORPORA, CorpusError, data_folder, read_corpus
from models.seq2seq import BOS, EOS, PAD, UNKNOWN


def train_tokenizer(sentences: Iterable[str], path: Path, vocabulary_size: int) -> None:
    """Write a SentencePiece model of `vocabulary_size` pieces to `path`, replacing what was there only at the end."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=file,
            vocab_size=vocabulary_size,
            model_type="bpe",
            character_coverage=1.0,
            pad_id=PAD,
            unk_id=UNKNOWN,
            bos_id=BOS,
            eos_id=EOS,
            minloglevel=1,
        )
    unfinished.replace(path)


def load_tokenizer(path: Path) -> sentencepiece.SentencePieceProcessor:
    """Read the tokenizer. Raises OSError where there is no SentencePiece model."""
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.tokenizer", description="Train the shared tokenizer.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    parser.add_argument("--vocabulary-size", type=int, default=4000)
    arguments = parser.parse_args()
    try:
        corpora = [read_corpus(data_folder(arguments.data), corpus, "train") for corpus in CORPORA]
        sentences = (sentence for corpus in corpora for side in (corpus.sources, corpus.targets) for sentence in side)
        arguments.path.parent.mkdir(parents=True, exist_ok=True)
        train_tokenizer(sentences, arguments.path, arguments.vocabulary_size)
    except (CorpusError, RuntimeError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

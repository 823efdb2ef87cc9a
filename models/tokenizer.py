"""The SentencePiece model (Kudo and Richardson 2018) that all architectures share, trained on both languages.

    python -m models.tokenizer models/configs/transformer-en-fr.toml models/configs/tokenizer.model

It is trained on the mix of domains of a config. Digits are pieces of their own, so that numbers are copied digit by
digit; protected spans have pieces; so has every character that English and French are written with, if the training
text has it. There is no byte fallback: it would give pieces that no model was trained on to what the training text
lacks, where the server takes such characters out of a sentence and puts them back.
"""

import argparse
import io
import string
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import sentencepiece

from models.config import ConfigError, load_config
from models.data.corpora import CorpusError, data_folder
from models.data.training_text import read_training_text
from models.seq2seq import BOS, EOS, PAD, UNKNOWN
from models.span_characters import SPAN_CHARACTERS

TYPOGRAPHY = (
    string.digits
    + string.ascii_letters
    + string.punctuation
    + "àâäæçéèêëîïôœöùûüÿÀÂÄÆÇÉÈÊËÎÏÔŒÖÙÛÜŸ«»“”‘’…–—•·°§€£©®×²³½áíóúñ"
)
"""Characters that get a piece where the training text has them at all."""

_MIN_OCCURRENCES = 20
_COVERAGE = 0.9998
"""Share of the training text's characters that have a piece even if they are not of `TYPOGRAPHY`."""
_NUM_CHUNKS = 40
"""Of the training text, from the first on, that are read."""


def train_tokenizer(sentences: Sequence[str], path: Path, vocabulary_size: int, spans: str = SPAN_CHARACTERS) -> None:
    """Write a SentencePiece model of `vocabulary_size` pieces to `path`, replacing what was there only at the end.

    Raises RuntimeError where the sentences do not have so many pieces, or more characters.

    spans: characters that stand for protected spans, each a piece of its own wherever it stands.
    """
    occurrences = Counter(character for sentence in sentences for character in sentence)
    required = "".join(character for character in TYPOGRAPHY if occurrences[character] >= _MIN_OCCURRENCES)
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        vocab_size=vocabulary_size,
        model_type="bpe",
        character_coverage=_COVERAGE,
        required_chars=required,
        user_defined_symbols=list(spans),
        split_digits=True,
        normalization_rule_name="identity",
        pad_id=PAD,
        unk_id=UNKNOWN,
        bos_id=BOS,
        eos_id=EOS,
        minloglevel=1,
    )
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(written.getvalue())
    unfinished.replace(path)


def load_tokenizer(path: Path) -> sentencepiece.SentencePieceProcessor:
    """Read the tokenizer. Raises OSError where there is no SentencePiece model."""
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.tokenizer", description="Train the shared tokenizer.")
    parser.add_argument(
        "config", type=Path, help="whose mix of domains is read, e.g. models/configs/transformer-en-fr.toml"
    )
    parser.add_argument("path", type=Path, help="e.g. models/configs/tokenizer.model")
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    parser.add_argument("--vocabulary-size", type=int, default=8000)
    arguments = parser.parse_args()
    try:
        config = load_config(arguments.config)
        text, _ = read_training_text(data_folder(arguments.data), config.data, config.training.seed)
        sentences = [side for number in range(_NUM_CHUNKS) for pair in text.chunk(number) for side in pair]
        arguments.path.parent.mkdir(parents=True, exist_ok=True)
        train_tokenizer(sentences, arguments.path, arguments.vocabulary_size)
    except (ConfigError, CorpusError, RuntimeError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

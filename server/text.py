"""From text to token ids and back, and long texts cut at sentence ends."""

import bisect
import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'»”’)\]]*\s+|\n+")


WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"
"""SentencePiece's sign for a space; a sentence begins with one."""


def begins_word(text: str, before: str) -> bool:
    """Whether a text that stands behind the character `before`, or behind none, is not the later part of a word."""
    return not (text[0].isalnum() and before.isalnum())


class Pieces:
    """The vocabulary's texts, to find those that begin with, or contain, a text."""

    def __init__(self, texts: Sequence[str], file: Path | None = None) -> None:
        """texts: of every id, with SentencePiece's sign for a space; empty for ids that write nothing. file: where
        another process, to which they are pickled, finds them."""
        self.texts = texts
        self._file = file
        order = sorted((text, id_) for id_, text in enumerate(texts) if text)
        self._sorted_texts = [text for text, _ in order]
        self._sorted_ids = [id_ for _, id_ in order]
        self._joined = "\n".join(texts)
        self._starts = [0]
        for text in texts:
            self._starts.append(self._starts[-1] + len(text) + 1)
        self.continues_word = np.array([bool(text) and text[0].isalnum() for text in texts])
        """bool [vocabulary]: written behind a word, the piece makes it longer."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pieces_of, (self._file,)) if self._file else (Pieces, (self.texts,))

    def beginning_with(self, text: str) -> list[int]:
        first = bisect.bisect_left(self._sorted_texts, text)
        last = bisect.bisect_left(self._sorted_texts, text + chr(0x10FFFF))
        return self._sorted_ids[first:last]

    def containing(self, text: str) -> list[int]:
        """Those with the text inside, where `begins_word` says that it counts, but not at their own beginning."""
        found = []
        at = self._joined.find(text)
        while at >= 0:
            id_ = bisect.bisect_right(self._starts, at) - 1
            if at > self._starts[id_] and begins_word(text, self._joined[at - 1]):
                found.append(id_)
            at = self._joined.find(text, at + 1)
        return found


class Tokenizer:
    """A bundle's SentencePiece model."""

    def __init__(self, path: Path, eos: int) -> None:
        """Raises OSError or RuntimeError for a file that is no SentencePiece model."""
        self._processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        self.eos = eos
        self.names: list[str] = [self._processor.id_to_piece(id_) for id_ in range(self.vocabulary_size)]
        """Of every id, special ones included."""
        self.pieces = Pieces(["" if self._is_special(id_) else name for id_, name in enumerate(self.names)], path)

    @property
    def vocabulary_size(self) -> int:
        size: int = self._processor.get_piece_size()
        return size

    def _is_special(self, id_: int) -> bool:
        return bool(self._processor.is_control(id_) or self._processor.is_unknown(id_))

    def encode(self, text: str) -> list[int]:
        """Ids, ending with EOS."""
        ids: list[int] = self._processor.encode(text)
        return [*ids, self.eos]

    def has_pieces_for(self, text: str) -> bool:
        """Whether it can be read and written as it is; texts of which nothing is left cannot."""
        *ids, _ = self.encode(text)
        return bool(ids) and not any(map(self._is_special, ids))

    def surface(self, text: str) -> str:
        """The text as pieces write it: normalised, with SentencePiece's sign for each space and one before the first
        word."""
        pieces: list[str] = self._processor.encode(text, out_type=str)
        return "".join(pieces)

    def decode(self, ids: list[int]) -> str:
        text: str = self._processor.decode(ids)
        return text


@functools.cache
def pieces_of(file: Path) -> Pieces:
    """Of a SentencePiece model, which is read once."""
    return Tokenizer(file, eos=-1).pieces


def split_sentences(text: str) -> list[str]:
    """Pieces of the text that end where a sentence ends, in order; only white space between them is lost."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    pieces = (text[start:end].strip() for start, end in zip([0, *ends], [*ends, len(text)], strict=True))
    return [piece for piece in pieces if piece]


def segment(text: str, tokenizer: Tokenizer, max_tokens: int) -> list[list[int]]:
    """The token ids of a text in as few segments of at most `max_tokens` as its sentence ends allow.

    Each segment ends with EOS; one is longer than `max_tokens` if a single sentence is, and one that is EOS alone
    says that the text has nothing to translate.
    """
    whole = tokenizer.encode(text)
    if len(whole) <= max_tokens:
        return [whole]
    # Pieces of the vocabulary end at white space: the ids of sentences, put together, are the ids of the text.
    segments: list[list[int]] = [[]]
    for *ids, _ in map(tokenizer.encode, split_sentences(text)):
        if segments[-1] and len(segments[-1]) + len(ids) + 1 > max_tokens:
            segments.append([])
        segments[-1] += ids
    return [[*ids, whole[-1]] for ids in segments]

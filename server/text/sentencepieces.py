"""SentencePiece (Kudo and Richardson 2018) as a tokenizer, whose ids are the SentencePiece model's own."""

import bisect
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sentencepiece


class SentencePieceTokenizer:
    """A SentencePiece model that numbers its pieces itself. Its control symbols are special ids."""

    def __init__(self, path: Path, eos: int) -> None:
        """Raises OSError or RuntimeError for a file that is no SentencePiece model."""
        self._processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        self.eos = eos
        self.names: list[str] = [self._processor.id_to_piece(id_) for id_ in range(self.vocabulary_size)]
        """Of every id, special ones included."""
        self.texts = ["" if self._is_special(id_) else name for id_, name in enumerate(self.names)]
        """What every id writes; empty for special ids."""

    @property
    def vocabulary_size(self) -> int:
        size: int = self._processor.get_piece_size()
        return size

    def _is_special(self, id_: int) -> bool:
        return bool(self._processor.is_control(id_) or self._processor.is_unknown(id_))

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._processor.encode(text)
        return ids

    def encode_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        encoded = self._processor.encode(text, return_type="proto")
        return [piece.id for piece in encoded.pieces], spans_in(text, encoded.pieces)

    def decode_spans(self, ids: list[int]) -> tuple[str, list[tuple[int, int]]]:
        decoded = self._processor.decode(ids, return_type="proto")
        text: str = decoded.text
        return text, spans_in(text, decoded.pieces)

    def has_pieces_for(self, text: str) -> bool:
        ids = self.encode(text)
        return bool(ids) and not any(map(self._is_special, ids))

    def surface(self, text: str) -> str:
        pieces: list[str] = self._processor.encode(text, out_type=str)
        return "".join(pieces)

    def decode(self, ids: list[int]) -> str:
        text: str = self._processor.decode(ids)
        return text


def spans_in(text: str, pieces: Iterable[Any]) -> list[tuple[int, int]]:
    """Where SentencePiece's pieces begin and end in a text, in code points: SentencePiece counts bytes of UTF-8."""
    if text.isascii():
        return [(piece.begin, piece.end) for piece in pieces]
    lengths = (1 + (character > "\x7f") + (character > "\u07ff") + (character > "\uffff") for character in text)
    ends = list(itertools.accumulate(lengths))
    return [(bisect.bisect_right(ends, piece.begin), bisect.bisect_right(ends, piece.end)) for piece in pieces]

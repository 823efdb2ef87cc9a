"""SentencePiece (Kudo and Richardson 2018) as a tokenizer."""

import bisect
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sentencepiece


class SentencePieceTokenizer:
    """A bundle's SentencePiece model."""

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
        """The token ids of a text, ending with EOS."""
        ids: list[int] = self._processor.encode(text)
        return [*ids, self.eos]

    def encode_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The token ids of a text, without EOS, and where each token begins and ends in it, in code points. A token has
        the blanks before its word."""
        encoded = self._processor.encode(text, return_type="proto")
        return [piece.id for piece in encoded.pieces], _spans(text, encoded.pieces)

    def decode_spans(self, ids: list[int]) -> tuple[str, list[tuple[int, int]]]:
        """The text of token ids, and where each token begins and ends in it, in code points."""
        decoded = self._processor.decode(ids, return_type="proto")
        text: str = decoded.text
        return text, _spans(text, decoded.pieces)

    def has_pieces_for(self, text: str) -> bool:
        """Whether the text can be read and written as it is; a text of which nothing is left cannot."""
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


def _spans(text: str, pieces: Iterable[Any]) -> list[tuple[int, int]]:
    """SentencePiece counts bytes of UTF-8."""
    if text.isascii():
        return [(piece.begin, piece.end) for piece in pieces]
    lengths = (1 + (character > "\x7f") + (character > "\u07ff") + (character > "\uffff") for character in text)
    ends = list(itertools.accumulate(lengths))
    return [(bisect.bisect_right(ends, piece.begin), bisect.bisect_right(ends, piece.end)) for piece in pieces]

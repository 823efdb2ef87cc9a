"""A tokenizer of two files: a SentencePiece model that cuts text into pieces, and a table that numbers the pieces."""

import codecs
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import sentencepiece

from server.text.pieces import WORD_START
from server.text.sentencepieces import spans_in

_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
"""A byte of a character that the vocabulary lacks (SentencePiece's byte fallback)."""


class TabledTokenizer:
    """Ids are places in a table; the SentencePiece model's own count for nothing.

    A piece that the table lacks is read as the unknown id. Special ids stand for no text: none is read as one of them
    but as the unknown one, whatever it says ("</s>", ">>fra<<"), and a table's piece of the same name is no text.
    """

    def __init__(
        self, path: Path, names: Sequence[str] | None, special: Collection[int], eos: int, unknown: int | None
    ) -> None:
        """names: the table, the piece of every id; None for the SentencePiece model's own order. special: ids,
        `unknown` among them if there is one.

        Raises OSError or RuntimeError for a file that is no SentencePiece model.
        """
        self._processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        own_ids = range(self._processor.get_piece_size())
        own_names: list[str] = [self._processor.id_to_piece(own_id) for own_id in own_ids]
        self.eos = eos
        self.names = list(names if names is not None else own_names)
        self.texts = ["" if id_ in special else name for id_, name in enumerate(self.names)]
        self._written = [text.replace(WORD_START, " ") for text in self.texts]
        """What every id writes, with spaces."""
        by_name = {name: id_ for id_, name in reversed(list(enumerate(self.names))) if id_ not in special}
        self._unknown = unknown
        self._ids: list[int | None] = [
            unknown if self._has_no_text(own_id) else by_name.get(name, unknown)
            for own_id, name in zip(own_ids, own_names, strict=True)
        ]
        """The id of every id of the SentencePiece model; None where there is none, not even the unknown one."""
        self._bytes = {
            by_name[name]: bytes.fromhex(name[3:5])
            for own_id, name in zip(own_ids, own_names, strict=True)
            if self._processor.is_byte(own_id) and name in by_name and _BYTE_PIECE.fullmatch(name)
        }

    @property
    def vocabulary_size(self) -> int:
        return len(self.names)

    def _has_no_text(self, own_id: int) -> bool:
        return bool(self._processor.is_control(own_id) or self._processor.is_unknown(own_id))

    def encode(self, text: str) -> list[int]:
        own_ids = self._processor.encode(text)
        return [id_ for own_id in own_ids if (id_ := self._ids[own_id]) is not None]

    def encode_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        pieces = self._processor.encode(text, return_type="proto").pieces
        ids, spans = [], []
        for piece, span in zip(pieces, spans_in(text, pieces), strict=True):
            id_ = self._ids[piece.id]
            if id_ is not None:
                ids.append(id_)
                spans.append(span)
        return ids, spans

    def decode(self, ids: list[int]) -> str:
        if self._bytes.keys().isdisjoint(ids):
            return "".join(map(self._written.__getitem__, ids)).lstrip(" ")
        return self.decode_spans(ids)[0]

    def decode_spans(self, ids: list[int]) -> tuple[str, list[tuple[int, int]]]:
        """The pieces of the ids, one behind the other, without the blanks before the first word. A byte of a character
        has the character if it is the last one."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        written: list[str] = []
        spans: list[tuple[int, int]] = []
        length = 0
        for position, id_ in enumerate(ids):
            text = self._written[id_]
            if id_ in self._bytes:
                is_last = position + 1 == len(ids) or ids[position + 1] not in self._bytes
                text = decoder.decode(self._bytes[id_], is_last)
                if is_last:
                    decoder.reset()
            text = text if length else text.lstrip(" ")
            written.append(text)
            spans.append((length, length + len(text)))
            length += len(text)
        return "".join(written), spans

    def has_pieces_for(self, text: str) -> bool:
        own_ids = self._processor.encode(text)
        return bool(own_ids) and all(self._ids[own_id] not in (None, self._unknown) for own_id in own_ids)

    def surface(self, text: str) -> str:
        pieces: list[str] = self._processor.encode(text, out_type=str)
        return "".join(pieces)

"""Texts as the ids of an imported checkpoint, and back: SentencePiece cuts, a table of pieces numbers, a template puts
the tokens of the languages where the checkpoint wants them."""

from collections.abc import Sequence

from sentencepiece import SentencePieceProcessor

from export.checkpoints.imported import SOURCE_TOKEN, TARGET_TOKEN, TEXT, Imported, Language, PieceTable

_SPACE = "▁"
"""SentencePiece's mark of a space."""


class PieceText:
    """One direction of an imported checkpoint."""

    def __init__(self, imported: Imported, source: Language, target: Language) -> None:
        self._imported = imported
        self._tokens = {SOURCE_TOKEN: source.source_id, TARGET_TOKEN: target.target_id}
        self._source = SentencePieceProcessor(model_file=str(imported.source.sentencepiece))
        self._source_ids = _numbers(imported.source, self._source)
        self._target = SentencePieceProcessor(model_file=str(imported.target.sentencepiece))
        self._unwritten = frozenset((*imported.never_written, imported.eos_id))

    @property
    def forced(self) -> list[int]:
        """Ids that every translation is made to begin with."""
        return [self._token(place) for place in self._imported.forced_target]

    def encode(self, text: str) -> list[int]:
        """What the encoder reads: the pieces of the text, in the source's template."""
        ids: list[int] = []
        for place in self._imported.source_template:
            if isinstance(place, int):
                ids.append(place)
            else:
                ids += self.pieces(text) if place == TEXT else [self._token(place)]
        return ids

    def pieces(self, text: str) -> list[int]:
        """Ids of the text alone; a piece that has no number is the unknown id, or nothing where there is none."""
        numbers = [
            self._source_ids.get(piece, self._imported.unknown_id) for piece in self._source.encode_as_pieces(text)
        ]
        return [number for number in numbers if number is not None]

    def decode(self, ids: Sequence[int]) -> str:
        written = [index for index in ids if index not in self._unwritten]
        names = self._imported.target.names
        if names is None:
            return self._target.decode(written)
        # Of a shared table the model may write pieces that the target's SentencePiece has not: it leaves their marks.
        decoded: str = self._target.decode_pieces([names[index] for index in written])
        return decoded.replace(_SPACE, " ").strip(" ")

    def _token(self, place: str) -> int:
        index = self._tokens[place]
        if index is None:
            raise ValueError(f"{place}: the language has no token for it")
        return index


def _numbers(table: PieceTable, pieces: SentencePieceProcessor) -> dict[str, int]:
    names = table.names or [pieces.id_to_piece(index) for index in range(pieces.get_piece_size())]
    return {name: index for index, name in enumerate(names)}

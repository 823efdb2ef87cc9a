"""What every tokenizer offers, whatever its file format."""

from typing import Protocol


class Tokenizer(Protocol):
    eos: int
    names: list[str]
    """The piece of every id, special ones included."""
    texts: list[str]
    """What every id writes, with SentencePiece's sign for each space; empty for special ids, which write nothing."""

    @property
    def vocabulary_size(self) -> int: ...

    def encode(self, text: str) -> list[int]:
        """The token ids of a text, ending with EOS."""

    def encode_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The token ids of a text, without EOS, and where each token begins and ends in it, in code points. A token has
        the blanks before its word."""

    def decode(self, ids: list[int]) -> str: ...

    def decode_spans(self, ids: list[int]) -> tuple[str, list[tuple[int, int]]]:
        """The text of token ids, and where each token begins and ends in it, in code points."""

    def has_pieces_for(self, text: str) -> bool:
        """Whether the text can be read and written as it is; a text of which nothing is left cannot."""

    def surface(self, text: str) -> str:
        """The text as pieces write it: normalised, with SentencePiece's sign for each space and one before the first
        word."""

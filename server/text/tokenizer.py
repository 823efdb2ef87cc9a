"""What every tokenizer offers, whatever its file format."""

from typing import NamedTuple, Protocol, Self


class Tokenizer(Protocol):
    eos: int
    """What ends a translation; no text has it."""
    names: list[str]
    """The piece of every id, special ones included."""
    texts: list[str]
    """What every id writes, with SentencePiece's sign for each space; empty for special ids, which write nothing."""

    @property
    def vocabulary_size(self) -> int: ...

    def encode(self, text: str) -> list[int]:
        """The token ids of a text, and nothing else: neither an end nor a language. No text has special ids, but for
        the unknown one."""

    def encode_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The token ids of a text, and where each token begins and ends in it, in code points. A token has the blanks
        before its word."""

    def decode(self, ids: list[int]) -> str: ...

    def decode_spans(self, ids: list[int]) -> tuple[str, list[tuple[int, int]]]:
        """The text of token ids, and where each token begins and ends in it, in code points."""

    def has_pieces_for(self, text: str) -> bool:
        """Whether the text can be read and written as it is; a text of which nothing is left cannot."""

    def surface(self, text: str) -> str:
        """The text as pieces write it: normalised, with SentencePiece's sign for each space and one before the first
        word."""


class Tokenizers(NamedTuple):
    """The tokenizers of a model's two sides."""

    source: Tokenizer
    target: Tokenizer
    """The source's own, where the sides have one."""

    @classmethod
    def one(cls, tokenizer: Tokenizer) -> Self:
        return cls(tokenizer, tokenizer)

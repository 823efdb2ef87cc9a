"""From text to token ids and back, and long texts cut at sentence ends."""

import re
from pathlib import Path

import sentencepiece

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'»”’)\]]*\s+|\n+")


class Tokenizer:
    """A bundle's SentencePiece model."""

    def __init__(self, path: Path, eos: int) -> None:
        self._processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        self._eos = eos

    def encode(self, text: str) -> list[int]:
        """Ids, ending with EOS."""
        ids: list[int] = self._processor.encode(text)
        return [*ids, self._eos]

    def decode(self, ids: list[int]) -> str:
        text: str = self._processor.decode(ids)
        return text


def split_sentences(text: str) -> list[str]:
    """Pieces of the text that end where a sentence ends, in order; only white space between them is lost."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    pieces = (text[start:end].strip() for start, end in zip([0, *ends], [*ends, len(text)], strict=True))
    return [piece for piece in pieces if piece]


def segment(text: str, tokenizer: Tokenizer, max_tokens: int) -> tuple[list[list[int]], int]:
    """The token ids of a text in as few segments of at most `max_tokens` as its sentence ends allow.

    Returns the segments, each ending with EOS, and the length of the longest one: greater than `max_tokens` if a
    single sentence is.
    """
    whole = tokenizer.encode(text)
    if len(whole) <= max_tokens:
        return [whole], len(whole)
    segments: list[list[int]] = []
    gathered = ""
    for sentence in split_sentences(text):
        longer = f"{gathered} {sentence}" if gathered else sentence
        if gathered and len(tokenizer.encode(longer)) > max_tokens:
            segments.append(tokenizer.encode(gathered))
            longer = sentence
        gathered = longer
    segments.append(tokenizer.encode(gathered))
    return segments, max(map(len, segments))

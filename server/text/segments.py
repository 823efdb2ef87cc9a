"""Where a text is cut into segments: at sentence ends, if it is longer than the model's limit."""

import re

from server.text.steps import Steps
from server.text.tokenizer import Tokenizer

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'»”’)\]]*\s+|\n+")


def split_sentences(text: str) -> list[str]:
    """Pieces of the text that end where a sentence ends, in order; only white space between them is lost."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    pieces = (text[start:end].strip() for start, end in zip([0, *ends], [*ends, len(text)], strict=True))
    return [piece for piece in pieces if piece]


def segment(text: str, tokenizer: Tokenizer, max_tokens: int) -> Steps[list[list[int]]]:
    """The token ids of a text in as few segments of at most `max_tokens` as its sentence ends allow.

    Each segment ends with EOS; one is longer than `max_tokens` if a single sentence is, and one that is EOS alone
    says that the text has nothing to translate.
    """
    whole = tokenizer.encode(text)
    yield
    if len(whole) <= max_tokens:
        return [whole]
    # Pieces of the vocabulary end at white space: the ids of sentences, put together, are the ids of the text.
    segments: list[list[int]] = [[]]
    for sentence in split_sentences(text):
        *ids, _ = tokenizer.encode(sentence)
        if segments[-1] and len(segments[-1]) + len(ids) + 1 > max_tokens:
            segments.append([])
        segments[-1] += ids
        yield
    return [[*ids, whole[-1]] for ids in segments]

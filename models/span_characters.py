"""Span characters: what a model reads and writes in place of protected spans, which are left as they are.

They are the first ones of Unicode's private use area, by which no text means anything: the first stands for a
sentence's first span, and so on. Each is a piece of the tokenizer. The server has the same ones, by
`server/bundle/span_pieces.py`.
"""

import re

FIRST_SPAN_CHARACTER = "\ue000"

NUM_SPAN_CHARACTERS = 4
"""How many of them the shared tokenizer has, and models are trained with."""

_RESERVED = re.compile("[\ue000-\uf8ff]")


def span_character(number: int) -> str:
    """What stands for a sentence's span of that number, from 0."""
    return chr(ord(FIRST_SPAN_CHARACTER) + number)


SPAN_CHARACTERS = "".join(map(span_character, range(NUM_SPAN_CHARACTERS)))


def find_spans(text: str) -> list[int]:
    """The numbers of a text's span characters, from 0, in the order in which they are there."""
    return [ord(character) - ord(FIRST_SPAN_CHARACTER) for character in _RESERVED.findall(text)]

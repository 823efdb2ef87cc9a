"""Names as carriers of protected spans (`carriers.py`), for models that have no span pieces.

With a common name in a span's place such a model reads a sentence like those that it was trained on, and mostly copies
the name.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from server.text.alphabet import Alphabet
from server.text.carriers import Carried, Found, find_carriers
from server.text.reading import Reading

_OPENING = "([{\"'“‘«¿¡"

_MAX_SPANS = 3
"""More names than that in one sentence are hardly ever all copied."""


def with_stand_ins(reading: Reading, alphabet: Alphabet) -> Reading | None:
    """What a model reads with a name in place of each span that was taken out. None where one of them is no word of the
    sentence (a tag, what is glued to words, or has neither letters nor digits, as an emoji), or there are too many."""
    names = [name for name in alphabet.names if name not in reading.text]
    if not 1 <= len(reading.protected) <= min(_MAX_SPANS, len(names)) or reading.is_upper:
        return None
    stand_ins: list[Carried] = []
    text: list[str] = []
    origins: list[int] = []
    done = 0
    for name, (at, span) in zip(names, reading.protected, strict=False):
        is_tag = span.start == span.end or span.literal.startswith("<")
        before, behind = reading.text[at - 1 : at], reading.text[at : at + 1]
        is_glued = before.isalnum() and behind.isalnum()
        if is_tag or is_glued or not any(map(str.isalnum, span.literal)) or (stand_ins and at == done):
            return None
        stand_ins.append(Carried(name, span))
        blank = " " if before and not before.isspace() and before not in _OPENING else ""
        inserted = f"{blank}{name}{' ' if behind.isalnum() else ''}"
        text += [reading.text[done:at], inserted]
        origins += [*reading.origins[done:at], *[span.start] * len(inserted)]
        done = at
    last = stand_ins[-1].span.start
    origins += (max(origin, last) for origin in reading.origins[done:])
    whole = "".join([*text, reading.text[done:]])
    return Reading(whole, origins, (), False, reading.num_unreadable, tuple(stand_ins))


def find_names(stand_ins: Sequence[Carried], output: str) -> Found | None:
    """The names in what a model wrote, without reserved characters, which carry nothing; None where one of them is not
    there exactly once, as a word, or they are in another order."""
    text, offsets, *_ = find_carriers(output, ())
    positions: list[int] = []
    for name, _ in stand_ins:
        matches = [match.start() for match in re.finditer(rf"(?<!\w){name}(?!\w)", text)]
        if len(matches) != 1:
            return None
        positions += matches
    if not all(first < second for first, second in pairwise(positions)):
        return None
    return Found(text, offsets, tuple(zip(positions, stand_ins, strict=True)))

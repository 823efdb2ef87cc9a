"""A name that stands in for a protected span, so that a model reads a whole sentence.

A span that is taken out may be the subject of its sentence, or its object; a model translates what is left as if nobody
were there. With a common name in its place the model reads a sentence like those that it was trained on, and mostly
copies the name; then the span is written where the name was.
"""

import re
from dataclasses import dataclass

from server.text.alphabet import Alphabet
from server.text.reading import Reading
from server.text.segment import Protected

_OPENING = "([{\"'“‘«¿¡"


@dataclass(frozen=True)
class StandIn:
    name: str
    span: Protected
    """What is written in the name's place."""

    def position(self, output: str) -> int | None:
        """Where the name is in what a model wrote; None where it is not there exactly once, as a word."""
        matches = [match.start() for match in re.finditer(rf"(?<!\w){self.name}(?!\w)", output)]
        return matches[0] if len(matches) == 1 else None


def with_stand_in(reading: Reading, alphabet: Alphabet) -> tuple[Reading, StandIn] | None:
    """What a model reads with a name in place of the one span that was taken out; None where that is no word of the
    sentence: a tag, what is glued to words, and what has neither letters nor digits, as an emoji."""
    if len(reading.protected) != 1 or reading.is_upper or alphabet.name is None:
        return None
    [(at, span)] = reading.protected
    before, behind = reading.text[:at], reading.text[at:]
    is_tag = span.start == span.end or span.literal.startswith("<")
    if is_tag or not any(map(str.isalnum, span.literal)) or alphabet.name in reading.text:
        return None
    if before[-1:].isalnum() and behind[:1].isalnum():
        return None
    inserted = alphabet.name
    if before and not before[-1].isspace() and before[-1] not in _OPENING:
        inserted = " " + inserted
    if behind[:1].isalnum():
        inserted += " "
    behind_span = (max(origin, span.start) for origin in reading.origins[at:])
    origins = [*reading.origins[:at], *[span.start] * len(inserted), *behind_span]
    whole = Reading(before + inserted + behind, origins, (), is_upper=False, num_unreadable=reading.num_unreadable)
    return whole, StandIn(alphabet.name, span)

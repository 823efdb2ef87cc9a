"""What a model reads of a segment: its text without what no model may touch and without what the vocabulary lacks.

Where the model has carriers for such spans (`carriers.py`), they are in the text instead. The answer says where
everything else was, so that `placing.py` can put it back; nothing here knows of translations.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.bundle.span_pieces import is_reserved
from server.text.alphabet import Alphabet
from server.text.capitals import is_in_capitals, lower
from server.text.carriers import Carried, CarriersOf, no_carriers
from server.text.segment import Protected, Segment
from server.text.steps import Steps
from server.text.unreadable import Atom, find_unreadable, take_atoms, take_together, with_enclosing

_LETTER = re.compile(r"[^\W\d_]")
_CLOSING = frozenset(".,;:!?)]}…”»’")
_ATOMS_PER_STEP = 200


@dataclass(frozen=True)
class Reading:
    text: str
    """What the tokenizer gets; empty if there is nothing to translate: then the segment is written as it is."""
    origins: Sequence[int]
    """For each code point of the text, and for its end, where that is in the segment's text, in code points: ascending.
    A range where the text is the segment's as it is."""
    protected: tuple[tuple[int, Protected], ...]
    """In order: where in the text each stood, from 0 to its length, and what is written there: what the segment
    protects and what the alphabet lacks, in coordinates of the segment's text, unless it is carried. Empty if the text
    is."""
    is_upper: bool
    """Whether it is translated in small letters, and to be answered in capitals."""
    num_unreadable: int
    """Code points of the segment that the alphabet lacks in every form, without those that the segment protects."""
    carried: tuple[Carried, ...] = ()
    """In order: the spans whose carriers are in the text, each once."""


def read(segment: Segment, alphabet: Alphabet, carriers_of: CarriersOf = no_carriers) -> Steps[Reading]:
    """What a model reads of a segment.

    Protected parts and what cannot be read, with brackets or quotation marks that enclose nothing else, have their
    carriers in their places, or are taken out, and the blanks around them become one. A text of which no letter is left
    has nothing to translate.
    """
    text = segment.text
    if not segment.protected and alphabet.has_all(text) and not text.isupper():
        if _LETTER.search(text):
            return Reading(text, range(len(text) + 1), (), False, 0)
        return Reading("", range(1), (), False, 0)
    atoms = yield from take_atoms(segment, alphabet)
    num_unreadable = sum(atom.end - atom.start for atom in atoms if atom.form is None)
    yield
    unreadable = yield from find_unreadable(segment, atoms)
    spans = yield from take_together(segment, unreadable)
    spans = yield from with_enclosing(segment, spans)
    builder = _Builder()
    yield from builder.build(atoms, spans, (yield from carriers_of(segment, spans)))
    if not _LETTER.search("".join(builder.characters)):
        return Reading("", range(1), (), False, num_unreadable)
    yield
    is_upper = builder.lower(text, alphabet)
    yield
    return Reading(
        "".join(builder.characters),
        builder.origins,
        tuple(builder.protected),
        is_upper,
        num_unreadable,
        tuple(builder.carried),
    )


class _Builder:
    """A text that grows by atoms, and what is between them."""

    def __init__(self) -> None:
        self.characters: list[str] = []
        self.origins: list[int] = []
        self.protected: list[tuple[int, Protected]] = []
        self.carried: list[Carried] = []
        self._end = 0
        """Of what the last character was made of, in the segment's text."""

    def build(self, atoms: list[Atom], spans: list[Protected], carriers: Mapping[int, str]) -> Steps[None]:
        """Put together what is outside spans, in which atoms lie whole, and carriers in place of spans, by their
        number."""
        at = 0
        for number, span in enumerate((*spans, None)):
            if number % _ATOMS_PER_STEP == 0:
                yield
            while at < len(atoms) and (span is None or atoms[at].start < span.start):
                self._add(atoms[at])
                at += 1
                if at % _ATOMS_PER_STEP == 0:
                    yield
            if span is not None:
                while at < len(atoms) and atoms[at].start < span.end:
                    at += 1
                if number in carriers:
                    self.carried.append(Carried(carriers[number], span))
                    self._extend(carriers[number], span.start, span.end - span.start)
                else:
                    self.protected.append((len(self.characters), span))
        while self.characters and self.characters[-1] == " ":
            self._remove_blank()
        self.origins.append(self._end)

    def _add(self, atom: Atom) -> None:
        form = atom.form or ""
        if not form:
            return
        is_behind_span = bool(self.protected) and self.protected[-1][0] == len(self.characters)
        if form == " " and (not self.characters or (is_behind_span and self.characters[-1] == " ")):
            return
        if is_behind_span and self.characters:
            before = self.characters[-1]
            if before == " " and form[0] in _CLOSING:
                self._remove_blank()
            elif before.isalnum() and form[0].isalnum() and self.protected[-1][1].end > self.protected[-1][1].start:
                self._extend(" ", self.protected[-1][1].end, 0)
        self._extend(form, atom.start, atom.end - atom.start)

    def _extend(self, form: str, start: int, length: int) -> None:
        is_as_it_is = len(form) == length
        self.origins += range(start, start + length) if is_as_it_is else [start] * len(form)
        self.characters += form
        self._end = start + length

    def _remove_blank(self) -> None:
        self.characters.pop()
        self._end = self.origins.pop()
        length = len(self.characters)
        at = len(self.protected)
        while at and self.protected[at - 1][0] > length:
            at -= 1
            self.protected[at] = (length, self.protected[at][1])

    def lower(self, source: str, alphabet: Alphabet) -> bool:
        """Write in small letters what is in capitals in the segment's text. Returns whether it is."""
        pairs = zip(self.characters, self.origins, strict=False)
        without_carriers = "".join("" if is_reserved(form) else source[origin] for form, origin in pairs)
        if not is_in_capitals(without_carriers.strip()):
            return False
        self.characters = lower("".join(self.characters), alphabet)
        return True

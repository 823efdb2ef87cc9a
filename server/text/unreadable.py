"""The parts of a segment that a vocabulary lacks, and how far they reach."""

import re
from typing import NamedTuple

import regex

from server.text.alphabet import Alphabet
from server.text.folding import fold
from server.text.html_tokens import escape
from server.text.segment import Protected, Segment
from server.text.steps import Steps

_WORD = re.compile("[^ ]+| ")
_CLUSTER: "regex.Pattern[str]" = regex.compile(r"\X")
_ATOMS_PER_STEP = 100

_ENCLOSING = {
    "(": ")",
    "[": "]",
    "{": "}",
    "<": ">",
    '"': '"',
    "'": "'",
    "“": "”",
    "‘": "’",
    "«": "»",
    "„": "“",
    "‹": "›",
}


class Atom(NamedTuple):
    """A word of a segment's text that can be read as it is, else a grapheme cluster; outside what the segment
    protects."""

    start: int
    end: int
    form: str | None
    """What a model reads for it; "" for what is invisible, None for what cannot be read."""
    is_wordlike: bool
    """Whether it has letters or numbers."""
    has_letter: bool


def take_atoms(segment: Segment, alphabet: Alphabet) -> Steps[list[Atom]]:
    """All of a segment's text but what it protects, in order."""
    atoms: list[Atom] = []
    start = num_steps = 0
    for gap_end, next_start in (*((span.start, span.end) for span in segment.protected), (len(segment.text), 0)):
        for word in _WORD.finditer(segment.text, start, gap_end):
            if alphabet.has_all(word.group()):
                atoms.append(_atom(*word.span(), word.group(), word.group()))
                num_steps += 1
            else:
                for match in _CLUSTER.finditer(segment.text, *word.span()):
                    atoms.append(_atom(*match.span(), match.group(), fold(match.group(), alphabet)))
                    num_steps += 1
                    if num_steps % _ATOMS_PER_STEP == 0:
                        yield
            if num_steps % _ATOMS_PER_STEP == 0:
                yield
        start = next_start
    return atoms


def _atom(start: int, end: int, text: str, form: str | None) -> Atom:
    return Atom(start, end, form, any(map(str.isalnum, text)), any(map(str.isalpha, text)))


def find_unreadable(segment: Segment, atoms: list[Atom]) -> Steps[list[Protected]]:
    """Runs of what cannot be read, in order.

    The rest of a word belongs to a letter or number in it that cannot be read; digits belong to a sign that stands
    before or behind them, as to the pound's. A run goes on over blanks and marks to the next word that cannot be read.
    """
    if all(atom.form is not None for atom in atoms):
        return []
    breaks = _breaks(segment)
    spans: list[Protected] = []
    run: tuple[int, int] | None = None
    at = 0
    while at < len(atoms):
        if at % _ATOMS_PER_STEP == 0:
            yield
        if atoms[at].form is not None:
            at += 1
            continue
        first, last = yield from _reach(segment.text, atoms, at, breaks)
        if run and (yield from _go_together(atoms, run[1], first, breaks)):
            run = run[0], last
        else:
            spans += [_span(segment, atoms, run)] if run else []
            run = first, last
        at = last + 1
    return [*spans, _span(segment, atoms, run)] if run else spans


def _span(segment: Segment, atoms: list[Atom], run: tuple[int, int]) -> Protected:
    start, end = atoms[run[0]].start, atoms[run[1]].end
    return Protected(start, end, _written(segment, segment.text[start:end]))


def _written(segment: Segment, text: str) -> str:
    return escape(text) if segment.is_html else text


def _breaks(segment: Segment) -> set[int]:
    """Where something of the segment begins or ends over which nothing goes."""
    return {
        *(at for span in segment.protected for at in (span.start, span.end)),
        *(at for element in segment.elements for at in (element.start, element.end)),
    }


def _reach(text: str, atoms: list[Atom], at: int, breaks: set[int]) -> Steps[tuple[int, int]]:
    """The first and last atom of what belongs to one that cannot be read."""
    first = last = at
    while first and atoms[first].start not in breaks and _belongs(text, atoms[first - 1], atoms[first], first < at):
        first -= 1
        if first % _ATOMS_PER_STEP == 0:
            yield
    while last + 1 < len(atoms) and atoms[last].end not in breaks:
        if not _belongs(text, atoms[last + 1], atoms[last], last > at):
            break
        last += 1
        if last % _ATOMS_PER_STEP == 0:
            yield
    return first, last


def _belongs(text: str, atom: Atom, reached: Atom, is_of_word: bool) -> bool:
    """Whether an atom beside one that belongs to a run does so too."""
    if atom.form is None or atom.form == "":
        return True
    if not atom.is_wordlike:
        return False
    if reached.is_wordlike:
        return True
    return text[atom.start].isdigit() or (is_of_word and reached.form == "")


def _go_together(atoms: list[Atom], last: int, first: int, breaks: set[int]) -> Steps[bool]:
    """Whether between two runs, of which one ends with the atom `last` and the next begins with `first`, there is
    nothing to translate."""
    if first <= last:
        return True
    are_words = atoms[last].is_wordlike and atoms[first].is_wordlike
    for number, atom in enumerate(atoms[last + 1 : first]):
        if number % _ATOMS_PER_STEP == _ATOMS_PER_STEP - 1:
            yield
        is_between = atom.form in (" ", "") or (are_words and not atom.has_letter)
        if not is_between or atom.start in breaks:
            return False
    return atoms[first].start not in breaks


def take_together(segment: Segment, unreadable: list[Protected]) -> Steps[list[Protected]]:
    """What a segment protects and what cannot be read, in order. What cannot be read and touches something that is
    protected is one with it."""
    breaks = {at for element in segment.elements for at in (element.start, element.end)}
    spans = [*((span, False) for span in segment.protected), *((span, True) for span in unreadable)]
    spans.sort(key=lambda span: span[0][:2])
    yield
    together: list[Protected] = []
    was_unreadable = False
    for number, (span, is_unreadable) in enumerate(spans):
        if number % _ATOMS_PER_STEP == 0:
            yield
        last = together[-1] if together else None
        touches = last is not None and last.start < last.end == span.start < span.end and span.start not in breaks
        if last and touches and (is_unreadable or was_unreadable):
            together[-1] = Protected(last.start, span.end, last.literal + span.literal)
        else:
            together.append(span)
        was_unreadable = is_unreadable
    return together


def with_enclosing(segment: Segment, spans: list[Protected]) -> Steps[list[Protected]]:
    """The spans, each with the brackets and quotation marks that enclose nothing else."""
    text, breaks = segment.text, {at for element in segment.elements for at in (element.start, element.end)}
    enclosed: list[Protected] = []
    for number, span in enumerate(spans):
        yield
        start, end, literal = span
        before = enclosed[-1].end if enclosed else 0
        after = spans[number + 1].start if number + 1 < len(spans) else len(text)
        while before < start < end < after and _ENCLOSING.get(text[start - 1]) == text[end]:
            if start in breaks or end in breaks:
                break
            start, end = start - 1, end + 1
        opening, closing = text[start : span.start], text[span.end : end]
        literal = f"{_written(segment, opening)}{literal}{_written(segment, closing)}"
        enclosed.append(Protected(start, end, literal))
    return enclosed

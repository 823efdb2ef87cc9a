"""Which terms of a request's glossary a segment has, as what a translation of it has to contain."""

import bisect
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import normalize

from server.errors import InvalidRequest, shown
from server.messages.options import RequiredTerm
from server.text.folding import plain
from server.text.glossary import Glossary
from server.text.html_tokens import escape
from server.text.pieces import contains
from server.text.reading import Reading
from server.text.segment import Protected, Segment
from server.text.steps import Steps
from server.text.tokenizer import Tokenizer, Tokenizers


@dataclass(frozen=True)
class FoundTerms:
    """What a glossary has for one segment."""

    protected: tuple[Protected, ...]
    """The segment's own, and terms whose target a model cannot write, so that it is put in by itself."""
    required: tuple[tuple[str, int, int], ...]
    """Target terms that the model writes, and where their source terms begin and end in the segment's text."""


class TermFinder:
    """A target term is tokenised once, and compared with the forbidden phrases once: when it is first found."""

    def __init__(self, glossary: Glossary, tokenizers: Tokenizers, forbidden_phrases: tuple[str, ...]) -> None:
        self._glossary = glossary
        self._source, self._target = tokenizers
        self._forbidden_phrases = forbidden_phrases
        self._ids: dict[str, tuple[int, ...]] = {}
        """Token ids of the target terms that were found, none of which is forbidden; empty where pieces are lacking, or
        are those of another text."""

    def find(self, segment: Segment) -> Steps[FoundTerms | None]:
        """None where there are none. Raises InvalidRequest for a term that is forbidden."""
        found = yield from self._glossary.terms_in(segment.text)
        if not found:
            return None
        protected, required = [], []
        ends = [span.end for span in segment.protected]
        for target, start, end in found:
            next_ = bisect.bisect_right(ends, start)
            if next_ < len(ends) and segment.protected[next_].start < end:
                continue  # an address, say, that has the term in it
            if target not in self._ids:
                self._ids[target] = yield from self._checked_ids(target)
            if self._ids[target]:
                required.append((target, start, end))
            else:
                protected.append(Protected(start, end, escape(target) if segment.is_html else target))
        return FoundTerms(tuple(heapq.merge(segment.protected, protected)), tuple(required))

    def required(self, found: FoundTerms, reading: Reading, num_before: int) -> tuple[RequiredTerm, ...]:
        """In the order of the source; without those of which the model reads nothing. `num_before`: tokens of the
        source before those of its text."""
        if not found.required:
            return ()
        _, spans = self._source.encode_spans(reading.text)
        token_starts, token_ends = [start for start, _ in spans], [end for _, end in spans]
        terms = []
        for target, start, end in found.required:
            first = bisect.bisect_left(reading.origins, start)
            last = bisect.bisect_left(reading.origins, end)
            tokens = range(bisect.bisect_right(token_ends, first), bisect.bisect_left(token_starts, last))
            if first < last and tokens:
                source = range(num_before + tokens.start, num_before + tokens.stop)
                terms.append(RequiredTerm(self._ids[target], source))
        return tuple(terms)

    def _checked_ids(self, target: str) -> Steps[tuple[int, ...]]:
        ids = tuple(self._target.encode(plain(target)))
        if not all(self._target.texts[id_] for id_ in ids) or self._is_changed(target, ids):
            return ()
        yield from check_allowed(ids, "decoding.glossary", self._forbidden_phrases, self._target)
        return ids

    def _is_changed(self, target: str, ids: Sequence[int]) -> bool:
        """Whether the tokenizer makes another text of a term, as 102 of 10²; blanks, and ways to encode a letter, do
        not count."""
        written = self._target.decode(list(ids))
        return normalize("NFC", " ".join(target.split())) != normalize("NFC", written)


def check_allowed(
    ids: Sequence[int], field: str, forbidden_phrases: tuple[str, ...], tokenizer: Tokenizer
) -> Steps[None]:
    """Raises InvalidRequest where what has to be written, which the vocabulary has pieces for, is forbidden."""
    surface = "".join(tokenizer.texts[id_] for id_ in ids)
    for index, phrase in enumerate(forbidden_phrases):
        if contains(surface, phrase):
            raise InvalidRequest(
                f"decoding.forbidden_phrases[{index}]", f"a text that is not in {field} expected, got {shown(phrase)}"
            )
        yield

"""Which terms of a request's glossary a source has, as what a translation of it has to contain."""

import bisect
import itertools

from server.errors import InvalidRequest, shown
from server.messages.options import RequiredTerm
from server.text.glossary import Glossary
from server.text.pieces import WORD_START, contains
from server.text.steps import Steps
from server.text.tokenizer import Tokenizer

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""What stands for characters that the vocabulary does not have: no word, so that it parts those beside it."""


class TermFinder:
    """A target term is tokenised once, and compared with the forbidden phrases once: when it is first found."""

    def __init__(
        self,
        glossary: Glossary,
        tokenizer: Tokenizer,
        forbidden_phrases: tuple[str, ...],
        known_ids: dict[str, tuple[int, ...]],
    ) -> None:
        """known_ids: of target terms that were tokenised already."""
        self._glossary = glossary
        self._tokenizer = tokenizer
        self._forbidden_phrases = forbidden_phrases
        self._known_ids = known_ids
        self._allowed: dict[str, tuple[int, ...]] = {}
        """Ids of the target terms that were found, none of which is forbidden."""

    def find(self, source_ids: list[int]) -> Steps[tuple[RequiredTerm, ...]]:
        """In the order of the source. Raises InvalidRequest for a term that is forbidden."""
        texts = [self._tokenizer.texts[id_] or _UNKNOWN for id_ in source_ids]
        ends = list(itertools.accumulate(map(len, texts)))
        found = yield from self._glossary.terms_in("".join(texts).replace(WORD_START, " "))
        terms = []
        for target, start, end in found:
            if target not in self._allowed:
                self._allowed[target] = yield from self._checked_ids(target)
            first, last = bisect.bisect_right(ends, start), bisect.bisect_left(ends, end)
            terms.append(RequiredTerm(self._allowed[target], range(first, last + 1)))
        return tuple(terms)

    def _checked_ids(self, target: str) -> Steps[tuple[int, ...]]:
        ids = self._known_ids.get(target) or tuple(self._tokenizer.encode(target)[:-1])
        yield from check_allowed(ids, "decoding.glossary", self._forbidden_phrases, self._tokenizer)
        return ids


def check_allowed(
    ids: tuple[int, ...], field: str, forbidden_phrases: tuple[str, ...], tokenizer: Tokenizer
) -> Steps[None]:
    """Raises InvalidRequest where what has to be written, which the vocabulary has pieces for, is forbidden."""
    surface = "".join(tokenizer.texts[id_] for id_ in ids)
    for index, phrase in enumerate(forbidden_phrases):
        if contains(surface, phrase):
            raise InvalidRequest(
                f"decoding.forbidden_phrases[{index}]", f"a text that is not in {field} expected, got {shown(phrase)}"
            )
        yield

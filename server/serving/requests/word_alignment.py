"""From the attention between tokens to pairs of words, which are counted over whole texts as people see them."""

import bisect
import re
from collections.abc import Sequence

import numpy as np

from server.serving.requests.parsed import KeptSegment, ParsedContent, ParsedSegment
from server.serving.requests.part import Part, written_spans
from server.text.steps import Steps
from server.text.tokenizer import Tokenizer, Tokenizers

_WORD = re.compile(r"\S+")

_NONE = -1
"""The word of a token that is in none."""


class _Words:
    """The words of a text: what white space separates."""

    def __init__(self, text: str) -> None:
        matches = [match.span() for match in _WORD.finditer(text)]
        self._starts = [start for start, _ in matches]
        self._ends = [end for _, end in matches]

    def at(self, position: int) -> int:
        """Number of the word that a code point is in."""
        word = bisect.bisect_right(self._starts, position) - 1
        return word if word >= 0 and position < self._ends[word] else _NONE


class WordAligner:
    """Aligns the words of one content."""

    def __init__(self, content: ParsedContent, tokenizers: Tokenizers) -> None:
        self._content = content
        self._tokenizers = tokenizers
        self._source_words = _Words(content.text)

    def align(self, parts: Sequence[Part]) -> Steps[str]:
        """Pairs as in Moses, "0-0 1-2", by output word: each has the source word that its tokens attend to most.

        parts: of each segment its translation.
        """
        pairs: dict[int, int] = {}
        text = self._content.given or self._content.translated(part.text for part in parts)
        output_words = _Words(text)
        start, number = 0, 0
        for item in self._content.items:
            if not isinstance(item, ParsedSegment):
                start += len(item.text) if isinstance(item, KeptSegment) else len(item)
                continue
            yield
            part = parts[number]
            number += 1
            for source, output in self._pairs(item, part, start, output_words):
                pairs.setdefault(output, source)
            start += len(part.text)
        return " ".join(f"{pairs[output]}-{output}" for output in sorted(pairs))

    def _pairs(self, segment: ParsedSegment, part: Part, start: int, output_words: _Words) -> list[tuple[int, int]]:
        """`start`: where the segment's translation begins."""
        source_words = self._words_of_source(segment)
        of_output = np.array(_words_of_output(segment, part, start, output_words, self._tokenizers.target), int)
        pairs = []
        for span, at in part.spans:
            source = self._source_words.at(segment.segment.origins[span.start])
            output = output_words.at(start + at)
            if span.end > span.start and _NONE not in (source, output):
                pairs.append((source, output))
        ids = part.hypothesis.output_ids
        if not source_words or not ids:
            return pairs
        of_text = slice(segment.num_before, segment.num_before + len(source_words))
        weights = np.stack(part.hypothesis.attention[: len(ids)])[:, of_text]
        numbers, columns = np.unique(source_words, return_inverse=True)
        for output in np.unique(of_output):
            if output == _NONE:
                continue
            by_word = np.bincount(columns, weights[of_output == output].sum(axis=0), len(numbers))
            by_word[numbers == _NONE] = -1.0
            source = int(numbers[by_word.argmax()])
            if source != _NONE:
                pairs.append((source, int(output)))
        return pairs

    def _words_of_source(self, segment: ParsedSegment) -> list[int]:
        """The word of each token of the source's text."""
        _, spans = self._tokenizers.source.encode_spans(segment.reading.text)
        words = []
        for first, end in spans:
            in_segment = segment.reading.origins[max(end - 1, first)]
            words.append(self._source_words.at(segment.segment.origins[in_segment]))
        return words


def _words_of_output(
    segment: ParsedSegment, part: Part, start: int, output_words: _Words, tokenizer: Tokenizer
) -> list[int]:
    """The word of each output token."""
    if segment.given:
        _, spans = tokenizer.encode_spans(segment.given.reading.text)
        origins, given = segment.given.reading.origins, segment.given.segment
        return [output_words.at(given.origins[origins[max(end - 1, first)]]) for first, end in spans]
    words = []
    for first, end in written_spans(segment, part.hypothesis.output_ids, tokenizer):
        last = max(end - 1, first)
        words.append(output_words.at(start + (part.offsets[last] if part.offsets else last)))
    return words

"""Pairs of words, counted over whole texts as people see them."""

import numpy as np
import pytest

from models.seq2seq import EOS
from server.messages.hypothesis import Ending, Hypothesis
from server.messages.options import DecodingOptions
from server.serving.requests.parsed import GivenTranslation, ParsedContent, ParsedSegment
from server.serving.requests.part import finished_part
from server.serving.requests.word_alignment import WordAligner
from server.text.reading import Reading
from server.text.segment import Protected, Segment
from server.text.tokenizer import Tokenizer, Tokenizers
from tests.fakes import all_at_once

OPTIONS = DecodingOptions(max_output_tokens=99, alignment=True)


def parsed(tokenizer: Tokenizer, text: str, start: int = 0) -> ParsedSegment:
    reading = Reading(text, range(len(text) + 1), (), is_upper=False, num_unreadable=0)
    source_ids = [*tokenizer.encode(text), EOS]
    return ParsedSegment(Segment(text, range(start, start + len(text) + 1)), reading, source_ids, OPTIONS)


def copied(tokenizer: Tokenizer, segment: ParsedSegment, order: list[int] | None = None) -> Hypothesis:
    """A translation that is the source, each token attending to itself; order: of the words, if another one."""
    words = segment.reading.text.split()
    ids_of = [tokenizer.encode(word) for word in words]
    starts = np.cumsum([0, *map(len, ids_of)])
    output_ids: list[int] = []
    attention = []
    for word in order or range(len(words)):
        for number, id_ in enumerate(ids_of[word]):
            output_ids.append(id_)
            row = np.zeros(len(segment.source_ids), np.float32)
            row[starts[word] + number] = 1.0
            attention.append(row)
    attention.append(np.full(len(segment.source_ids), 1 / len(segment.source_ids), np.float32))
    return Hypothesis(output_ids, attention=attention, ending=Ending.EOS)


def align(tokenizer: Tokenizer, content: ParsedContent, *hypotheses: Hypothesis) -> str:
    parts = []
    for segment, hypothesis in zip(content.segments, hypotheses, strict=True):
        part = all_at_once(finished_part(segment, hypothesis, Tokenizers.one(tokenizer)))
        assert part
        parts.append(part)
    return all_at_once(WordAligner(content, Tokenizers.one(tokenizer)).align(parts))


def test_every_output_word_has_the_source_word_that_it_attends_to_most(tokenizer: Tokenizer) -> None:
    segment = parsed(tokenizer, "the black cat sleeps")
    hypothesis = copied(tokenizer, segment, [0, 2, 1, 3])
    assert align(tokenizer, ParsedContent("the black cat sleeps", (segment,)), hypothesis) == "0-0 2-1 1-2 3-3"


def test_words_are_counted_over_the_whole_content_and_its_separators(tokenizer: Tokenizer) -> None:
    first, second = parsed(tokenizer, "The cat sleeps.", 2), parsed(tokenizer, "She smiled.", 20)
    content = ParsedContent("- The cat sleeps.\n- She smiled.", ("- ", first, "\n- ", second))
    hypotheses = [copied(tokenizer, segment) for segment in (first, second)]
    assert align(tokenizer, content, *hypotheses) == "1-1 2-2 3-3 5-5 6-6"


def test_a_protected_span_belongs_to_itself(tokenizer: Tokenizer) -> None:
    span = Protected(4, 10, "{name}")
    source = Segment("the {name} cat", range(15), (span,))
    origins = [0, 1, 2, 3, 11, 12, 13, 14]
    reading = Reading("the cat", origins, ((4, span),), is_upper=False, num_unreadable=0)
    segment = ParsedSegment(source, reading, [*tokenizer.encode("the cat"), EOS], OPTIONS)
    content = ParsedContent("the {name} cat", (segment,))
    assert align(tokenizer, content, copied(tokenizer, segment)) == "0-0 1-1 2-2"


def test_the_words_of_a_given_translation_are_counted_as_it_was_given(tokenizer: Tokenizer) -> None:
    source, target = parsed(tokenizer, "the cat sleeps"), "  the   cat sleeps"
    reading = Reading("the cat sleeps", [2, 3, 4, 5, 8, 9, 10, 11, *range(12, 19)], (), False, 0)
    given = GivenTranslation(Segment(target, range(len(target) + 1)), reading)
    segment = ParsedSegment(source.segment, source.reading, source.source_ids, OPTIONS, given=given)
    content = ParsedContent("the cat sleeps", (segment,), given=target)
    assert align(tokenizer, content, copied(tokenizer, segment)) == "0-0 1-1 2-2"


@pytest.mark.parametrize("hypothesis", [Hypothesis(ending=Ending.CONSTRAINTS)])
def test_without_words_there_are_no_pairs(tokenizer: Tokenizer, hypothesis: Hypothesis) -> None:
    segment = parsed(tokenizer, "the cat")
    assert align(tokenizer, ParsedContent("the cat", (segment,)), hypothesis) == ""

"""Phrases that no translation may contain, however pieces cut them."""

import re
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.decoding.search.constraints import ForbiddenPhrases
from server.text.pieces import WORD_START, Int64, Pieces, contains
from server.text.tokenizer import Tokenizer
from tests.decoding.constrained_scores import (
    PIECES,
    after,
    allowed,
    constrained,
    ends_of,
    occurs,
    phrases,
    scores_of,
    vocabularies,
    with_tokenizer,
)
from tests.small_models import SENTENCES


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ([], ["pain", "▁pain", "▁du▁pain"]),
        (["▁pa"], ["in", "▁pain", "▁du▁pain"]),
        (["▁"], ["pain", "▁pain", "▁du▁pain"]),
        (["▁", "p"], ["▁pain", "▁du▁pain"]),
        (["▁", "p", "a"], ["in", "▁pain", "▁du▁pain"]),
        (["'"], ["pain", "▁pain", "▁du▁pain"]),
        (["▁co"], ["▁pain", "▁du▁pain"]),
        (["▁co", "p", "a"], ["▁pain", "▁du▁pain"]),
    ],
)
def test_a_forbidden_word_is_not_written_however_it_is_cut(text: list[str], forbidden: list[str]) -> None:
    assert set(after(text, PIECES, "pain")) == {piece for piece in PIECES.texts if piece} - set(forbidden)


def test_a_word_that_ends_with_a_forbidden_one_may_be_written() -> None:
    assert "▁copain" in after([], PIECES, "pain")
    assert "pain" in after(["▁co"], PIECES, "pain")
    assert "in" in after(["▁co", "p", "a"], PIECES, "pain")


def test_a_word_that_begins_with_a_forbidden_one_may_not_be_written() -> None:
    assert "▁pains" not in after([], Pieces(["▁pains", "▁pain", "▁pai"]), "pain")


def test_letter_case_of_a_forbidden_phrase_counts() -> None:
    assert after([], Pieces(["▁pain", "▁Pain"]), "pain") == ["▁Pain"]


def test_the_words_of_a_forbidden_phrase_are_free_without_each_other() -> None:
    pieces = Pieces(["▁pain", "▁noir", "▁", "noir", "▁no", "▁pain▁noir"])
    assert after([], pieces, "pain▁noir") == ["▁pain", "▁noir", "▁", "noir", "▁no"]
    assert after(["▁pain"], pieces, "pain▁noir") == ["▁pain", "▁", "noir", "▁no"]
    assert after(["▁pain", "▁"], pieces, "pain▁noir") == ["▁pain", "▁noir", "▁", "▁no"]


def test_a_phrase_is_found_behind_its_own_beginning() -> None:
    """What goes on may have begun more than once."""
    pieces = Pieces(["▁a", "a", "'", "b"])
    assert after(["▁a", "'", "a", "'"], pieces, "a'a'b") == ["▁a", "a", "'"]
    assert after(["▁a", "'", "a", "'", "a", "'"], pieces, "a'a'b") == ["▁a", "a", "'"]


@given(pieces=vocabularies, forbidden=st.lists(phrases, min_size=1, max_size=4), data=st.data())
def test_forbidden_phrases_never_begin_a_word_and_nothing_else_is_forbidden(
    pieces: Pieces, forbidden: list[str], data: st.DataObject
) -> None:
    """However the vocabulary cuts them, whatever is written of what is allowed."""
    constraint = ForbiddenPhrases(forbidden, pieces)
    output: list[int] = []
    for _ in range(12):
        written = "".join(pieces.texts[id_] for id_ in output)
        scores = scores_of(size=len(pieces.texts))
        constraint.apply(scores, output)
        harmless = [
            id_
            for id_, text in enumerate(pieces.texts)
            if not text or not any(occurs(phrase, written + text) for phrase in forbidden)
        ]
        assert allowed(scores) == harmless
        visible = [id_ for id_ in harmless if pieces.texts[id_]]
        if not visible:
            break
        output.append(data.draw(st.sampled_from(visible)))


@given(pieces=vocabularies, phrase=phrases, output=st.lists(st.integers(0, 24), max_size=12))
def test_a_piece_is_forbidden_if_it_completes_a_phrase_whatever_stands_before_it(
    pieces: Pieces, phrase: str, output: list[int]
) -> None:
    """Even the phrase, as a prefix may have it: what is written counts, as far as the phrase reaches back."""
    written_ids = [id_ for id_ in output if id_ < len(pieces.texts) and pieces.texts[id_]]
    written = "".join(pieces.texts[id_] for id_ in written_ids)
    scores = scores_of(size=len(pieces.texts))
    ForbiddenPhrases([phrase], pieces).apply(scores, written_ids)
    expected = [
        id_
        for id_, text in enumerate(pieces.texts)
        if not any(end > len(written) for end in ends_of(phrase, written + text))
    ]
    assert allowed(scores) == expected


def test_phrases_are_looked_up_once_for_all_sentences_of_a_request() -> None:
    class CountingPieces(Pieces):
        num_lookups = 0

        def containing(self, text: str) -> Int64:
            self.num_lookups += 1
            return super().containing(text)

    pieces = CountingPieces(["", "", "", "", "▁a", "▁b", "▁c", "▁d", "▁e"])
    for phrase, writable in (("a", [5, 6, 7, 8]), ("b", [4, 6, 7, 8]), ("a", [5, 6, 7, 8])):
        assert allowed(constrained([], pieces=pieces, forbidden_phrases=(phrase,))) == writable
    assert pieces.num_lookups == 2
    others = Pieces(["", "", "", "", "▁b", "▁a", "▁c", "▁d", "▁e"])
    assert allowed(constrained([], pieces=others, forbidden_phrases=("a",))) == [4, 6, 7, 8]


def test_a_phrase_costs_no_scan_over_the_vocabulary() -> None:
    """A vocabulary of a hundred times as many pieces takes less than ten times as long."""

    def seconds(vocabulary_size: int) -> float:
        """Of the processor, at best."""
        pieces = Pieces([f"▁{number:x}e{number}" for number in range(vocabulary_size)])
        phrase_lists = [[f"{number}e"] for number in range(100, 200)]

        def once() -> float:
            begun = time.thread_time()
            for phrase_list in phrase_lists:
                ForbiddenPhrases(phrase_list, pieces)
            return time.thread_time() - begun

        return min(once() for _ in range(5))

    assert seconds(60_000) < 10 * seconds(600)


@given(text=st.text("pain▁'", max_size=12), phrase=phrases)
def test_a_text_contains_a_phrase_where_it_begins_a_word(text: str, phrase: str) -> None:
    assert contains(text, phrase) == occurs(phrase, text)


@with_tokenizer
@given(sentence=st.sampled_from(SENTENCES), data=st.data())
def test_a_word_of_a_sentence_is_not_in_the_text_that_a_real_vocabulary_writes(
    tokenizer: Tokenizer, sentence: str, data: st.DataObject
) -> None:
    """Its own pieces are preferred, so that it is about to be written most of the time."""
    word = data.draw(st.sampled_from(re.findall(r"\w+", sentence)))
    constraint = ForbiddenPhrases([tokenizer.surface(word).lstrip(WORD_START)], Pieces(tokenizer.texts))
    own = sorted({id_ for id_, text in enumerate(tokenizer.texts) if text and text.strip(WORD_START) in word})
    output: list[int] = []
    for _ in range(10):
        scores = scores_of(size=tokenizer.vocabulary_size)
        constraint.apply(scores, output)
        output.append(data.draw(st.sampled_from([id_ for id_ in own if scores[id_] > -np.inf])))
    assert re.search(rf"(?<![^\W_]){re.escape(word)}", tokenizer.decode(output)) is None

import math
import re
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.bundle.manifest import SpecialIds
from server.decoding.search.constraints import Constraints, ForbiddenPhrases
from server.messages.hypothesis import Float32
from server.messages.options import DecodingOptions
from server.text.pieces import WORD_START, Int64, Pieces, contains
from server.text.tokenizer import Tokenizer
from tests.fakes import NO_PIECES
from tests.small_models import SENTENCES

PAD, UNKNOWN, BOS, EOS = 0, 1, 2, 3
SPECIAL_IDS = SpecialIds(start=BOS, eos=EOS, pad=PAD, unknown=UNKNOWN, never_written=(PAD, UNKNOWN, BOS))
VOCABULARY_SIZE = 9
MAX_OUTPUT = 12

with_tokenizer = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

PIECES = Pieces(["", "", "", "", "▁pain", "pain", "▁pa", "in", "p", "a", "▁", "▁co", "▁copain", "s", "'", "▁du▁pain"])

texts = st.text("pain▁'", min_size=1, max_size=4)
vocabularies = st.lists(st.one_of(texts, st.just("")), min_size=1, max_size=25).map(Pieces)
phrases = st.text("pain▁'", min_size=1, max_size=5).map(lambda text: text.strip(WORD_START)).filter(bool)


def scores_of(log_probs: Sequence[float] = (), size: int = VOCABULARY_SIZE) -> Float32:
    scores = np.full(size, -1.0, np.float32)
    scores[: len(log_probs)] = log_probs
    return scores


def allowed(scores: Float32) -> list[int]:
    return np.flatnonzero(scores > -np.inf).tolist()


def constrained(
    output_ids: Sequence[int], scores: Float32 | None = None, pieces: Pieces = NO_PIECES, **options: Any
) -> Float32:
    """The scores after all constraints of the options."""
    changed = scores_of() if scores is None else scores
    Constraints(DecodingOptions(max_output_tokens=MAX_OUTPUT, **options), SPECIAL_IDS, pieces).apply(
        changed, output_ids
    )
    return changed


def written_at_random(seed: int, **options: Any) -> list[int]:
    """Greedily, from random scores that like to repeat themselves."""
    generator = np.random.default_rng(seed)
    constraints = Constraints(DecodingOptions(max_output_tokens=MAX_OUTPUT, **options), SPECIAL_IDS, NO_PIECES)
    favourites = generator.normal(size=VOCABULARY_SIZE) * 3
    output: list[int] = []
    while len(output) < MAX_OUTPUT:
        scores = (favourites + generator.normal(size=VOCABULARY_SIZE) - 9).astype(np.float32)
        constraints.apply(scores, output)
        if not allowed(scores) or scores.argmax() == EOS:
            break
        output.append(int(scores.argmax()))
    return output


def occurs(phrase: str, text: str) -> bool:
    """At the beginning of a word, if it begins with one."""
    return bool(ends_of(phrase, text))


def ends_of(phrase: str, text: str) -> list[int]:
    """Where the phrase ends in the text."""
    starts_anywhere = not phrase[0].isalnum()
    return [
        at + len(phrase)
        for at in range(len(text))
        if text.startswith(phrase, at) and (starts_anywhere or at == 0 or not text[at - 1].isalnum())
    ]


def after(text: list[str], pieces: Pieces, phrase: str) -> list[str]:
    """Pieces that may follow what the pieces `text` write, where the phrase is forbidden."""
    scores = scores_of(size=len(pieces.texts))
    ForbiddenPhrases([phrase], pieces).apply(scores, [list(pieces.texts).index(piece) for piece in text])
    return [pieces.texts[id_] for id_ in allowed(scores) if pieces.texts[id_]]


def test_no_translation_contains_padding_unknown_or_a_second_beginning() -> None:
    assert allowed(constrained([4])) == [EOS, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("min_output_tokens", [0, 1])
def test_the_end_is_never_the_first_token(min_output_tokens: int) -> None:
    assert allowed(constrained([], min_output_tokens=min_output_tokens)) == [4, 5, 6, 7, 8]


def test_where_all_words_are_forbidden_a_translation_may_begin_with_nothing() -> None:
    pieces = Pieces(["", "", "", "", *["▁a"] * 5])
    assert allowed(constrained([], pieces=pieces, forbidden_phrases=("a",))) == []


def test_without_options_the_other_scores_stay_as_they_are() -> None:
    scores = scores_of([-9.0] * 4 + [-0.5, -1.5])
    assert constrained([4, 4, 4], scores.copy())[EOS:].tolist() == scores[EOS:].tolist()


def test_a_prefix_is_written_token_by_token_and_then_all_is_free() -> None:
    for position, id_ in enumerate((5, 6, 5)):
        assert allowed(constrained((5, 6, 5)[:position], prefix=(5, 6, 5))) == [id_]
    assert allowed(constrained((5, 6, 5), prefix=(5, 6, 5))) == [EOS, 4, 5, 6, 7, 8]


def test_a_prefix_wins_over_all_that_is_forbidden() -> None:
    pieces = Pieces(["", "", "", "", "", "▁pain", "", "", ""])
    options: dict[str, Any] = {
        "prefix": (5, 5, EOS, UNKNOWN),
        "min_output_tokens": 9,
        "no_repeat_ngram_size": 1,
        "repetition_penalty": 5.0,
        "forbidden_phrases": ("pain",),
    }
    for position, id_ in enumerate((5, 5, EOS, UNKNOWN)):
        scores = constrained((5, 5, EOS, UNKNOWN)[:position], pieces=pieces, **options)
        assert allowed(scores) == [id_]
        assert scores[id_] == -1.0, "what is forced costs what the model says"


def test_what_a_prefix_has_written_counts_for_what_follows() -> None:
    assert allowed(constrained((5, 6), prefix=(5, 6), no_repeat_ngram_size=1)) == [EOS, 4, 7, 8]


def test_there_is_no_end_before_the_fewest_tokens() -> None:
    assert EOS not in allowed(constrained([4, 4], min_output_tokens=3))
    assert EOS in allowed(constrained([4, 4, 4], min_output_tokens=3))


@pytest.mark.parametrize(
    ("output_ids", "size", "forbidden"),
    [
        ([4, 5, 4], 2, [5]),
        ([4, 5, 4, 6, 4], 2, [5, 6]),
        ([4, 5], 2, []),
        ([4, 4], 2, [4]),
        ([4, 5, 6, 4, 5], 3, [6]),
        ([4, 5, 6, 5], 3, []),
        ([4, 5], 1, [4, 5]),
        ([4], 2, []),
        ([], 1, []),
    ],
)
def test_tokens_that_would_write_an_ngram_twice_are_forbidden_and_no_others(
    output_ids: list[int], size: int, forbidden: list[int]
) -> None:
    scores = constrained(output_ids, no_repeat_ngram_size=size)
    first = EOS if output_ids else EOS + 1
    assert allowed(scores) == [id_ for id_ in range(first, VOCABULARY_SIZE) if id_ not in forbidden]


@given(seed=st.integers(0, 10_000), size=st.integers(1, 4))
def test_no_ngram_is_written_twice(seed: int, size: int) -> None:
    output = written_at_random(seed, no_repeat_ngram_size=size)
    ngrams = [tuple(output[at : at + size]) for at in range(len(output) - size + 1)]
    assert len(ngrams) == len(set(ngrams))


@given(seed=st.integers(0, 10_000), number=st.integers(0, MAX_OUTPUT))
def test_no_output_is_shorter_than_the_fewest_tokens(seed: int, number: int) -> None:
    assert len(written_at_random(seed, min_output_tokens=number)) >= number


def test_the_repetition_penalty_multiplies_the_log_probability_of_what_was_written_once() -> None:
    scores = constrained([5, 7, 5], scores_of([-1.0] * 4 + [-0.5, -0.5, -2.0, -2.0]), repetition_penalty=1.5)
    assert scores[4:8].tolist() == [-0.5, -0.75, -2.0, -3.0]
    assert scores[EOS] == -1.0


def test_a_penalty_leaves_what_is_impossible_impossible() -> None:
    scores = constrained([5], scores_of([-1.0] * 5 + [-math.inf]), repetition_penalty=2.0)
    assert scores[5] == -np.inf


def test_all_that_is_forbidden_is_forbidden_at_once() -> None:
    pieces = Pieces(["", "", "", "", "▁a", "▁b", "▁c", "▁d", "▁e"])
    scores = constrained(
        [4, 5, 4],
        pieces=pieces,
        min_output_tokens=4,
        no_repeat_ngram_size=2,
        forbidden_phrases=("c", "d▁e"),
    )
    assert allowed(scores) == [4, 7, 8]


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


vocabulary_texts = st.lists(st.text("abé▁'😀", max_size=5), max_size=30)
queries = st.text("abé▁'😀", min_size=1, max_size=3)


@given(texts=vocabulary_texts, query=queries)
def test_pieces_that_begin_with_a_text_are_those_that_a_plain_scan_finds(texts: list[str], query: str) -> None:
    expected = [id_ for id_, text in enumerate(texts) if text.startswith(query)]
    assert sorted(Pieces(texts).beginning_with(query).tolist()) == expected


@given(texts=vocabulary_texts, query=queries)
def test_pieces_that_contain_a_text_inside_are_those_that_a_plain_scan_finds(texts: list[str], query: str) -> None:
    expected = {
        id_
        for id_, text in enumerate(texts)
        for at in range(1, len(text))
        if text.startswith(query, at) and not (query[0].isalnum() and text[at - 1].isalnum())
    }
    assert set(Pieces(texts).containing(query).tolist()) == expected


def test_letters_and_digits_make_a_word_longer_and_nothing_else_does() -> None:
    pieces = Pieces(["", "s", "é", "7", "▁s", "'s", ".", "▁"])
    assert pieces.continues_word.tolist() == [False, True, True, True, False, False, False, False]


def test_special_ids_of_a_tokenizer_write_nothing(tokenizer: Tokenizer) -> None:
    assert [tokenizer.texts[id_] for id_ in (PAD, UNKNOWN, BOS, EOS)] == [""] * 4
    assert all(tokenizer.texts[EOS + 1 :])


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_surface_is_what_the_pieces_of_a_text_write(tokenizer: Tokenizer, sentence: str) -> None:
    written = "".join(tokenizer.texts[id_] for id_ in tokenizer.encode(sentence))
    assert tokenizer.surface(sentence) == written
    assert tokenizer.surface(sentence).replace(WORD_START, " ").strip() == sentence


def test_the_surface_keeps_characters_that_the_vocabulary_does_not_have(tokenizer: Tokenizer) -> None:
    """A phrase that no translation can contain does not become another that one can."""
    assert tokenizer.surface("  the   日本 ") == "▁the▁日本"

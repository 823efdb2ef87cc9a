import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.messages.hypothesis import Float32
from server.serving.requests.word_alignment import word_numbers, word_pairs
from server.text.tokenizer import Tokenizer
from tests.small_models import SENTENCES

one_word = st.lists(st.sampled_from(["a", "bc", "'", "."]), min_size=1, max_size=3)
texts_in_pieces = st.lists(st.tuples(one_word, st.booleans()), max_size=5)
"""Words in pieces, and whether the space before each is a piece of its own."""


def attention(*rows: list[float]) -> list[Float32]:
    return [np.array(row, np.float32) for row in rows]


@pytest.mark.parametrize(
    ("pieces", "numbers"),
    [
        (["▁the", "▁cat"], [0, 1]),
        (["▁the", "▁c", "at", "s", "▁sleep"], [0, 1, 1, 1, 2]),
        (["▁cat", ".", '▁"', "dog", '"'], [0, 0, 1, 1, 1]),
        (["▁", "cat", "▁dog"], [0, 0, 1]),
        (["▁a", "▁", "cat", "s"], [0, 1, 1, 1]),
        (["▁a", "▁", "▁b"], [0, 1, 1]),
        (["▁a", "▁", "▁", "b"], [0, 1, 1, 1]),
        (["cat", "s", "▁dog"], [0, 0, 1]),
        (["▁"], [0]),
        ([], []),
    ],
)
def test_each_piece_has_the_number_of_its_word(pieces: list[str], numbers: list[int]) -> None:
    assert word_numbers(pieces) == numbers


@given(texts_in_pieces)
def test_words_are_counted_as_white_space_separates_them(words: list[tuple[list[str], bool]]) -> None:
    pieces, expected = [], []
    for number, (word, has_lone_space) in enumerate(words):
        written = ["▁", *word] if has_lone_space else ["▁" + word[0], *word[1:]]
        pieces += written
        expected += [number] * len(written)
    assert word_numbers(pieces) == expected
    assert len(set(expected)) == len("".join(pieces).replace("▁", " ").split())


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_has_as_many_words_as_its_pieces_say(tokenizer: Tokenizer, sentence: str) -> None:
    names = [tokenizer.names[id_] for id_ in tokenizer.encode(sentence)[:-1]]
    assert word_numbers(names)[-1] + 1 == len(sentence.split())


def test_every_output_word_has_the_source_word_that_it_attends_to_most() -> None:
    weights = attention([0.1, 0.8, 0.1], [0.7, 0.2, 0.1], [0.0, 0.1, 0.9])
    assert word_pairs(["▁black", "▁cat", "▁sleeps"], ["▁chat", "▁noir", "▁dort"], weights) == [(1, 0), (0, 1), (2, 2)]


def test_the_attention_of_all_pieces_of_both_words_is_added_up() -> None:
    """No single piece of the second source word gets most from any piece of the output word."""
    weights = attention([0.4, 0.3, 0.3], [0.4, 0.3, 0.3])
    assert word_pairs(["▁the", "▁c", "at"], ["▁ch", "at"], weights) == [(1, 0)]


def test_one_piece_that_is_sure_outweighs_one_that_is_not() -> None:
    weights = attention([0.55, 0.45], [0.0, 1.0])
    assert word_pairs(["▁a", "▁b"], ["▁x", "y"], weights) == [(1, 0)]


def test_the_end_of_the_source_is_no_word() -> None:
    assert word_pairs(["▁a", "▁b"], ["▁x"], attention([0.1, 0.2, 0.7])) == [(1, 0)]


def test_the_attention_of_the_outputs_end_counts_for_no_word() -> None:
    assert word_pairs(["▁a", "▁b"], ["▁x"], attention([0.6, 0.4], [0.0, 1.0])) == [(0, 0)]


def test_two_output_words_may_belong_to_one_source_word() -> None:
    assert word_pairs(["▁a", "▁b"], ["▁x", "▁y"], attention([0.1, 0.9], [0.2, 0.8])) == [(1, 0), (1, 1)]


def test_a_space_that_stands_alone_belongs_to_the_word_behind_it() -> None:
    weights = attention([0.9, 0.1], [0.4, 0.6], [0.4, 0.6])
    assert word_pairs(["▁a", "▁b"], ["▁x", "▁", "y"], weights) == [(0, 0), (1, 1)]


@pytest.mark.parametrize(("source", "output"), [([], ["▁x"]), (["▁a"], []), ([], [])])
def test_without_words_there_are_no_pairs(source: list[str], output: list[str]) -> None:
    assert word_pairs(source, output, attention(*[[1.0, 0.0] for _ in output])) == []


def test_a_space_at_the_end_is_no_word() -> None:
    assert word_pairs(["▁a", "▁b"], ["▁x", "▁"], attention([0.9, 0.1], [0.1, 0.9])) == [(0, 0)]


@given(words=texts_in_pieces.filter(bool), num_source=st.integers(1, 5), seed=st.integers(0, 1000))
def test_every_output_word_is_in_one_pair_in_order(
    words: list[tuple[list[str], bool]], num_source: int, seed: int
) -> None:
    output = [piece for word, _ in words for piece in ["▁" + word[0], *word[1:]]]
    weights = list(np.random.default_rng(seed).dirichlet(np.ones(num_source + 1), len(output)).astype(np.float32))
    pairs = word_pairs(["▁a"] * num_source, output, weights)
    assert [target for _, target in pairs] == list(range(len(words)))
    assert all(0 <= source < num_source for source, _ in pairs)

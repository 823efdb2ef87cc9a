"""What the pieces of a vocabulary write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.seq2seq import BOS, EOS, PAD, UNKNOWN
from server.text.pieces import WORD_START, Pieces
from server.text.tokenizer import Tokenizer
from tests.small_models import SENTENCES

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

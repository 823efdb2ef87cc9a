import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.seq2seq import EOS
from server.text.segments import segment, split_sentences
from server.text.tokenizer import Tokenizer
from tests.fakes import all_at_once
from tests.small_models import SENTENCES, VOCABULARY_SIZE

with_tokenizer = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

TEXT = "Two children are building a castle. The cat sleeps on the warm roof! Do you know where? She smiled."


def test_ids_end_with_eos_and_decode_to_the_text(tokenizer: Tokenizer) -> None:
    for sentence in SENTENCES:
        ids = tokenizer.encode(sentence)
        assert ids.index(EOS) == len(ids) - 1
        assert tokenizer.decode(ids[:-1]) == sentence


@with_tokenizer
@given(ids=st.lists(st.integers(EOS + 1, VOCABULARY_SIZE - 1), max_size=12), length=st.integers(0, 12))
def test_what_a_prefix_decodes_to_stays_but_for_spaces_at_its_end(
    tokenizer: Tokenizer, ids: list[int], length: int
) -> None:
    """Streaming sends text before it knows the next token."""
    assert tokenizer.decode(ids).startswith(tokenizer.decode(ids[:length]).rstrip(" "))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ('He said "stop." Then he left.', ['He said "stop."', "Then he left."]),
        ("« Non ! » Elle rit… Puis rien.", ["« Non !", "» Elle rit…", "Puis rien."]),
        ("A line\nanother line\n\nthe last", ["A line", "another line", "the last"]),
        ("It costs 3.50 euros.", ["It costs 3.50 euros."]),
        ("  no end  ", ["no end"]),
        ("...", ["..."]),
        (" \n ", []),
    ],
)
def test_texts_are_cut_at_sentence_ends_and_line_ends(text: str, pieces: list[str]) -> None:
    assert split_sentences(text) == pieces


@given(st.text(alphabet=st.sampled_from("ab.!?…\"') \n\t«»。é"), max_size=60))
def test_cutting_loses_nothing_but_white_space(text: str) -> None:
    pieces = split_sentences(text)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece == piece.strip() != "" for piece in pieces)


def test_a_text_within_the_limit_stays_whole(tokenizer: Tokenizer) -> None:
    whole = tokenizer.encode(TEXT)
    assert all_at_once(segment(TEXT, tokenizer, len(whole))) == [whole]


def test_a_longer_text_becomes_as_few_segments_as_its_sentence_ends_allow(tokenizer: Tokenizer) -> None:
    first, second = "Two children are building a castle. The cat sleeps on the warm roof!", "Do you know where?"
    limit = len(tokenizer.encode(first))
    assert len(tokenizer.encode(f"{first} {second}")) > limit
    segments = all_at_once(segment(TEXT, tokenizer, limit))
    assert segments == [tokenizer.encode(first), tokenizer.encode(f"{second} She smiled.")]
    assert len(segments[0]) == limit


def test_a_single_sentence_over_the_limit_is_reported_by_its_length(tokenizer: Tokenizer) -> None:
    long = "the cat " * 20 + "sleeps."
    num_tokens = len(tokenizer.encode(long))
    assert num_tokens > 30
    segments = all_at_once(segment(f"She smiled. {long} She smiled.", tokenizer, 30))
    assert max(map(len, segments)) == num_tokens


@with_tokenizer
@given(sentences=st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=6), limit=st.integers(34, 80))
def test_segments_keep_the_limit_and_all_of_the_text(tokenizer: Tokenizer, sentences: list[str], limit: int) -> None:
    """No sentence of the list has 34 tokens, so that each fits somewhere."""
    segments = all_at_once(segment(" ".join(sentences), tokenizer, limit))
    assert max(map(len, segments)) <= limit
    assert all(ids[-1] == EOS for ids in segments)
    assert " ".join(tokenizer.decode(ids[:-1]) for ids in segments) == " ".join(sentences)
    assert [id_ for ids in segments for id_ in ids[:-1]] == tokenizer.encode(" ".join(sentences))[:-1]

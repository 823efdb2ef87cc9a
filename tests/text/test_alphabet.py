from pathlib import Path

import pytest

from models.seq2seq import EOS
from server.text.alphabet import MAX_CLUSTER, Alphabet
from server.text.sentencepieces import SentencePieceTokenizer
from server.text.tokenizer import Tokenizer
from tests.small_models import SENTENCES

TRAINED = Path(__file__).parents[2] / "bench" / "small_transformer" / "tokenizer.model"


@pytest.fixture(scope="module")
def alphabet() -> Alphabet:
    """Of a tokenizer of 4,000 pieces, which lacks much of what people write."""
    return Alphabet(SentencePieceTokenizer(TRAINED, EOS))


class FakeTokenizer:
    """A vocabulary of given pieces; what it has no piece for, it does not read."""

    eos = 0

    def __init__(self, *texts: str) -> None:
        self.texts = ["", *texts]
        self.names = ["</s>", *texts]
        self.num_encoded = 0

    @property
    def vocabulary_size(self) -> int:
        return len(self.texts)

    def encode(self, text: str) -> list[int]:
        return [self.texts.index(character) for character in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(self.texts[id_] for id_ in ids)

    def encode_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        return self.encode(text), [(at, at + 1) for at in range(len(text))]

    def decode_spans(self, ids: list[int]) -> tuple[str, list[tuple[int, int]]]:
        return self.decode(ids), [(at, at + 1) for at in range(len(ids))]

    def has_pieces_for(self, text: str) -> bool:
        self.num_encoded += 1
        return all(character in self.texts for character in text)

    def surface(self, text: str) -> str:
        return text


@pytest.mark.parametrize("text", ["A dog runs.", "L'été, ça va ?", '"Non"', "5 km - 10 %", "", " "])
def test_what_the_vocabulary_has_is_known_at_once(alphabet: Alphabet, text: str) -> None:
    assert alphabet.has_all(text)
    assert not any(map(alphabet.lacks, text))


@pytest.mark.parametrize("cluster", ["e\u0301", "\ufb01", "\uff21", "…", "\u2163", "E\u0302", "𝐁"])
def test_what_the_tokenizer_normalises_to_known_characters_is_known(alphabet: Alphabet, cluster: str) -> None:
    assert not alphabet.has_all(cluster)
    assert not alphabet.lacks(cluster)


@pytest.mark.parametrize("cluster", [*("😊", "🏳️‍🌈"), "£", "П", "你", "ø", "ß", "—", "“", "\u0301", "x\u0301", "<"])
def test_what_becomes_an_unknown_token_is_lacking(alphabet: Alphabet, cluster: str) -> None:
    assert alphabet.lacks(cluster)
    assert not alphabet.has_all(cluster)


@pytest.mark.parametrize("invisible", ["\u200b", "\u200c", "\u200d", "\ufeff", "\u00ad", "\u202e", "\u2060", "\ufe0f"])
def test_invisible_characters_are_lacking_whatever_they_are_normalised_to(alphabet: Alphabet, invisible: str) -> None:
    assert alphabet.lacks(invisible)


@pytest.mark.parametrize("character", ["\n", "\t", "\x00", "\u00a0", "\u2028", "\u3000"])
def test_of_white_space_only_the_space_is_known(alphabet: Alphabet, character: str) -> None:
    assert alphabet.lacks(character)


@pytest.mark.parametrize("character", ["²", "½", "™", "①", "º"])
def test_a_sign_that_means_something_else_when_written_plainly_is_lacking(alphabet: Alphabet, character: str) -> None:
    assert alphabet.lacks(character)


def test_the_sign_that_stands_for_a_space_in_pieces_is_no_character(alphabet: Alphabet) -> None:
    assert alphabet.lacks("\u2581")


def test_letters_of_a_script_that_is_there_by_accident_are_lacking(alphabet: Alphabet) -> None:
    """The training text has a Cyrillic С and а."""
    tokenizer = SentencePieceTokenizer(TRAINED, EOS)
    assert {"С", "а"} <= set(tokenizer.texts)
    assert alphabet.lacks("С")
    assert alphabet.lacks("а")


def test_letters_of_a_script_of_which_a_vocabulary_has_many_are_known() -> None:
    alphabet = Alphabet(FakeTokenizer(*"абвгдежзик", "α"))
    assert alphabet.has_all("абвг")
    assert alphabet.lacks("α")
    assert alphabet.lacks("a")


def test_a_typographic_sign_is_lacking_if_the_plain_one_is_more_frequent() -> None:
    assert Alphabet(FakeTokenizer("a", "'", "’")).lacks("’")
    assert not Alphabet(FakeTokenizer("a", "’", "'")).lacks("’")
    assert not Alphabet(FakeTokenizer("a", "’")).lacks("’")


def test_an_invisible_character_is_known_inside_of_a_longer_piece() -> None:
    assert Alphabet(FakeTokenizer("a", "\u200c")).lacks("\u200c")
    assert not Alphabet(FakeTokenizer("a", "\u200c", "a\u200ca")).lacks("\u200c")


def test_pieces_that_are_bytes_are_no_characters() -> None:
    assert not Alphabet(FakeTokenizer("a", "<0x41>")).has_all("x")


def test_what_was_found_out_is_remembered_but_for_endless_clusters() -> None:
    tokenizer = FakeTokenizer("a", "b")
    alphabet = Alphabet(tokenizer)
    assert all(alphabet.lacks("é") for _ in range(3))
    assert tokenizer.num_encoded == 1
    assert alphabet.lacks("e" + "\u0301" * MAX_CLUSTER)
    assert tokenizer.num_encoded == 1


def test_a_tokenizer_has_all_of_what_it_was_trained_on(tokenizer: Tokenizer) -> None:
    alphabet = Alphabet(tokenizer)
    assert all(map(alphabet.has_all, SENTENCES))

"""Tokenizers of two files, and which kind a bundle's manifest asks for."""

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from server.bundle.languages import TARGET_TOKEN, TEXT, Language
from server.bundle.manifest import TOKENIZER, Bundle, BundleError, SpecialIds, TokenizerSpec
from server.text.bundle_tokenizers import open_tokenizer, open_tokenizers
from server.text.pieces import WORD_START
from server.text.sentencepieces import SentencePieceTokenizer
from server.text.tabled_pieces import TabledTokenizer
from tests.fakes import MANIFEST
from tests.small_models import SENTENCES, VOCABULARY_SIZE

EOS, UNKNOWN, START = 0, 1, 400
LANGUAGES = (">>fra<<", ">>deu<<")
SPECIAL = frozenset({EOS, UNKNOWN, START, 2, 3})


@pytest.fixture(scope="module")
def names(small_tokenizer: Path) -> list[str]:
    """A table as importers make it: its own order, language tokens in front, a filler behind, and pieces that
    SentencePiece does not have. Two of SentencePiece's are lacking."""
    own = SentencePieceTokenizer(small_tokenizer, 3)
    pieces = [text for text in own.texts if text and text not in (f"{WORD_START}cat", "k")]
    random.Random(3).shuffle(pieces)
    table = ["</s>", "<unk>", *LANGUAGES, *pieces, f"{WORD_START}chien", "é"]
    return [*table, *(f"madeupword{number}" for number in range(START - len(table))), "<pad>"]


@pytest.fixture(scope="module")
def tabled(small_tokenizer: Path, names: list[str]) -> TabledTokenizer:
    return TabledTokenizer(small_tokenizer, names, SPECIAL, EOS, UNKNOWN)


@pytest.mark.parametrize("text", SENTENCES[:12])
def test_ids_are_places_in_the_table_of_the_pieces_that_sentencepiece_cuts(
    small_tokenizer: Path, names: list[str], tabled: TabledTokenizer, text: str
) -> None:
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(small_tokenizer)).encode(text, out_type=str)
    ids = tabled.encode(text)
    assert [names[id_] for id_ in ids] == [piece if piece in names else "<unk>" for piece in pieces]
    assert tabled.surface(text) == "".join(pieces)


def test_a_piece_that_the_table_lacks_is_the_unknown_one_and_never_sentencepiece_s_own_number(
    tabled: TabledTokenizer,
) -> None:
    assert UNKNOWN in tabled.encode("the cat")
    assert not tabled.has_pieces_for("the cat")
    assert tabled.has_pieces_for("the roof")
    assert tabled.decode(tabled.encode("the cat")) == "the"


@pytest.mark.parametrize(
    "text", ["</s>", "<unk>", "<pad>", ">>fra<<", ">>fra<< the", "a </s> b", "<s>", "madeupword1", "日本</s>", "<0x41>"]
)
def test_no_text_is_read_as_a_special_id(tabled: TabledTokenizer, text: str) -> None:
    assert set(tabled.encode(text)) & SPECIAL <= {UNKNOWN}


def test_special_ids_write_nothing_and_keep_their_names(tabled: TabledTokenizer, names: list[str]) -> None:
    assert {tabled.texts[id_] for id_ in SPECIAL} == {""}
    assert tabled.names == names
    [roof] = [id_ for id_ in tabled.encode("roof") if id_ != UNKNOWN][-1:]
    assert tabled.decode([3, roof, START, EOS]) == tabled.decode([roof])


def test_pieces_of_the_other_side_are_written_as_well(tabled: TabledTokenizer, names: list[str]) -> None:
    ids = [names.index(f"{WORD_START}chien"), names.index("é"), *tabled.encode("the")]
    text, spans = tabled.decode_spans(ids)
    assert text.startswith("chiené the")
    assert spans[:2] == [(0, 5), (5, 6)]


@given(text=st.sampled_from(SENTENCES))
def test_with_sentencepiece_s_own_order_it_is_sentencepiece(small_tokenizer: Path, text: str) -> None:
    plain = SentencePieceTokenizer(small_tokenizer, 3)
    tabled = TabledTokenizer(small_tokenizer, None, {0, 1, 2, 3}, 3, 1)
    ids = plain.encode(text)
    assert tabled.encode(text) == ids
    assert (tabled.names, tabled.texts) == (plain.names, plain.texts)
    assert tabled.encode_spans(text) == plain.encode_spans(text)
    assert tabled.decode(ids) == plain.decode(ids)
    assert tabled.decode_spans(ids)[1][1:] == plain.decode_spans(ids)[1][1:]
    assert tabled.has_pieces_for(text) == plain.has_pieces_for(text)


@given(text=st.text("the cat日é ", max_size=12))
def test_spans_are_those_of_the_tokens(small_tokenizer: Path, text: str) -> None:
    tabled = TabledTokenizer(small_tokenizer, None, {0, 1, 2, 3}, 3, 1)
    ids, spans = tabled.encode_spans(text)
    assert ids == tabled.encode(text)
    assert len(spans) == len(ids)
    assert all(first <= end <= len(text) for first, end in spans)


def test_without_an_unknown_id_what_cannot_be_read_is_left_out(small_tokenizer: Path) -> None:
    tabled = TabledTokenizer(small_tokenizer, None, {0, 1, 2, 3}, 3, None)
    assert tabled.encode("the日本") == tabled.encode("the")
    assert len(tabled.encode_spans("the日本")[1]) == len(tabled.encode("the"))
    assert not tabled.has_pieces_for("日")


@pytest.fixture(scope="module")
def with_bytes(tmp_path_factory: pytest.TempPathFactory) -> TabledTokenizer:
    prefix = tmp_path_factory.mktemp("bytes") / "bytes"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 20),
        model_prefix=str(prefix),
        vocab_size=400,
        byte_fallback=True,
        minloglevel=2,
        hard_vocab_limit=False,
    )
    return TabledTokenizer(prefix.with_suffix(".model"), None, {0, 1, 2}, 2, 0)


@given(text=st.text("the cat日本é😀 ", max_size=10).map(lambda text: " ".join(text.split())))
def test_bytes_of_characters_are_put_together(with_bytes: TabledTokenizer, text: str) -> None:
    ids = with_bytes.encode(text)
    assert with_bytes.decode(ids) == text
    assert with_bytes.decode_spans(with_bytes.encode("the cat"))[0] == with_bytes.decode(with_bytes.encode("the cat"))
    decoded, spans = with_bytes.decode_spans(ids)
    assert "".join(decoded[start:end] for start, end in spans) == decoded == text


@pytest.mark.parametrize(("number", "text"), [(1, "a\ufffd"), (2, "a\ufffd"), (3, "a日")])
def test_a_character_of_which_bytes_are_lacking_is_a_replacement(
    with_bytes: TabledTokenizer, number: int, text: str
) -> None:
    letter, *in_bytes = with_bytes.encode("a日")
    assert len(in_bytes) == 3
    assert with_bytes.decode([letter, *in_bytes[:number]]).rstrip("\ufffd") == text.rstrip("\ufffd")
    behind = with_bytes.encode("the")
    assert with_bytes.decode([letter, *in_bytes[:number], *behind]).endswith(" the")


def bundle(folder: Path, spm: Path, table: Any = None, **fields: Any) -> Bundle:
    (folder / TOKENIZER).write_bytes(spm.read_bytes())
    spec = TokenizerSpec(sentencepiece=TOKENIZER)
    if table is not None:
        (folder / "pieces.json").write_text(json.dumps(table))
        spec = TokenizerSpec(sentencepiece=TOKENIZER, pieces="pieces.json")
    sizes = dict.fromkeys(("source_vocabulary_size", "target_vocabulary_size"), VOCABULARY_SIZE)
    manifest = dataclasses.replace(MANIFEST, source_tokenizer=spec, target_tokenizer=spec, **{**sizes, **fields})
    return Bundle(folder, manifest)


def test_a_bundle_without_a_table_has_sentencepiece_s_ids(small_tokenizer: Path, tmp_path: Path) -> None:
    tokenizers = open_tokenizers(bundle(tmp_path, small_tokenizer))
    assert isinstance(tokenizers.source, SentencePieceTokenizer)
    assert tokenizers.target is tokenizers.source


def test_language_tokens_that_sentencepiece_has_as_text_are_none(small_tokenizer: Path, tmp_path: Path) -> None:
    own = SentencePieceTokenizer(small_tokenizer, 3)
    the, cat = own.encode("the")[0], own.encode("car")[-1]
    languages = (Language(code="en", target_id=the), Language(code="fr", target_id=cat))
    fields: dict[str, Any] = {"languages": languages, "source_template": (TARGET_TOKEN, TEXT, 3)}
    tokenizer = open_tokenizer(bundle(tmp_path, small_tokenizer, **fields), "source")
    assert the not in tokenizer.encode("the cat and the car")
    assert (tokenizer.texts[the], tokenizer.names[the]) == ("", own.names[the])


def test_sides_of_two_vocabularies_have_special_ids_of_their_own(small_tokenizer: Path, tmp_path: Path) -> None:
    """One number may be a language on one side and a word on the other."""
    own = SentencePieceTokenizer(small_tokenizer, 3)
    word = own.encode("the")[0]
    languages = (Language(code="en", target_id=word), Language(code="fr", target_id=word))
    opened = bundle(tmp_path, small_tokenizer, own.names, languages=languages, source_template=(TARGET_TOKEN, TEXT, 3))
    (tmp_path / "target.json").write_text(json.dumps([*own.names, "more"]))
    target = TokenizerSpec(sentencepiece=TOKENIZER, pieces="target.json")
    sizes: dict[str, Any] = {"target_tokenizer": target, "target_vocabulary_size": VOCABULARY_SIZE + 1}
    tokenizers = open_tokenizers(Bundle(tmp_path, dataclasses.replace(opened.manifest, **sizes)))
    assert tokenizers.source.encode("the")[:1] == [1]
    assert tokenizers.target.encode("the")[:1] == [word]
    assert tokenizers.target.texts[word]
    assert tokenizers.target.vocabulary_size == VOCABULARY_SIZE + 1


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (["a"], "pieces.json: 1 pieces, the manifest's source_vocabulary_size is 300"),
        ({"a": 0}, "pieces.json: a list of texts, the piece of every id, expected"),
        (["a"] * 299 + [3], "pieces.json: a list of texts"),
        (7, "pieces.json: a list of texts"),
    ],
)
def test_a_table_that_is_none_of_the_model_s_is_refused(
    small_tokenizer: Path, tmp_path: Path, table: Any, message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        open_tokenizer(bundle(tmp_path, small_tokenizer, table), "source")


@pytest.mark.parametrize("content", [b"[", b"\xff\xfe", b""])
def test_a_table_that_cannot_be_read_is_refused(small_tokenizer: Path, tmp_path: Path, content: bytes) -> None:
    opened = bundle(tmp_path, small_tokenizer, ["a"])
    (tmp_path / "pieces.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"pieces\.json"):
        open_tokenizer(opened, "target")


def test_a_sentencepiece_model_of_another_size_is_refused(small_tokenizer: Path, tmp_path: Path) -> None:
    with pytest.raises(
        BundleError, match=r"tokenizer\.model: 300 pieces, the manifest's target_vocabulary_size is 299"
    ):
        open_tokenizer(bundle(tmp_path, small_tokenizer, target_vocabulary_size=299), "target")


def test_ids_that_are_never_written_have_no_text(small_tokenizer: Path, tmp_path: Path) -> None:
    own = SentencePieceTokenizer(small_tokenizer, 3)
    word = own.encode("the")[0]
    ids = SpecialIds(start=2, eos=3, pad=0, unknown=1, never_written=(0, 1, 2, word), is_masked=True)
    tokenizer = open_tokenizer(bundle(tmp_path, small_tokenizer, special_ids=ids), "target")
    assert not tokenizer.texts[word]
    assert tokenizer.encode("the")[0] == 1

"""Which sentence pairs are trained on, and which never."""

import gzip
from collections import Counter
from pathlib import Path

import pytest

from evaluation.first_sentences import DIRECTIONS, read_first_sentences
from models.config import DataConfig
from models.data.corpora import CorpusError, Direction
from models.data.held_out import hashes, is_short, read_test_hashes, sentence_hash
from models.data.training_text import CHUNK_PAIRS, TextPair, TrainingText, read_training_text, read_validation
from models.span_sentences import span_sentences
from models.tokenizer import load_tokenizer, train_tokenizer

PLAIN = DataConfig(mix={"tatoeba": 1.0})


def write(folder: Path, corpus: str, part: str, pairs: list[tuple[str, str]]) -> None:
    place = folder / corpus
    place.mkdir(parents=True, exist_ok=True)
    for side, language in enumerate(("en", "fr")):
        text = "".join(f"{pair[side]}\n" for pair in pairs)
        (place / f"{part}.{language}.gz").write_bytes(gzip.compress(text.encode()))


def pairs_of(number: int) -> list[tuple[str, str]]:
    return [(f"The cat number {n} sleeps here.", f"Le chat numéro {n} dort ici.") for n in range(number)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path, "tatoeba", "train", pairs_of(100))
    write(tmp_path, "tatoeba", "val", [("A validation sentence of tests.", "Une phrase de validation des essais.")])
    return tmp_path


def text_of(data: Path, settings: DataConfig = PLAIN) -> TrainingText:
    return read_training_text(data, settings, seed=1)[0]


@pytest.mark.parametrize(
    "leak",
    [
        ("We hurried in the direction of the fire.", "Une phrase tout autre que celle-là."),  # Tatoeba's
        ("Another sentence that nobody has tested.", "NOUS nous dépêchâmes, en direction du feu !"),
        ("A validation sentence of tests!", "Une autre phrase, cette fois-ci."),
        ("Another sentence, this time.", "Une phrase de validation des essais ?"),
    ],
)
def test_no_pair_with_a_side_of_a_test_or_validation_set_is_trained_on(data: Path, leak: tuple[str, str]) -> None:
    """Whatever its case, punctuation and spaces."""
    assert sentence_hash("We hurried in the direction of the fire.") in read_test_hashes()
    write(data, "tatoeba", "train", [*pairs_of(10), leak])
    assert len(text_of(data).domains["tatoeba"]) == 10


def test_the_tests_of_our_own_are_held_out() -> None:
    """If one has changed: python -m models.data.held_out."""
    first = [sentence for direction in DIRECTIONS for sentence in read_first_sentences(direction)]
    texts = [text for sentence in first for text in (sentence.source, *sentence.references)]
    texts += [sentence.carried for sentence in span_sentences()]
    assert len(texts) > 1000
    assert hashes(texts) <= read_test_hashes()


def test_short_sentences_belong_to_nobody(data: Path) -> None:
    write(data, "tatoeba", "val", [("Thank you.", "Merci à vous.")])
    write(data, "tatoeba", "train", [("Thank you.", "Merci à vous.")])
    assert is_short("Thank you.")
    assert text_of(data).domains["tatoeba"] == [TextPair("Thank you.", "Merci à vous.")]


def test_corpora_without_a_validation_set_keep_some_of_their_sentences(data: Path) -> None:
    write(data, "more/canadadigital", "train", pairs_of(400))
    direction = Direction("en", "fr")
    kept = read_validation(data, direction)["prose"]
    assert 0 < len(kept.sources) < 40
    text = text_of(data, DataConfig(mix={"canadadigital": 1.0}))
    assert {pair.source for pair in text.domains["canadadigital"]}.isdisjoint(kept.sources)
    assert len(text.domains["canadadigital"]) == 400 - len(kept.sources)
    backwards = read_validation(data, Direction("fr", "en"))["prose"]
    assert (backwards.sources, backwards.targets) == (kept.targets, kept.sources)


def test_chunks_have_each_domain_s_share_and_read_all_of_it_before_any_again() -> None:
    small = [TextPair(f"small {n}", "petit") for n in range(3 * CHUNK_PAIRS // 8 - 72)]
    large = [TextPair(f"large {n}", "grand") for n in range(3 * CHUNK_PAIRS)]
    settings = DataConfig(mix={"captions": 1, "everyday": 3})
    text = TrainingText({"captions": small, "everyday": large}, settings, seed=1)
    chunks = [text.chunk(number) for number in range(3)]
    drawn = Counter(source for chunk in chunks for source, _ in chunk)
    assert all(len(chunk) == CHUNK_PAIRS for chunk in chunks)
    assert sum(drawn[pair.source] for pair in small) == 3 * CHUNK_PAIRS // 4
    assert {drawn[pair.source] for pair in small} == {2, 3}
    assert max(drawn[pair.source] for pair in large) == 1


def test_a_chunk_is_known_by_its_number(data: Path) -> None:
    assert text_of(data).chunk(3) == text_of(data).chunk(3)
    assert text_of(data).chunk(3) != text_of(data).chunk(4)


def test_a_teacher_s_translation_stands_for_a_share_of_the_references(data: Path, tmp_path: Path) -> None:
    distilled = tmp_path / "distilled.tsv.gz"
    distilled.write_bytes(gzip.compress(b"The cat number 7 sleeps here.\tUn chat dort.\n"))
    text = text_of(data, DataConfig(mix={"tatoeba": 1.0}, distilled=str(distilled), distilled_share=0.5))
    targets = Counter(target for source, target in text.chunk(0) if source == "The cat number 7 sleeps here.")
    assert targets.keys() == {"Un chat dort.", "Le chat numéro 7 dort ici."}
    distilled.write_bytes(gzip.compress(b"no tab\n"))
    with pytest.raises(CorpusError, match=r"distilled\.tsv\.gz: line 1: a sentence, a tab and its translation"):
        text_of(data, DataConfig(mix={"tatoeba": 1.0}, distilled=str(distilled)))


def test_a_mix_without_any_text_is_refused(data: Path) -> None:
    write(data, "tatoeba", "train", [("A validation sentence of tests.", "Une phrase.")])
    with pytest.raises(CorpusError, match=r"data\.mix\.tatoeba: no training pair"):
        text_of(data)


def test_what_cannot_be_read_is_left_out(data: Path, small_tokenizer: Path) -> None:
    tokenizer = load_tokenizer(small_tokenizer)
    write(data, "tatoeba", "train", [("a man", "un homme"), ("a " * 300, "un"), ("", "un"), ("a 犬", "un")])
    text = text_of(data)
    batches = list(text.batches(tokenizer, 0, batch_tokens=1000))
    rows = {tuple(row) for batch in batches for row in batch.source_ids.tolist()}
    assert len(rows) == 1


def test_a_domain_lacks_corpora_with_a_warning(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = text_of(data, DataConfig(mix={"everyday": 1.0}))
    assert {pair.source for pair in text.domains["everyday"]} == {source for source, _ in pairs_of(100)}
    assert f"data.mix.everyday: left out, as {data} has them not: tatoeba2019, tatoeba2021" in caplog.text


def test_a_domain_that_nobody_can_download_is_left_out_and_the_others_take_its_share(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = text_of(data, DataConfig(mix={"tatoeba": 1.0, "synthetic": 1.0}))
    assert text.domains.keys() == {"tatoeba"}
    assert len(text.chunk(0)) == CHUNK_PAIRS
    assert "data.mix.synthetic is left out" in caplog.text


@pytest.mark.parametrize("key", ["law", "canadalaws", "captions", "synthetic"])
def test_a_mix_of_what_is_not_there_is_refused(data: Path, key: str) -> None:
    with pytest.raises(CorpusError):
        text_of(data, DataConfig(mix={key: 1.0}))


def test_a_missing_teacher_s_file_is_no_corpus_to_be_downloaded(data: Path) -> None:
    with pytest.raises(CorpusError, match=r"gone\.tsv\.gz is missing \(data\.distilled\).*models\.distil") as error:
        text_of(data, DataConfig(mix={"tatoeba": 1.0}, distilled=str(data / "gone.tsv.gz")))
    assert "download" not in str(error.value)


def test_a_tokenizer_of_other_languages_is_told_of(data: Path, tmp_path: Path) -> None:
    train_tokenizer(["собака кошка лошадь корова", "мама мыла раму"], tmp_path / "russian.model", 40)
    text = text_of(data)
    with pytest.raises(CorpusError, match="is the tokenizer of these languages"):
        text.batches(load_tokenizer(tmp_path / "russian.model"), 0, batch_tokens=1000)

import pytest

from loadtest.driven import read_sentences
from loadtest.workloads import NUM_TEXTS, WORKLOADS, make_texts

LANGUAGES = ("en", "fr")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_texts_are_decided_by_the_seed(workload: str, language: str) -> None:
    sentences = read_sentences(language)
    texts = make_texts(workload, sentences, seed=3)
    assert texts == make_texts(workload, sentences, seed=3)
    assert texts != make_texts(workload, sentences, seed=4)
    assert len(texts) == NUM_TEXTS
    assert all(text.strip() == text != "" for text in texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_single_sentences_are_those_that_were_given(language: str) -> None:
    sentences = read_sentences(language)
    texts = set(make_texts("sentences", sentences))
    assert texts <= set(sentences)
    assert len(texts) > 0.9 * len(sentences)


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_have_several_lines_of_whole_sentences(language: str) -> None:
    sentences = read_sentences(language)
    for text in make_texts("texts", sentences):
        paragraphs = text.split("\n\n")
        assert 2 <= len(paragraphs) <= 4
        rest = text
        for sentence in sorted(sentences, key=len, reverse=True):
            rest = rest.replace(sentence, "")
        assert rest.strip() == ""


@pytest.mark.parametrize("workload", ["long-mix", "lengths"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_long_sentence_is_one_sentence(workload: str, language: str) -> None:
    for text in make_texts(workload, read_sentences(language)):
        assert text.endswith(".")
        assert not any(mark in text[:-1] for mark in "?!\n")
        assert ". " not in text


def test_one_in_five_of_a_mix_is_long() -> None:
    texts = make_texts("long-mix", read_sentences("en"))
    long = [text for text in texts if len(text) > 150]
    assert len(long) / len(texts) == pytest.approx(0.2, abs=0.06)


def test_lengths_are_spread_evenly() -> None:
    texts = make_texts("lengths", ["One two."] * 2)
    counts = [sum(text.count(",") == commas for text in texts) for commas in range(8)]
    assert min(counts) > NUM_TEXTS / 8 / 2


def test_an_unknown_workload_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        make_texts("novels", ["One."])

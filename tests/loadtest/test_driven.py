from pathlib import Path

import pytest

from loadtest.driven import SENTENCES, NotDriven, choose, read_sentences, same_direction
from seq2serve.pb import translation_pb2 as pb

LANGUAGES = sorted(path.stem for path in SENTENCES.glob("*.txt"))


def model(name: str, source: str) -> pb.Model:
    pair = pb.LanguagePair(source_language_code=source, target_language_code="it")
    return pb.Model(name=name, versions=["7"], language_pairs=[pair])


def test_there_are_as_many_sentences_of_each_language_none_twice() -> None:
    assert LANGUAGES == ["en", "fr"]
    for language in LANGUAGES:
        sentences = read_sentences(language)
        assert len(set(sentences)) == len(sentences) == 100
        assert all(sentence == sentence.strip() != "" for sentence in sentences)


@pytest.mark.parametrize(
    ("source", "language"),
    [("en", "en"), ("fr", "fr"), ("fr-CA", "fr"), ("EN_gb", "en"), ("fr-Latn-CA", "fr")],
)
def test_a_model_is_sent_sentences_of_its_source_language(source: str, language: str) -> None:
    [driven] = choose([model("m", source)])
    assert (driven.name, driven.version, driven.sentences) == ("m", "7", read_sentences(language))


def test_models_are_driven_in_the_order_that_was_asked_for_or_all_as_they_are_listed() -> None:
    models = [model("b", "en"), model("a", "fr"), model("c", "en")]
    assert [driven.name for driven in choose(models)] == ["b", "a", "c"]
    assert [driven.name for driven in choose(models, ["c", "a", "c"])] == ["c", "a"]


def test_all_unknown_names_are_refused_with_those_that_are_served() -> None:
    with pytest.raises(NotDriven, match=r"^no model 'x', 'y' is served; served: b, a$"):
        choose([model("b", "en"), model("a", "fr")], ["x", "a", "y"])


@pytest.mark.parametrize(
    ("pairs", "driven"),
    [
        ([("en", "de"), ("en", "fr")], ("en", "de")),
        ([("de", "en"), ("fr", "de")], ("fr", "de")),
        ([("de", "en"), ("fr-CA", "en")], ("fr-CA", "en")),
    ],
)
def test_of_several_language_pairs_the_first_with_sentences_is_driven_by_its_codes(
    pairs: list[tuple[str, str]], driven: tuple[str, str]
) -> None:
    listed = [pb.LanguagePair(source_language_code=one, target_language_code=other) for one, other in pairs]
    [chosen] = choose([pb.Model(name="many", versions=["7"], language_pairs=listed)])
    assert chosen.pair == driven
    assert chosen.sentences == read_sentences(driven[0][:2])


def test_a_model_of_one_pair_is_not_told_its_languages() -> None:
    [chosen] = choose([model("m", "en")])
    assert chosen.pair == ("", "")


def test_a_model_of_very_many_pairs_is_driven_from_the_languages_that_it_lists() -> None:
    codes = ["af", "en", "fr"]
    many = pb.Model(name="many", versions=["1"], source_language_codes=codes, target_language_codes=["en", "fr", "af"])
    [chosen] = choose([many])
    assert chosen.pair == ("en", "fr")


def test_a_model_that_names_no_language_is_refused() -> None:
    with pytest.raises(NotDriven, match="no sentences for model 'none', which translates from no language"):
        choose([pb.Model(name="none", versions=["1"])])


def test_only_models_of_one_direction_are_compared() -> None:
    models = [model("a", "en"), model("b", "fr"), model("c", "en")]
    assert same_direction(models) == ["a", "c"]


def test_a_model_without_its_cache_is_an_architecture_of_its_own() -> None:
    models = [model("transformer-en-it", "en"), model("transformer-without-cache-en-it", "en")]
    for one in models:
        one.architecture = "transformer"
    assert [driven.architecture for driven in choose(models)] == ["transformer", "transformer-without-cache"]


def test_sentences_may_be_those_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "de.txt").write_text("Guten Tag.\n\nWo ist der Bahnhof?\n")
    [driven] = choose([model("m", "de")], folder=tmp_path)
    assert driven.sentences == ["Guten Tag.", "Wo ist der Bahnhof?"]


@pytest.mark.parametrize("source", ["de", "eng", "../en", "e", "", "english"])
def test_a_model_of_a_language_without_sentences_is_refused_where_it_is_to_be_driven(source: str) -> None:
    models = [model("b", "en"), model("a", source)]
    assert [driven.name for driven in choose(models, ["b"])] == ["b"]
    with pytest.raises(NotDriven, match="no sentences for model 'a', which translates from"):
        choose(models)

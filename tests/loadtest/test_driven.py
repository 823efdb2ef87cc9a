import pytest

from loadtest.driven import SENTENCES, NotDriven, choose, read_sentences
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


@pytest.mark.parametrize("number", [0, 2])
def test_a_model_of_several_language_pairs_is_refused_where_it_is_to_be_driven(number: int) -> None:
    pairs = [pb.LanguagePair(source_language_code="en", target_language_code=code) for code in ("fr", "de")[:number]]
    many = pb.Model(name="many", versions=["7"], language_pairs=pairs)
    with pytest.raises(NotDriven, match="models of one language pair are driven, and 'many' has another number"):
        choose([model("b", "en"), many])


@pytest.mark.parametrize("source", ["de", "eng", "../en", "e", "", "english"])
def test_a_model_of_a_language_without_sentences_is_refused_where_it_is_to_be_driven(source: str) -> None:
    models = [model("b", "en"), model("a", source)]
    assert [driven.name for driven in choose(models, ["b"])] == ["b"]
    with pytest.raises(NotDriven, match="no sentences for model 'a', which translates from"):
        choose(models)

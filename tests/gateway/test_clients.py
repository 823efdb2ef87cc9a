"""Clients of other services as their makers publish them."""

import deepl
import pytest
import requests
from deep_translator import LibreTranslator
from libretranslatepy import LibreTranslateAPI

DOG, CHIEN = "A dog sleeps.", "Un chien dort."
TWO = "Two young men are playing guitar in the park."
DEUX = "Deux jeunes hommes jouent de la guitare dans le parc."


def test_libretranslatepy(url: str) -> None:
    client = LibreTranslateAPI(f"{url}/")
    assert client.translate(DOG, "en", "fr") == CHIEN
    assert client.languages()[0]["targets"] == ["fr"]
    assert client.detect(DEUX)[0]["language"] == "fr"


def test_deep_translator(url: str) -> None:
    translator = LibreTranslator(source="en", target="fr", api_key="any", custom_url=f"{url}/")
    assert translator.translate(DOG) == CHIEN
    assert translator.translate_batch([DOG, TWO]) == [CHIEN, DEUX]


@pytest.fixture
def client(url: str) -> deepl.DeepLClient:
    return deepl.DeepLClient("any-key", server_url=url)


def test_deepl_translates(client: deepl.DeepLClient) -> None:
    one = client.translate_text(DOG, target_lang="FR")
    assert isinstance(one, deepl.TextResult)
    assert (one.text, one.detected_source_lang, one.billed_characters) == (CHIEN, "EN", len(DOG))
    several = client.translate_text([DOG, TWO], source_lang="EN", target_lang="FR")
    assert isinstance(several, list)
    assert [result.text for result in several] == [CHIEN, DEUX]
    back = client.translate_text(CHIEN, source_lang="FR", target_lang="EN-GB")
    assert isinstance(back, deepl.TextResult)
    assert back.text == "A dog is sleeping."


def test_deepl_keeps_tags(client: deepl.DeepLClient) -> None:
    page = client.translate_text(f"<p>{DOG}</p>", source_lang="EN", target_lang="FR", tag_handling="html")
    assert isinstance(page, deepl.TextResult)
    assert page.text == f"<p>{CHIEN}</p>"
    kept = client.translate_text(
        f"<t>{DOG}</t><x>{DOG}</x>", source_lang="EN", target_lang="FR", tag_handling="xml", ignore_tags=["x"]
    )
    assert isinstance(kept, deepl.TextResult)
    assert kept.text == f"<t>{CHIEN}</t><x>{DOG}</x>"


def test_deepl_lists_languages_and_usage(client: deepl.DeepLClient) -> None:
    assert [language.code for language in client.get_source_languages()] == ["EN", "FR"]
    assert [language.code for language in client.get_target_languages()] == ["FR", "EN-GB", "EN-US"]
    before = client.get_usage().character.count
    client.translate_text(DOG, target_lang="FR")
    assert before is not None
    assert client.get_usage().character.count == before + len(DOG)


def test_deepl_keeps_glossaries(url: str, client: deepl.DeepLClient) -> None:
    made = client.create_glossary("pets", "EN", "FR", {"dog": "toutou"})
    assert (made.name, made.entry_count, made.ready) == ("pets", 1, True)
    assert client.get_glossary(made.glossary_id).source_lang == "EN"
    assert [glossary.glossary_id for glossary in client.list_glossaries()] == [made.glossary_id]
    assert client.get_glossary_entries(made) == {"dog": "toutou"}
    result = client.translate_text(DOG, source_lang="EN", target_lang="FR", glossary=made)
    assert isinstance(result, deepl.TextResult)
    assert "toutou" in result.text
    other = deepl.DeepLClient("another-key", server_url=url)
    assert other.list_glossaries() == []
    with pytest.raises(deepl.DeepLException, match="Glossary not found"):
        other.delete_glossary(made)
    client.delete_glossary(made)
    assert client.list_glossaries() == []


def test_deepl_is_told_what_is_wrong(client: deepl.DeepLClient) -> None:
    with pytest.raises(deepl.DeepLException, match=r"Value for 'target_lang' not supported"):
        client.translate_text(DOG, source_lang="EN", target_lang="DE")
    with pytest.raises(deepl.DeepLException, match=r"text\[1\]: at most 10000 characters expected, got 10001"):
        client.translate_text([DOG, "x" * 10001], source_lang="EN", target_lang="FR")
    with pytest.raises(deepl.DeepLException, match="'formality' is not supported"):
        client.translate_text(DOG, target_lang="FR", formality="more")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"entries": "dog\ta\rcat"}, "entries: a source term and a target term in each line expected, got line 2"),
        ({"entries": "x" * 140_000 + "\ty"}, "entries: TSV expected, got what is none"),
        ({"entries": "x" * 201 + "\ty"}, "entries: terms of at most 200 characters expected, got 201 in line 1"),
        ({"entries": 'dog,"a\tb"', "entries_format": "csv"}, "entries: terms without control characters expected"),
        ({"entries": "dog\ta\ndog\tb"}, "entries: each source term once expected, got 'dog' again in line 2"),
        ({"entries_format": "xml"}, "entries_format: one of tsv, csv expected, got 'xml'"),
        ({"target_lang": "de"}, "source_lang and target_lang: one of en-fr, fr-en expected, got en-de"),
        ({"name": "x" * 1025}, "name: at most 1024 characters expected, got 1025"),
    ],
)
def test_what_is_wrong_with_a_glossary_is_named(url: str, changed: dict[str, str], problem: str) -> None:
    body = {"name": "a", "source_lang": "en", "target_lang": "fr", "entries": "dog\tchien", "entries_format": "tsv"}
    answer = requests.post(f"{url}/v2/glossaries", json=body | changed, timeout=30)
    assert answer.status_code == 400
    assert problem in answer.json()["message"]
    assert requests.put(f"{url}/v2/glossaries", timeout=30).headers["allow"].count(",") == 2

"""LibreTranslate's API, as the programs send it that use it."""

from typing import Any

import pytest
import requests

DOG, CHIEN = "A dog sleeps.", "Un chien dort."
CAT = "A cat runs."


def post(url: str, path: str, **how: Any) -> tuple[int, Any]:
    answer = requests.post(url + path, timeout=30, **how)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "how",
    [
        {"json": {"q": DOG, "source": "en", "target": "fr"}},
        {"data": {"q": DOG, "source": "en", "target": "fr"}},
        {"files": {"q": (None, DOG), "source": (None, "en"), "target": (None, "fr")}},
        {"params": {"q": DOG, "source": "en", "target": "fr"}},
        {"data": '{"q": "A dog sleeps.", "source": "en", "target": "fr"}', "headers": {"content-type": "text/plain"}},
        {"json": {"q": DOG, "source": "auto", "target": "fr", "format": "text", "apiKey": ""}},
    ],
    ids=["json", "form", "multipart", "query", "json called text", "auto"],
)
def test_a_text_is_taken_however_it_is_sent(url: str, how: dict[str, Any]) -> None:
    status, answer = post(url, "/translate", **how)
    assert (status, answer["translatedText"]) == (200, CHIEN)


def test_an_array_is_answered_with_an_array(url: str) -> None:
    """As Mastodon sends it: always HTML, and the language is told of each."""
    body = {"q": [f"<p>{DOG}</p>", "<p>🐶</p>"], "source": "auto", "target": "fr", "format": "html", "api_key": ""}
    status, answer = post(url, "/translate", json=body)
    assert (status, answer["translatedText"]) == (200, [f"<p>{CHIEN}</p>", "<p>🐶</p>"])
    assert [one["language"] for one in answer["detectedLanguage"]] == ["en", "en"]
    assert post(url, "/translate", json=body | {"q": [DOG], "source": "en", "format": "text"})[1] == {
        "translatedText": [CHIEN]
    }


def test_the_other_direction_is_chosen_by_its_languages(url: str) -> None:
    answer = post(url, "/translate", json={"q": CHIEN, "source": "auto", "target": "en"})[1]
    assert answer["translatedText"] == "A dog is sleeping."
    assert answer["detectedLanguage"]["language"] == "fr"


def test_what_is_in_the_target_language_stays(url: str) -> None:
    body = {"q": CHIEN, "source": "fr", "target": "fr"}
    assert post(url, "/translate", json=body) == (200, {"translatedText": CHIEN})


def test_alternatives_are_others_and_different(url: str) -> None:
    body: dict[str, Any] = {"q": DOG, "source": "en", "target": "fr", "alternatives": 3}
    one = post(url, "/translate", json=body)[1]
    texts = [one["translatedText"], *one["alternatives"]]
    assert 1 < len(texts) == len(set(texts)) <= 4
    several = post(url, "/translate", json=body | {"q": [DOG, CAT]})[1]
    assert several["alternatives"][0] == one["alternatives"]
    assert len(several["alternatives"]) == 2
    assert post(url, "/translate", json=body | {"format": "html"})[1]["alternatives"] == []


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"q": None}, "Invalid request: missing q parameter"),
        ({"q": ""}, "Invalid request: missing q parameter"),
        ({"source": ""}, "Invalid request: missing source parameter"),
        ({"target": None}, "Invalid request: missing target parameter"),
        ({"source": "zz"}, "zz is not supported"),
        ({"target": "zz"}, "zz is not supported"),
        ({"source": "zz", "target": "zz"}, "zz is not supported"),
        ({"format": "pdf"}, "pdf format is not supported"),
        ({"alternatives": 100}, "alternatives parameter must be <= 7: got 100"),
        ({"alternatives": -1}, "alternatives parameter must be >= 0"),
        ({"alternatives": "some"}, 'Invalid request: alternatives: a whole number expected, got "some"'),
        ({"q": "x" * 10001}, "Invalid request: request (10001) exceeds text limit (10000)"),
        ({"q": [DOG, "x" * 10001]}, "Invalid request: request (10001) exceeds text limit (10000): q[1]"),
        ({"q": 5}, "Invalid request: q: a text, or an array of texts, expected, got 5"),
        ({"q": [DOG, 5]}, "Invalid request: q[1]: a text expected, got 5"),
        ({"q": "\ud800"}, "Invalid request: q: Unicode text expected, got half of a surrogate pair at character 1"),
        ({"api_key": "a b"}, "api_key: visible ASCII characters expected, and no space"),
    ],
)
def test_what_is_wrong_is_named(url: str, changed: dict[str, Any], problem: str) -> None:
    body = {"q": DOG, "source": "en", "target": "fr"} | changed
    assert post(url, "/translate", json=body) == (400, {"error": problem})


@pytest.mark.parametrize("body", ["[" * 100_000, "{", "[1]", '{"q": NaN', "\ufeff{}"])
def test_a_body_that_is_no_object_is_refused(url: str, body: str) -> None:
    headers = {"content-type": "application/json"}
    status, answer = post(url, "/translate", data=body.encode(), headers=headers)
    assert status == 400
    assert answer["error"].startswith("Invalid request: ")


def test_languages_are_told_by_get_and_by_post(url: str) -> None:
    """An older libretranslatepy posts an empty body."""
    expected = [
        {"code": "en", "name": "English", "targets": ["fr"]},
        {"code": "fr", "name": "French", "targets": ["en"]},
    ]
    assert requests.get(f"{url}/languages", timeout=30).json() == expected
    assert requests.post(f"{url}/languages", timeout=30).json() == expected


def test_a_language_is_detected_among_those_that_are_served(url: str) -> None:
    status, answer = post(url, "/detect", data={"q": "Deux jeunes hommes jouent de la guitare dans le parc."})
    assert status == 200
    assert [one["language"] for one in answer] == ["fr", "en"]
    assert 50 < answer[0]["confidence"] <= 100
    assert answer[1]["confidence"] < 50
    german = post(url, "/detect", json={"q": "Der Hund schläft heute nicht in seinem Bett."})[1]
    assert all(one["confidence"] < 50 for one in german)
    assert post(url, "/detect", data={"q": "12 🐶"})[1] == [{"confidence": 0.0, "language": "en"}]


def test_discourse_detects_looks_up_and_translates(url: str) -> None:
    detected = post(url, "/detect", data={"q": f"<p>{DOG} Two dogs are playing in the snow.</p>"})[1][0]["language"]
    languages = [one["code"] for one in requests.get(f"{url}/languages", timeout=30).json()]
    assert {detected, "fr"} <= set(languages)
    body = {"q": f"<p>{DOG}</p>", "source": detected, "target": "fr", "format": "html"}
    assert post(url, "/translate", data=body) == (200, {"translatedText": f"<p>{CHIEN}</p>"})


def test_weblate_sends_batches(url: str) -> None:
    body = {"q": [DOG] * 20, "source": "en", "target": "fr"}
    assert post(url, "/translate", json=body) == (200, {"translatedText": [CHIEN] * 20})


def test_what_is_offered_is_in_the_settings(url: str) -> None:
    settings = requests.get(f"{url}/frontend/settings", timeout=30).json()
    assert settings["charLimit"] == 10000
    assert (settings["keyRequired"], settings["suggestions"], settings["filesTranslation"]) == (False, False, True)
    assert settings["supportedFilesFormat"] == [".txt", ".srt", ".html"]
    assert settings["language"]["source"] == {"code": "en", "name": "English"}
    assert post(url, "/suggest", data={"q": DOG, "s": CHIEN})[0] == 403

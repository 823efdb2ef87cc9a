"""Numbers, emoji and other signs that no model may touch."""

import pytest

from server.text.protected import find_protected
from tests.fakes import all_at_once
from tests.text.protected_literals import literals


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I am :smile: and :blobcat_3c:.", [":smile:", ":blobcat_3c:"]),
        (":+1: :-1: (:heavy_check_mark:)", [":+1:", ":-1:", ":heavy_check_mark:"]),
        ("Ha :joy::joy::joy: ha", [":joy::joy::joy:"]),
        ("He said: a dog: no", []),
        ("a:b:c, std::vector::size, x :: y", []),
        ("at 12:30 : 4 :5: 6", []),
    ],
)
def test_short_codes_of_emoji_are_protected(text: str, expected: list[str]) -> None:
    assert [found for found in literals(text) if not found[0].isdigit()] == expected


@pytest.mark.parametrize(
    "number",
    [
        *("v2.3.1", "v2", "2.3.1", "v1.0.0-beta.2", "2024-03-15", "15/03/2024", "15.03.2024", "12:30", "1,234.56"),
        *("3.5", "2:30", "18.50", "$18.50", "£18.50", "18,50€", "18.50 €", "3.5%", "3.5kg", "10:30am", "192.168.0.1"),
        *("192.168.0.1:8080", "12,5"),
        *("16:9", "+33 1 55 00 12 34", "+1-555-123-4567", "+33155001234", "(555) 123-4567", "01 55 00 12 34"),
        *("1234567890", "12345", "AB123456C", "1 234 567", "1920x1080", "2024-03-15T10:30:00Z", "1/2", "1990-2000"),
        *("B-204", "ISO-8859-1", "F-16", "COVID-19", "204-B", "550e8400-e29b-41d4-a716-446655440000", "0xFF"),
        *("d41d8cd98f00b204e9800998ecf8427e", "a3f5c9e", "£12345", "2001:db8:0:0:0:0:0:1", "12:30:45.5"),
        *("10:30 a.m.", "8:15 PM", "7.45 p.m.", "11:05:30 pm"),
        *("130 km/h", "200 g", "1.80 m", "75kg", "3 m²", "16 GB", "1/2 l", "2,5 kWh", "10 min", "50 mph"),
        *("1 500 kg", "10 000 km", "-5 kg", "$10m", "-£5m", "24h/24", "3 h 20 min"),
        *("€ 12,50", "$ 1,200.50", "£ 1 500", "10 000 €", "1 500 %", "-10 €", "3.5 %"),
        *("5 p.m.", "9am", "12 P.M.", "17 h", "8h", "14h30", "14 h 30"),
    ],
)
def test_numbers_with_separators_and_long_ones_and_codes_are_protected(number: str) -> None:
    assert literals(f"It is {number}, a dog") == [number]
    assert literals(f"The {number} is") == [number]
    assert literals(number) == [number]
    assert literals(f"It is ({number}).") == [number]


@pytest.mark.parametrize(
    "text",
    [
        *("3 dogs", "in 2024.", "He is 10, she is 12.", "the 1980s", "20-year-old", "a 9-YEAR-OLD BOY", "MP3", "3D"),
        *("T-SHIRT", "the 1st", "page 12.", "a dog's", "mid-1990s", "deadbeef", "facade"),
        *("9 amps", "5 hours", "5 Go", "the 80 B", "3 min's", "7 m²x", "US$20m", "100 W Main Street"),
        *("20 am", "13 pm", "Wir waren 5 am Tisch.", "Nummer 12 am Markt", "10h/jour", "100 g/100 ml", "2024 200 kg"),
    ],
)
def test_short_numbers_and_words_are_left_to_the_model(text: str) -> None:
    assert literals(text) == []


@pytest.mark.parametrize(
    "emoji",
    [
        *("🐶", "😊", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇫🇷", "❤️", "☀", "✔️", "1️⃣", "#️⃣", "*️⃣", "©️", "™️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👩🏿‍🚀"),
    ],
)
def test_an_emoji_is_protected_whole(emoji: str) -> None:
    assert literals(f"I love dogs {emoji}") == [emoji]
    assert literals(f"{emoji}Hello") == [emoji]
    assert literals(f"a{emoji}{emoji} b") == [emoji * 2]


@pytest.mark.parametrize("text", ["1 #2 *", "© 2024", "Windows™", "a → b", "2 ↔ 3"])
def test_what_is_text_unless_presented_as_an_emoji_is_none(text: str) -> None:
    assert [found for found in literals(text) if found != "#2"] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I am sad :( and glad :-), ;-) =D :'(", [":(", ":-)", ";-)", "=D", ":'("]),
        ("Yes :)))", [":)))"]),
        ("Is it (so :/)?", [":/"]),
        ("as follows: (a dog); x = (a)", []),
        ("Note:P, a:(b), x =3, see :(this)", []),
        ("A dog -> a cat => a man <-> a --> b <- c", ["->", "=>", "<->", "-->", "<-"]),
        ("<!-- A dog -->, x <-5", ["<!--", "-->"]),
        ("5 >= 4, a != b", [">=", "!="]),
        ("- a dog - a cat = a man > a woman", []),
        ("/* A dog */ and a cat", ["/*", "*/"]),
    ],
)
def test_emoticons_arrows_and_signs_of_comments_are_protected_whole(text: str, expected: list[str]) -> None:
    assert [found for found in literals(text) if not found.isdigit()] == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("It has 20 °C today.", "20 °C"),
        ("It is -5°.", "-5°"),
        ("I am 100% sure.", "100%"),
        ("50 % of us", "50 %"),
        ("5 % d", "5 %"),
        ("100%.", "100%"),
        ("It costs 3 € now", "3 €"),
        ("It costs $5.", "$5"),
        ("£ 20 each", "£ 20"),
    ],
)
def test_numbers_with_a_sign_of_what_they_count_are_protected(text: str, number: str) -> None:
    assert [span.literal for span in all_at_once(find_protected(text, ()))] == [number]

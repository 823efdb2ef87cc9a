import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.download.clean import find_fault, normalise, numbers, plain
from tests.examples import examples


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("C\u2019est\u00a0bien\u202f!", "C'est bien !"),
        ("  two \t spaces\u2009and a\u2028break ", "two spaces and a break"),
        ("e\u0301te\u0301", "été"),
        ("soft\u00adhyphen, \u200bzero width, \ufeffmark", "softhyphen, zero width, mark"),
        ("“Quoted” and « cité »", "“Quoted” and « cité »"),
    ],
)
def test_spaces_apostrophes_and_invisible_characters_are_made_plain(sentence: str, expected: str) -> None:
    assert normalise(sentence) == expected


@given(st.text(max_size=40))
@examples(2)
def test_normalising_twice_changes_nothing_more(sentence: str) -> None:
    once = normalise(sentence)
    assert normalise(once) == once == plain(once)
    assert unicodedata.is_normalized("NFC", once)
    assert "\n" not in once


GOOD = [
    ("Go.", "Vas-y !"),
    ("Hi!", "Salut !"),
    ("It costs 1,200 euros.", "Cela coûte 1 200 euros."),
    ("On March 08, 2022.", "Le 8 mars 2022."),
    ("The file sources.list lists them.", "Le fichier sources.list les énumère."),
    ("Tom, Mary, Paris.", "Tom, Mary, Paris."),
    ("React uses JavaScript and/or TypeScript for the page.", "React utilise JavaScript et TypeScript pour la page."),
    ("The naïve Þór ate œufs.", "Le naïf Þór mangeait des œufs."),
]


@pytest.mark.parametrize(("english", "french"), GOOD)
def test_translations_are_kept(english: str, french: str) -> None:
    assert find_fault(english, french) is None


@pytest.mark.parametrize(
    ("fault", "english", "french"),
    [
        ("no letters", "...", "Oui."),
        ("no letters", "Yes.", ""),
        ("too long", " ".join(["word"] * 61), " ".join(["mot"] * 61)),
        ("too long", " ".join(["word"] * 60), " ".join(["mot"] * 71)),
        ("uneven", "Yes.", "Oui, je crois bien que tout cela était prévu."),
        ("uneven", "Yes, I think that all of it was meant to be.", "Oui."),
        ("other numbers", "He is 12 years old.", "Il a 13 ans."),
        ("other numbers", "Rooms 1 and 1 are free.", "La chambre 1 est libre."),
        ("other numbers", "It costs 1,200 euros.", "Cela coûte 120 euros."),
        ("code", "{value} of $count", "{value} de $count"),
        ("code", "See https://example.org", "Voir https://example.org"),
        ("code", "some_function() failed", "some_function() a échoué"),
        ("code", "This is one of the longest pages <<<<<<< HEAD", "Cette page est une des plus longues de toutes"),
        ("other script", "A Greek word: λόγος.", "Un mot grec : logos."),
        ("other script", "Hello there.", "Привет."),
        ("untranslated", "This is how it was before.", "This is how it was before."),
        ("untranslated", "This is the end of it for you.", "This is the end, and you are to go."),
        ("untranslated", "Il est dans la maison avec vous.", "Il est ici, dans la maison."),
    ],
)
def test_each_fault_is_found(fault: str, english: str, french: str) -> None:
    assert find_fault(english, french) == fault


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("1 234 567", {"1234567": 1}),
        ("1,200 and 1.200", {"1200": 2}),
        ("3,5 and 12:30", {"3": 1, "5": 1, "12": 1, "30": 1}),
        ("2019 200 people", {"2019200": 1}),
        ("007", {"7": 1}),
    ],
)
def test_numbers_are_compared_without_thousands_separators(sentence: str, found: dict[str, int]) -> None:
    assert numbers(sentence) == found

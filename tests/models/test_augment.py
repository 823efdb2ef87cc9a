"""What is changed in sentence pairs before they are trained on."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.augment import WAYS, Shares, augment
from models.span_characters import SPAN_CHARACTERS

FRENCH = ("en", "fr")
FIRST, SECOND = SPAN_CHARACTERS[0], SPAN_CHARACTERS[1]

text = st.text(st.sampled_from("abcTom AB'12.,!? «»\"éÉ-"), min_size=1, max_size=40)


def changed(way: str, source: str, target: str, seed: int = 0) -> tuple[str, str] | None:
    return WAYS[way](source, target, FRENCH, Random(seed))


@given(source=text, target=text, way=st.sampled_from(sorted(WAYS)), seed=st.integers(0, 99))
def test_both_sides_have_the_same_spans_and_the_source_has_them_in_order(
    source: str, target: str, way: str, seed: int
) -> None:
    shares = Shares(**{way: 1.0})
    new_source, new_target = augment(source, target, FRENCH, shares, Random(seed))
    spans = [character for character in new_source if character in SPAN_CHARACTERS]
    assert spans == list(SPAN_CHARACTERS[: len(spans)])
    assert sorted(character for character in new_target if character in SPAN_CHARACTERS) == spans


def test_a_word_that_both_sides_have_becomes_a_span() -> None:
    assert changed("span_for_word", "I saw Tom there.", "J'y ai vu Tom.") == (
        f"I saw {FIRST} there.",
        f"J'y ai vu {FIRST}.",
    )


def test_spans_are_numbered_by_the_source() -> None:
    pairs = {changed("span_for_word", "In 1990 Tom left.", "Tom est parti en 1990.", seed) for seed in range(20)}
    assert (f"In {FIRST} {SECOND} left.", f"{SECOND} est parti en {FIRST}.") in pairs


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("He left.", "Il est parti."),  # nothing alike
        ("Alice's book.", "Le livre d'Alice."),  # French would not elide before a span
        ("Tom saw Tom.", "Tom a vu Tom."),  # which is which?
        ("a car", "a une voiture"),  # alike by accident
    ],
)
def test_a_word_that_is_no_span_is_left(source: str, target: str) -> None:
    assert changed("span_for_word", source, target) is None
    shares = Shares(span_for_word=1.0)
    assert augment(source, target, FRENCH, shares, Random(1)) == (source, target)


@pytest.mark.parametrize(
    ("source", "target", "spans"),
    [
        (
            "He earns $3,000 a month.",
            "Il gagne 3 000 $ par mois.",
            (f"He earns {FIRST} a month.", f"Il gagne {FIRST} par mois."),
        ),
        (
            "Up 5% to 2.5 million.",
            "5 % de plus, à 2,5 millions.",
            (f"Up {FIRST} to {SECOND} million.", f"{FIRST} de plus, à {SECOND} millions."),
        ),
        ("From $5 to $6.50", "De 5 $ à 6,50 $", (f"From {FIRST} to {SECOND}", f"De {FIRST} à {SECOND}")),
        ("on 10/12/2021", "le 10/12/2021", (f"on {FIRST}", f"le {FIRST}")),
    ],
)
def test_a_number_becomes_a_span_however_each_language_writes_it(
    source: str, target: str, spans: tuple[str, str]
) -> None:
    assert changed("span_for_number", source, target) == spans


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("I have 3 cats.", "J'ai 3 chats."),  # the server leaves it to the model
        ("It costs $25.", "Cela coûte 25 €."),  # another amount
        ("2.5 or 2.5", "2,5 ou 2,5"),  # which is which?
        ("The price of 1,000", "Le prix d'1 000"),  # French would not elide before a span
    ],
)
def test_a_number_that_is_no_span_is_left(source: str, target: str) -> None:
    assert changed("span_for_number", source, target) is None


def test_a_span_beside_a_sentence_keeps_the_sentence_and_the_marks_of_each_language() -> None:
    for seed in range(40):
        pair = changed("span_beside", "Come in!", "Entrez !", seed)
        assert pair is not None
        assert "Come in" in pair[0]
        assert "Entrez" in pair[1]
        assert pair[0].endswith("!") == pair[1].endswith("!")
        assert pair[1].endswith(" !") or not pair[1].endswith("!")
    assert changed("span_beside", "Come in", "Entrez.") is None  # where would it belong?


@pytest.mark.parametrize(
    ("way", "source", "target", "expected"),
    [
        ("capitals", "It's late.", "Il est tard, l'été.", ("IT'S LATE.", "IL EST TARD, L'ÉTÉ.")),
        ("title_case", "How to cook rice.", "Comment cuire le riz.", ("How To Cook Rice", "Comment cuire le riz")),
        ("small_letters", "I met Tom!", "J'ai vu Tom !", ("i met tom", "J'ai vu Tom")),
        ("small_letters", "The dog runs.", "Le chien court.", ("the dog runs", "le chien court")),
        ("small_letters", "Tom runs.", "Tom court.", ("tom runs", "Tom court")),
        ("no_final_mark", "Stop it!", "Arrête ça !", ("Stop it", "Arrête ça")),
        ("typographic", 'It\'s "so".', 'C\'est "ça".', ("It’s “so”.", "C’est « ça ».")),
    ],
)
def test_each_way_changes_both_sides_as_people_write(
    way: str, source: str, target: str, expected: tuple[str, str]
) -> None:
    assert changed(way, source, target) == expected


def test_a_list_line_has_the_same_marker_on_both_sides() -> None:
    pair = changed("list_line", "Eggs", "Des œufs")
    assert pair is not None
    assert pair[0].removesuffix("Eggs") == pair[1].removesuffix("Des œufs") != ""


def test_shares_decide_how_often() -> None:
    random = Random(5)
    shares = Shares(capitals=0.25)
    capitals = sum(augment("a dog", "un chien", FRENCH, shares, random)[0] == "A DOG" for _ in range(1000))
    assert 200 < capitals < 300


def test_shares_of_more_than_all_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shares of 1 in all at most expected, got 1\.1"):
        Shares(capitals=0.6, list_line=0.5)


@pytest.mark.parametrize("way", ["span_for_word", "span_beside"])
def test_no_span_is_put_into_a_pair_that_has_some(way: str) -> None:
    """Its character may be taken."""
    pair = (f"Anna sees {FIRST} in Paris.", f"Anna voit {FIRST} à Paris.")
    assert all(augment(*pair, FRENCH, Shares(**{way: 1.0}), Random(seed)) == pair for seed in range(20))

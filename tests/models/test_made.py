import re
from collections import Counter
from functools import cache
from random import Random

import pytest

from models.data.made import SPAN_FRAMES, english, french, made_pairs
from models.data.made.files import read_pairs
from models.data.made.frames import Entry, Frame, Slot
from models.data.made.pairs import punctuation_variants
from models.data.made.slots import read_slots

NUM_MADE = 12_000
VOWEL = "aàâeéèêëiîïoôuûœAEÉÈIOU"


@cache
def made() -> list[tuple[str, str]]:
    return list(made_pairs(seed=1, num_pairs=NUM_MADE))


@cache
def slots() -> dict[str, Slot]:
    return read_slots()


def everything() -> list[tuple[str, str]]:
    return made() + list(SPAN_FRAMES)


def offending(pattern: str, side: int) -> list[str]:
    return [pair[side] for pair in everything() if re.search(pattern, pair[side])]


def fill(frame: tuple[str, str], seed: int = 0) -> tuple[str, str]:
    return Frame(*frame).fill(slots(), Random(seed))


def only(english_forms: dict[str, str], french_forms: dict[str, str]) -> Slot:
    return lambda random: Entry(english_forms, french_forms)


def test_as_many_phrases_and_frames_as_stated() -> None:
    assert len(read_pairs("phrases")) >= 1_200
    assert len(read_pairs("frames")) >= 350
    assert len(SPAN_FRAMES) >= 250


def test_the_number_of_pairs_asked_for_is_made() -> None:
    assert len(made()) == NUM_MADE
    assert len(list(made_pairs(3, 10))) == 10
    assert list(made_pairs(3, 0)) == []


def test_the_same_seed_makes_the_same_pairs_and_another_one_others() -> None:
    few = list(made_pairs(1, 5_000))
    assert few == made()[:5_000]
    assert set(made_pairs(2, NUM_MADE)) != set(made())


def test_no_pair_is_made_twice() -> None:
    assert len(set(made())) == len(made())


def test_an_english_sentence_has_two_french_ones_at_most() -> None:
    assert max(Counter(sentence for sentence, _ in made()).values()) <= 2


def test_each_phrase_is_made_whatever_the_seed() -> None:
    for seed in (1, 2):
        assert set(read_pairs("phrases")) <= set(made_pairs(seed, 6_000))


def test_each_frame_can_be_filled() -> None:
    for frame in read_pairs("frames"):
        for seed in range(3):
            assert not re.search(r"[{}\x00-\x1f]", "".join(fill(frame, seed))), frame


def test_each_english_frame_has_one_french_frame() -> None:
    for name in ("frames", "spans"):
        counts = Counter(sentence for sentence, _ in read_pairs(name))
        assert not [sentence for sentence, count in counts.items() if count > 1]


def test_a_frame_carries_the_same_spans_on_both_sides() -> None:
    for source, target in SPAN_FRAMES:
        spans = sorted(re.findall(r"\{.*?\}", source))
        assert spans == sorted(re.findall(r"\{.*?\}", target)), source
        assert spans == ["{1}", "{2}", "{3}"][: len(spans)] != [], source


def test_some_frames_put_spans_in_another_order() -> None:
    changed = [pair for pair in SPAN_FRAMES if len({tuple(re.findall(r"\d", side)) for side in pair}) == 2]
    assert len(changed) >= 10


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    "pattern",
    [r"  ", r"^\s|\s$", r"[\x00-\x1f|\xa0\u202f’]", r"\.\.(?!\.)(?<!\.\.\.)", r"\( | \)", r" ,", r" \.(?!\w)"],
)
def test_spaces_and_points_are_well_formed(pattern: str, side: int) -> None:
    assert offending(pattern, side) == []


@pytest.mark.parametrize(
    "pattern",
    [
        rf"(?<!-)\b([Dd]e|[Qq]ue|[Jj]e|[Ll]e|[Ll]a|[Nn]e|[Mm]e|[Ss]e|[Tt]e) [{VOWEL}](?<! \{{)(?!nze|ui\b|uistiti)",
        r"\b([Dd]e|[Ll]e|[Ll]a|[Qq]ue) (hôtel|hôpital|homme|heure|huile)",
        r"\b[Dd]e les? (?!\{)",
        r"(?<!\w)[Àà] les? (?!\{)",
        r"\b[Ss]i ils?\b",
        r"\b(ma|ta|sa) [aeéiouœ]",
        r"(?<!-)\bce [aeiou](?!st|n\b)|\bce h(ôtel|omme|ôpital)",
        r"\S[?!](?!\S)(?<! [?!])",
        r"(?<=\w):(?!\d)",
        r"\d[%$€£]",
        r"\b(Mr|Mrs|Ms|Miss|Dr\.|Mister)(?!\w)",
        r"(?<!le )(?<!Le )(?<!du )(?<!Du )(?<!au )(?<!Au )\bDr\b",
        r"\b(M|Mme|Mlle)\. \w+\.\.|\b(Mme|Mlle)\.|\bM (?=[A-Z])",
    ],
)
def test_french_is_written_as_in_corpora(pattern: str) -> None:
    assert offending(pattern, 1) == []


@pytest.mark.parametrize("pattern", [r"\ba [aeio]", r"\ban [bcdfgjklmnpqrstvwxz]", r" [?!:;]", r"\d (%|€)", r"s's's"])
def test_english_is_written_as_in_corpora(pattern: str) -> None:
    assert offending(pattern, 0) == []


def test_both_sides_begin_and_end_alike() -> None:
    for source, target in everything():
        if source[0].isalpha() and target[0].isalpha():
            assert source[0].isupper() == target[0].isupper() or target.startswith("il y a"), (source, target)
        if source[-1] in "?!":
            assert source[-1] == target[-1] or source.startswith(("Please visit", "How do you do", "Next,")), source


def test_brackets_and_quotes_are_balanced() -> None:
    for pair in everything():
        for side in pair:
            for opening, closing in ("()", "«»", "{}"):
                assert side.count(opening) == side.count(closing), side
            assert side.count('"') % 2 == 0, side


def numbers(text: str) -> list[str]:
    """The figures of a sentence without their separators."""
    text = re.sub(r"(?<=\d)[ ,](?=\d{3}\b)", "", text)
    return sorted(re.findall(r"\d+", text))


def test_figures_are_kept_but_for_hours_that_are_counted_to_24() -> None:
    for source, target in everything():
        if not re.search(r"p\.?m\b|\b12(:\d\d)? a\.?m\b|\+\d|\(\d{3}\)|\d \d\d \d\d", source):
            assert numbers(source) == numbers(target), (source, target)


@pytest.mark.parametrize(
    ("source", "target"),
    [("Good night.", "Bonne nuit."), ("Hello!", "Bonjour !"), ("hello", "bonjour"), ("Thank you", "Merci")],
)
def test_usual_openings_are_among_the_phrases(source: str, target: str) -> None:
    assert (source, target) in made()


def test_a_short_phrase_comes_with_its_variants_and_a_long_one_alone() -> None:
    assert list(punctuation_variants("Good night!", "Bonne nuit !")) == [
        ("Good night!", "Bonne nuit !"),
        ("Good night.", "Bonne nuit."),
        ("Good night", "Bonne nuit"),
        ("good night", "bonne nuit"),
    ]
    assert list(punctuation_variants("I see.", "Je vois.")) == [("I see.", "Je vois."), ("I see", "Je vois")]
    assert len(list(punctuation_variants("Where can I buy some stamps?", "Où puis-je acheter des timbres ?"))) == 1


@pytest.mark.parametrize(
    ("filling", "expected"),
    [
        ("le Dr Smith", "C'est la voiture du Dr Smith."),
        ("les États-Unis", "C'est la voiture des États-Unis."),
        ("Anna", "C'est la voiture d'Anna."),
        ("Hannah", "C'est la voiture d'Hannah."),
        ("Harry", "C'est la voiture de Harry."),
        ("Le Caire", "C'est la voiture du Caire."),
        ("onze heures", "C'est la voiture de onze heures."),
        ("une heure", "C'est la voiture d'une heure."),
        ("Lea", "C'est la voiture de Lea."),
    ],
)
def test_de_is_fitted_to_what_follows(filling: str, expected: str) -> None:
    assert french.join(f"C'est la voiture de {french.FILLED}{filling}.") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("à \x01le Japon", "au Japon"),
        ("À \x01les États-Unis", "Aux États-Unis"),
        ("à \x01la gare", "à la gare"),
        ("à \x01l'hôtel", "à l'hôtel"),
        ("si \x01il vient", "s'il vient"),
        ("si \x01elle vient", "si elle vient"),
        ("parce que \x01il", "parce qu'il"),
        ("Est-ce que \x01Paul", "Est-ce que Paul"),
    ],
)
def test_other_words_are_fitted_to_what_follows(text: str, expected: str) -> None:
    assert french.join(text) == expected


def test_titles_are_right_in_reference_and_in_address() -> None:
    titles = {fill(("{title}", "{title} / {title.voc}"), seed) for seed in range(300)}
    forms = {(source.split()[0], target.split(" / ")[0].rpartition(" ")[0]) for source, target in titles}
    assert forms == {
        ("Mr.", "M."),
        ("Mr", "M."),
        ("Mrs.", "Mme"),
        ("Mrs", "Mme"),
        ("Ms.", "Mme"),
        ("Miss", "Mlle"),
        ("Dr.", "Le Dr"),
        ("Doctor", "Le docteur"),
        ("Professor", "Le professeur"),
    }
    assert all(target.split(" / ")[1][0].islower() for _, target in titles)


def test_what_fills_a_slot_agrees_with_another_slot() -> None:
    filled = slots() | {
        "profession": only({"": "lawyer"}, {"m": "avocat", "f": "avocate", "mon_f": "mon avocate"}),
    }
    frame = Frame("{woman} is my {profession}.", "{woman} est {profession.mon@woman}, {profession@woman}.")
    _, target = frame.fill(filled, Random(0))
    assert target.endswith(" est mon avocate, avocate.")


def test_two_slots_of_a_kind_are_filled_differently() -> None:
    for seed in range(200):
        source, _ = fill(("{weekday} {weekday2}", "{weekday} {weekday2}"), seed)
        assert len(set(source.split())) == 2


def test_an_unknown_kind_or_form_is_an_error() -> None:
    for frame in (("{nothing}", "x"), ("{name}", "{name.nothing}")):
        with pytest.raises(KeyError):
            fill(frame)


@pytest.mark.parametrize(
    ("number", "said", "spoken"),
    [
        (2, "two", "deux"),
        (17, "seventeen", "dix-sept"),
        (21, "twenty-one", "vingt et un"),
        (30, "thirty", "trente"),
        (71, "seventy-one", "soixante et onze"),
        (77, "seventy-seven", "soixante-dix-sept"),
        (80, "eighty", "quatre-vingts"),
        (81, "eighty-one", "quatre-vingt-un"),
        (91, "ninety-one", "quatre-vingt-onze"),
        (99, "ninety-nine", "quatre-vingt-dix-neuf"),
        (100, "one hundred", "cent"),
    ],
)
def test_numbers_in_words(number: int, said: str, spoken: str) -> None:
    assert (english.number_word(number), french.number_word(number)) == (said, spoken)


def test_hours_are_counted_to_24_in_french() -> None:
    random = Random(1)
    entries = [slots()["time"](random) for _ in range(20_000)]
    times = {entry.english[""]: entry.french[""] for entry in entries}
    assert (times["3 p.m."], times["12:30 p.m."], times["12:05 am"], times["7:15 a.m."]) == (
        "15 h",
        "12 h 30",
        "0 h 05",
        "7 h 15",
    )
    assert (times["half past two"], times["1 o'clock"], times["noon"]) == ("deux heures et demie", "1 heure", "midi")


def test_figures_are_written_in_the_french_way() -> None:
    assert french.figures("1,250,000") == "1 250 000"
    assert french.figures("1,250.50") == "1 250,50"


def test_ordinals_articles_and_plurals_of_english() -> None:
    expected = ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd"]
    assert [english.ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 22, 23)] == expected
    words = ("apple", "hour", "university", "hotel", "umbrella")
    assert [english.with_article(word) for word in words] == [
        "an apple",
        "an hour",
        "a university",
        "a hotel",
        "an umbrella",
    ]
    assert [english.plural(word) for word in ("box", "key", "strawberry")] == ["boxes", "keys", "strawberries"]

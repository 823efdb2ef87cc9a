import unicodedata
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.variants import (
    SPANS,
    Changed,
    Variant,
    in_capitals,
    plain_blanks,
    plain_typography,
    plain_variants,
    typography,
    with_invisible_characters,
    with_name,
    with_no_break_spaces,
    with_span,
    with_typography,
    without_span,
)

SENTENCES = ['"Go," he said.', "A man in an orange hat is reading.", "Go!", "I don't know Tom's dog.", "Are 2 < 3 & 4?"]

sentences = st.lists(
    st.text(alphabet=st.sampled_from("abcDE12.,'\"! -"), min_size=1).map(str.strip).filter(bool), max_size=4
)


def by_name(variants: list[Variant]) -> dict[str, Variant]:
    return {variant.name: variant for variant in variants}


def test_the_same_seed_makes_the_same_contents_and_another_seed_others() -> None:
    once, again, other = (
        [variant.contents for variant in plain_variants(SENTENCES, seed)] for seed in ("1 a", "1 a", "2 a")
    )
    assert once == again
    assert once != other


@given(sentences, st.integers())
@settings(max_examples=40)
def test_a_span_is_put_in_once_between_words_and_taking_it_out_gives_the_sentence(texts: list[str], seed: int) -> None:
    for kind, spans in SPANS.items():
        variant = with_span(kind, spans, texts, Random(seed))
        assert [changed.sentence for changed in variant.contents] == [n for n, text in enumerate(texts) if " " in text]
        for changed in variant.contents:
            assert changed.content.count(changed.span) == 1
            assert not changed.content.startswith(changed.span)
            assert not changed.content.endswith(changed.span)
            assert variant.undo(changed, changed.content) == texts[changed.sentence]


def test_a_sentence_of_one_word_gets_no_span() -> None:
    assert not with_span("emoji", ("😊",), ["Go!"], Random(1)).contents


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("Un 😊 chien", "Un chien"),
        ("😊 Un chien", "Un chien"),
        ("Un chien 😊", "Un chien"),
        ("Un chien 😊.", "Un chien."),
        ("l'😊 homme", "l'homme"),
        ("Un chien", "Un chien"),
    ],
)
def test_one_blank_goes_with_a_span(text: str, without: str) -> None:
    assert without_span(text, "😊") == without


@pytest.mark.parametrize(("translation", "is_wrong"), [("Un 😊 chien", False), ("Un chien", True), ("😊 Un 😊", True)])
def test_a_span_that_is_lost_or_doubled_is_a_fault(translation: str, is_wrong: bool) -> None:
    variant = with_span("emoji", ("😊",), ["A dog"], Random(1))
    assert bool(variant.fault(variant.contents[0], translation, "Un chien")) == is_wrong


def test_what_stands_for_a_name_is_compared_as_the_name() -> None:
    variant = with_name("{name}", ["Tom's dog.", "Tomatoes.", "Tom knows Tom.", "I see Tom."])
    assert variant.contents == [Changed(0, "{name}'s dog.", "{name}"), Changed(3, "I see {name}.", "{name}")]
    assert variant.undo(variant.contents[0], "Le chien de {name}.") == "Le chien de Tom."
    assert variant.fault(variant.contents[0], "Le chien.", "Le chien de Tom.")
    assert not variant.do_not_translate


def test_a_name_that_is_not_to_be_translated_stays_in_the_sentence() -> None:
    variant = with_name("Tom", ["I see Tom."])
    assert variant.contents == [Changed(0, "I see Tom.", "Tom")]
    assert variant.do_not_translate == ("Tom",)


def test_capitals_are_compared_with_capitals() -> None:
    variant = in_capitals(["A dog's."])
    assert variant.contents == [Changed(0, "A DOG'S.")]
    assert not variant.fault(variant.contents[0], "D'UN ÉTÉ.", "D'un été.")
    assert variant.fault(variant.contents[0], "D'un été.", "D'un été.")
    assert variant.fold("D'un été.") == "D'UN ÉTÉ."


@pytest.mark.parametrize(
    ("plain", "typeset"),
    [
        ('"Go," he said. "Now!"', "“Go,” he said. “Now!”"),
        ("I don't know Tom's 'dog'.", "I don’t know Tom’s ‘dog’."),
        ("A dog - a poodle - waits...", "A dog — a poodle — waits…"),
        ("A well-known dog.", "A well-known dog."),
    ],
)
def test_typographic_marks_are_those_of_typesetters_and_can_be_taken_back(plain: str, typeset: str) -> None:
    assert typography(plain) == typeset
    assert plain_typography(typeset) == plain


def test_only_sentences_that_have_marks_are_typeset() -> None:
    assert [changed.sentence for changed in with_typography(SENTENCES).contents] == [0, 3]


def test_other_words_under_typographic_marks_are_a_fault_and_other_quotes_are_none() -> None:
    variant = with_typography(['"Go!"'])
    assert not variant.fault(variant.contents[0], "“Va !”", '"Va !"')
    assert variant.fault(variant.contents[0], "“Vas !”", '"Va !"')


@given(sentences, st.integers())
@settings(max_examples=40)
def test_characters_that_are_put_into_words_are_invisible(texts: list[str], seed: int) -> None:
    for changed in with_invisible_characters(texts, Random(seed)).contents:
        sentence, seen = texts[changed.sentence], iter(changed.content)
        assert changed.content != sentence
        assert "".join(character for character in seen if unicodedata.category(character) != "Cf") == sentence


@given(sentences, st.integers())
@settings(max_examples=40)
def test_some_blanks_become_no_break_spaces_and_nothing_else_changes(texts: list[str], seed: int) -> None:
    contents = with_no_break_spaces(texts, Random(seed)).contents
    assert [changed.sentence for changed in contents] == [n for n, text in enumerate(texts) if " " in text]
    for changed in contents:
        assert changed.content != texts[changed.sentence]
        assert plain_blanks(changed.content) == texts[changed.sentence]


def test_every_variant_takes_the_plain_translation_for_right_once_its_own_change_is_made_to_it() -> None:
    variants = by_name(plain_variants(SENTENCES, "1"))
    for variant in variants.values():
        for changed in variant.contents:
            plain = SENTENCES[changed.sentence]
            translation = plain if variant.name == "invisible characters" else changed.content
            assert not variant.fault(changed, translation, plain)
            assert variant.fold(variant.undo(changed, translation)) == variant.fold(plain)

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.markup import TAGS, TagQuality, judge_tags, parse, tag_faults, tagged, with_tags
from tests.examples import examples

SOURCE = '<b>A <i>big</i> dog</b> is <a href="#">here</a>.'


@given(st.text(alphabet=st.sampled_from("abc.,'\"!&<> -"), min_size=1).map(str.strip).filter(bool), st.integers())
@examples(2)
def test_a_sentence_with_tags_is_valid_and_has_the_sentence_as_its_text(sentence: str, seed: int) -> None:
    parsed = parse(tagged(sentence, Random(seed)))
    assert parsed.text == sentence
    assert not parsed.problems
    assert set(parsed.num_tags.values()) <= {1}
    for element in parsed.elements.values():
        enclosed = sentence[element.start : element.end]
        assert enclosed.strip(".,'\"! ") == enclosed
        assert enclosed


def test_every_sentence_of_words_gets_one_to_three_elements_of_four_words_at_most() -> None:
    sentences = ["A man in an orange hat is reading a book in the park."] * 200
    parsed = [parse(changed.content) for changed in with_tags(sentences, "1").contents]
    assert {len(one.elements) for one in parsed} == {1, 2, 3}
    assert {opening for one in parsed for opening in one.elements} == set(TAGS)
    assert any(parent for one in parsed for parent in one.parents.values())
    words = [len(one.text[start:end].split()) for one in parsed for start, end, _ in one.elements.values()]
    assert set(words) == {1, 2, 3, 4}


def test_the_same_seed_sets_the_same_tags() -> None:
    sentences = ["A man in an orange hat."] * 20
    assert with_tags(sentences, "1").contents == with_tags(sentences, "1").contents
    assert with_tags(sentences, "1").contents != with_tags(sentences, "2").contents


def test_entities_are_not_text() -> None:
    variant = with_tags(["1 < 2 & 3"], "1")
    assert "&lt;" in variant.contents[0].content
    assert variant.undo(variant.contents[0], "1 &lt; <b>2</b> &amp; 3") == "1 < 2 & 3"


@pytest.mark.parametrize(
    "translation",
    [
        '<b>Un <i>gros</i> chien</b> est <a href="#">ici</a>.',
        '<a href="#">Ici</a> est <b>un chien <i>gros</i></b>.',
    ],
)
def test_tags_may_stand_around_other_words(translation: str) -> None:
    assert not tag_faults(parse(SOURCE), parse(translation))


@pytest.mark.parametrize(
    ("translation", "fault"),
    [
        ('<b>Un gros chien</b> est <a href="#">ici</a>.', "<i> is there 0 times"),
        ('<b>Un <i>gros</i> chien</b> est <a href="#">i</a><a href="#">ci</a>.', '<a href="#"> is there 2 times'),
        ('<b>Un <i>gros</i> chien</b> est <a href="##">ici</a>.', '<a href="##"> is there 1 times, 0 expected'),
        ('<b>Un <i>gros</b> chien</i> est <a href="#">ici</a>.', "</b> closes another tag"),
        ('<b>Un <i>gros</i> chien est <a href="#">ici</a>.', "<b> is not closed"),
        ('<b>Un</b> <i>gros</i> chien est <a href="#">ici</a>.', "nested"),
        ('</b>Un <i>gros</i> chien<b> est <a href="#">ici</a>.', "</b> closes another tag"),
    ],
)
def test_tags_that_are_lost_doubled_changed_or_crossed_are_faults(translation: str, fault: str) -> None:
    assert fault in "; ".join(tag_faults(parse(SOURCE), parse(translation)))


def test_tagged_words_are_right_where_they_are_aligned_to_tagged_words() -> None:
    source, alignment = parse("A <b>big</b> <i>dog</i> is here."), "0-0 2-1 1-2 3-3 4-4"
    right = judge_tags(source, parse("Un <i>chien</i> <b>gros</b> est ici."), alignment)
    assert right == TagQuality(num_right=2, num_tagged=2, num_expected=2, num_empty=0)
    wrong = judge_tags(source, parse("Un <b>chien</b> <i>gros est</i> ici."), alignment)
    assert wrong == TagQuality(num_right=0, num_tagged=3, num_expected=2, num_empty=0)
    lost = judge_tags(source, parse("Un chien <b></b><i></i>gros est ici."), alignment)
    assert lost == TagQuality(num_right=0, num_tagged=0, num_expected=2, num_empty=2)


def test_marks_alone_are_not_judged() -> None:
    quality = judge_tags(parse("Is it <b>here</b>?"), parse("Est-il <b>ici ?</b>"), "0-0 2-1 2-2")
    assert quality == TagQuality(num_right=1, num_tagged=1, num_expected=1, num_empty=0)

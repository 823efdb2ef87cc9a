from random import Random

import pytest

from evaluation.joined import compare, ended, groups, join_references, sampled_groups, segment_fault
from seq2serve import Translation
from seq2serve.pb.translation_pb2 import TranslatedSegment


def answer(text: str, *segments: tuple[int, int, int, int]) -> Translation:
    """Segments by their starts and ends in the source, then in the translation."""
    return Translation(
        translated_text=text,
        segments=[
            TranslatedSegment(source_start=a, source_end=b, translation_start=c, translation_end=d)
            for a, b, c, d in segments
        ],
    )


SENTENCES = ["A dog. It runs.", "Go!"]
ALONE = [answer("Un chien. Il court.", (0, 6, 0, 9), (7, 15, 10, 19)), answer("Va !", (0, 3, 0, 4))]
BOTH = range(2)


def test_contents_have_the_sentences_in_their_order_and_leave_out_the_rest() -> None:
    assert groups([0, 1, 3, 4, 5, 6, 7], 3) == [[0, 1, 3], [4, 5, 6]]


def test_only_sentences_whose_end_can_be_seen_are_joined() -> None:
    assert ended(["A dog.", "A dog", "A dog!", 'He says "Go."', "A (big?) dog", "Really?)"]) == [0, 2, 3, 5]


def test_sampled_contents_are_of_six_to_forty_sentences_or_of_all_that_there_are() -> None:
    sampled = sampled_groups(range(1000), 200, Random(1))
    assert sampled == sampled_groups(range(1000), 200, Random(1))
    assert {min(map(len, sampled)), max(map(len, sampled))} == {6, 40}
    assert all(list(group) == list(range(group[0], group[-1] + 1)) for group in sampled)
    assert set(sampled_groups(range(5), 3, Random(1))) == {range(5)}


def test_a_sentence_with_fewer_references_repeats_them() -> None:
    assert join_references([["a", "b", "c"], ["d", "e"], ["f"]], range(3)) == ["a d f", "b e f", "c d f"]


def test_a_content_that_is_translated_as_its_sentences_are_is_equal() -> None:
    whole = answer("Un chien. Il court. Va !", (0, 6, 0, 9), (7, 15, 10, 19), (16, 19, 20, 24))
    assert compare(whole, SENTENCES, ALONE, BOTH) == (True, 0)


def test_a_content_with_other_words_is_not_equal() -> None:
    whole = answer("Un chien. Il court. Vas !", (0, 6, 0, 9), (7, 15, 10, 19), (16, 19, 20, 25))
    assert compare(whole, SENTENCES, ALONE, BOTH) == (False, 0)


def test_a_sentence_that_was_parted_elsewhere_is_split_differently() -> None:
    whole = answer("Un chien. Il court va !", (0, 6, 0, 9), (7, 19, 10, 23))
    assert compare(whole, SENTENCES, ALONE, BOTH) == (False, 2)


@pytest.mark.parametrize(
    ("content", "translation", "is_wrong"),
    [
        ("A.\n B.\n", answer("X.\n YZ.\n", (0, 2, 0, 2), (4, 6, 4, 7)), False),
        (" ", answer(" "), False),
        ("A.\n B.\n", answer("X. YZ.\n", (0, 2, 0, 2), (4, 6, 3, 6)), True),
        ("A.\n B.\n", answer("X.\n YZ.", (0, 2, 0, 2), (4, 6, 4, 7)), True),
        ("A.\n B.\n", answer("X.\n YZ.\n", (4, 6, 4, 7), (0, 2, 0, 2)), True),
        ("A.", answer("X."), True),
    ],
)
def test_what_is_between_segments_is_the_same_in_both_texts(
    content: str, translation: Translation, is_wrong: bool
) -> None:
    assert bool(segment_fault(content, translation)) == is_wrong

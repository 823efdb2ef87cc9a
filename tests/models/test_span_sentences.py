import re
from collections import Counter

from models.span_characters import find_spans
from models.span_sentences import NUM_SENTENCES, span_sentences
from server.text.protected import find_protected
from tests.fakes import all_at_once

SENTENCES = span_sentences()


def test_there_are_five_hundred_with_one_to_three_spans_and_no_model_reads_one_twice() -> None:
    assert len(SENTENCES) == len({sentence.carried for sentence in SENTENCES}) == 500
    assert Counter(len(sentence.spans) for sentence in SENTENCES) == NUM_SENTENCES


def test_they_are_the_same_every_time() -> None:
    assert span_sentences() == SENTENCES


def test_every_kind_of_span_and_every_place_has_its_share() -> None:
    kinds = Counter(kind for sentence in SENTENCES for kind in sentence.kinds)
    roles = Counter(sentence.role for sentence in SENTENCES)
    assert len(kinds) == 12
    assert min(kinds.values()) >= 30
    assert len(roles) == 8
    assert min(roles.values()) >= 25


def test_span_characters_stand_where_the_spans_do_in_their_order() -> None:
    for sentence in SENTENCES:
        assert find_spans(sentence.carried) == list(range(len(sentence.spans)))
        written = sentence.carried
        for number, span in enumerate(sentence.spans):
            written = written.replace(chr(0xE000 + number), span)
        assert written == sentence.text
        assert len(set(sentence.spans)) == len(sentence.spans) == len(sentence.kinds)


def test_no_blank_of_a_frame_is_left() -> None:
    for sentence in SENTENCES:
        assert not re.search(r"[\[\]{}]", sentence.carried), sentence.carried
        assert not sentence.carried[0].islower(), sentence.carried


def test_what_the_server_protects_in_them_are_their_spans() -> None:
    """But for foreign words, which are found by a vocabulary that lacks their letters."""
    for sentence in SENTENCES:
        expected = [span for span, kind in zip(sentence.spans, sentence.kinds, strict=True) if kind != "foreign word"]
        found = [protected.literal for protected in all_at_once(find_protected(sentence.text, ()))]
        assert found == expected, sentence.text

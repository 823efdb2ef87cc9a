from collections.abc import Sequence

import pytest

from evaluation.measure import MAX_LOSS, Fault, Measured, Row, measure
from evaluation.report import Finding, html_pairs, missed, table
from models.data.corpora import Corpus
from seq2serve import Hypothesis, Translation
from seq2serve.pb.translation_pb2 import TranslatedSegment

SOURCES = [f"The {n}th man doesn't know the big dog here." for n in range(10)]
TEST = Corpus(SOURCES, SOURCES, [[source, "Something else that is just as long as it."] for source in SOURCES])


def echo(contents: Sequence[str], mime_type: str = "", do_not_translate: Sequence[str] = ()) -> list[Translation]:
    """A model that writes what it reads, and sees what is invisible as the server must."""
    return [translation(content, _parts(content)) for content in contents]


def translation(text: str, parts: Sequence[str]) -> Translation:
    segments, end = [], 0
    for part in parts:
        start = text.index(part, end)
        end = start + len(part)
        segments.append(
            TranslatedSegment(source_start=start, source_end=end, translation_start=start, translation_end=end)
        )
    alignment = " ".join(f"{n}-{n}" for n in range(len(text.split())))
    return Translation(translated_text=text, segments=segments, hypotheses=[Hypothesis(word_alignment=alignment)])


def _parts(content: str) -> list[str]:
    sentences = content.split(". ")
    return [f"{sentence}." for sentence in sentences[:-1]] + sentences[-1:]


def rows(measured: Measured) -> dict[str, Row]:
    return {row.variant: row for row in measured.rows}


def test_a_model_that_writes_what_it_reads_keeps_spans_tags_and_sentences() -> None:
    found = rows(measure(echo, TEST, "1"))
    for name, row in found.items():
        if name != "invisible characters":
            assert not row.is_missed, name
            assert row.plain == row.bleu == pytest.approx(100)
    assert found["3 joined"].num_checked == 3
    assert found["HTML"].remark == "100.0% right, 100.0% found, 0 lost (10 judged)"
    assert found["with emoji"].remark == "off by 0%"


def test_what_it_makes_of_invisible_characters_is_found() -> None:
    row = rows(measure(echo, TEST, "1"))["invisible characters"]
    assert row.is_missed
    assert len(row.faults) == row.num_checked == 10


def test_a_model_that_ends_at_the_first_sentence_is_found_by_its_loss() -> None:
    def first_sentence(
        contents: Sequence[str], mime_type: str = "", do_not_translate: Sequence[str] = ()
    ) -> list[Translation]:
        return [translation(_parts(content)[0], _parts(content)[:1]) for content in contents]

    row = rows(measure(first_sentence, TEST, "1"))["3 joined"]
    assert row.difference < -50
    assert row.is_missed


def test_the_table_and_the_missed_bars_name_model_decoding_test_set_and_contents() -> None:
    good = Finding("transformer", "greedy", "tatoeba/test", Row("HTML", 40.0, 39.6, MAX_LOSS, 2, [], "remark"))
    fault = Fault("A", "B", "is wrong")
    bad = Finding("lstm", "beam-5", "tatoeba/test", Row("HTML", 40.0, 40.0, MAX_LOSS, 2, [fault], ""))
    lossy = Finding("lstm", "greedy", "tatoeba/test", Row("HTML", 40.0, 39.4, MAX_LOSS, 2, [], ""))
    lines = table([good, bad, lossy]).splitlines()
    assert lines[0] == "| test set | contents | transformer, greedy | lstm, beam-5 | lstm, greedy |"
    assert lines[2] == ("| tatoeba/test | HTML | 39.6 (-0.40); remark | 40.0 (+0.00); 1 of 2 wrong | 39.4 (-0.60) |")
    assert missed([good]) == []
    lines = missed([good, bad, lossy])
    assert lines[0].startswith("lstm, beam-5, tatoeba/test, HTML: +0.00 BLEU")
    assert "is wrong" in lines[1]
    assert lines[2].startswith("lstm, greedy, tatoeba/test, HTML: -0.60 BLEU")


def test_pairs_for_a_reader_are_numbered() -> None:
    assert html_pairs([("a", "b"), ("c", "d")]) == "1.\na\nb\n\n2.\nc\nd\n"

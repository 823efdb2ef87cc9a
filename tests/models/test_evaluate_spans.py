import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor

from models.evaluate_spans import NoSpanPieces, count_carried, main, report, span_ids, translate_spans
from models.span_characters import find_spans
from models.span_sentences import SpanSentence, span_sentences
from models.tokenizer import load_tokenizer
from tests.small_models import train_carrying_tokenizer

ONE = SpanSentence("subject", "%s is new.", "\ue000 is new.", ("%s",), ("format",))
TWO = SpanSentence("three", "%s and %d are new.", "\ue000 and \ue001 are new.", ("%s", "%d"), ("format", "format"))


@pytest.fixture(scope="module")
def span_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> SentencePieceProcessor:
    path = tmp_path_factory.mktemp("spans") / "tokenizer.model"
    train_carrying_tokenizer(path)
    return load_tokenizer(path)


@pytest.mark.parametrize(
    ("sentence", "translation", "expected"),
    [
        (ONE, "\ue000 est neuf.", (1, 1, 1)),
        (ONE, "L'\ue000 est neuf.", (1, 1, 1)),
        (ONE, "Il est neuf.", (1, 0, 0)),
        (ONE, "\ue000\ue000 est neuf.", (1, 0, 0)),
        (ONE, "\ue001 est neuf.", (1, 0, 0)),
        (ONE, "\ue000 est \ue001.", (1, 0, 0)),
        (ONE, "", (1, 0, 0)),
        (TWO, "\ue000 et \ue001 sont neufs.", (1, 1, 1)),
        (TWO, "\ue001 et \ue000 sont neufs.", (1, 1, 0)),
        (TWO, "\ue000 et \ue000 sont neufs.", (1, 0, 0)),
        (TWO, "\ue000 est neuf.", (1, 0, 0)),
    ],
)
def test_a_sentence_is_carried_with_each_span_once_and_no_other(
    sentence: SpanSentence, translation: str, expected: tuple[int, int, int]
) -> None:
    assert count_carried([sentence], [translation])["all"] == expected


def test_sentences_are_counted_by_role_and_all_together_last() -> None:
    counts = count_carried([ONE, TWO, ONE], ["\ue000", "\ue001\ue000", ""])
    assert list(counts.items()) == [("three", (1, 1, 0)), ("subject", (2, 1, 1)), ("all", (3, 2, 1))]


def test_a_report_shows_shares_and_what_was_not_carried() -> None:
    lines = report("lstm", [ONE, TWO, ONE], ["\ue000 est neuf.", "\ue001 et \ue000", "\ue001 est."]).splitlines()
    assert lines[0].startswith("| lstm |")
    assert "| all | 3 | 66.7% | 50.0% |" in lines
    assert lines[-1] == "%s is new. -> ⟨2⟩ est."


def test_a_model_that_copies_its_source_carries_every_span(span_tokenizer: SentencePieceProcessor) -> None:
    def copy(sources: Sequence[Sequence[int]]) -> list[list[int]]:
        return [list(source[:-1]) for source in sources]

    sentences = span_sentences()
    counts = count_carried(sentences, translate_spans(copy, span_tokenizer, sentences))
    assert counts["all"] == (500, 500, 500)


def test_the_pieces_are_those_of_the_span_characters(span_tokenizer: SentencePieceProcessor) -> None:
    assert find_spans(span_tokenizer.decode(span_ids(span_tokenizer))) == [0, 1, 2]


def test_a_tokenizer_without_span_pieces_is_refused(small_tokenizer: Path) -> None:
    with pytest.raises(NoSpanPieces, match=r"U\+E000"):
        translate_spans(lambda sources: [], load_tokenizer(small_tokenizer), [ONE])


def test_a_folder_without_a_model_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate_spans", str(tmp_path)])
    with pytest.raises(SystemExit, match="no finished model"):
        main()

"""Models that Marian itself has trained compute here what they compute there: see the README of the fixtures."""

from functools import cache
from pathlib import Path

import pytest

from export.checkpoints.imported import Imported
from export.checkpoints.marian_npz import read
from models.encoder_decoder import EncoderDecoder
from tests.export.checkpoints.marian_runs import greedy, load_model, score

FIXTURES = Path(__file__).parent / "fixtures"
MODELS = ("marian", "student")
SOURCES, TARGETS = ((FIXTURES / f"sentences.{code}").read_text("utf-8").splitlines() for code in ("en", "fr"))

MAX_DIFFERENCE = 1e-3
"""Nats, of a sentence."""


@cache
def imported(name: str) -> tuple[Imported, EncoderDecoder]:
    checkpoint = read(FIXTURES / name, ("en", "fr"), "own")
    return checkpoint, load_model(checkpoint)


def lines(name: str, file: str) -> list[str]:
    return (FIXTURES / name / file).read_text("utf-8").removesuffix("\n").split("\n")


@pytest.mark.parametrize("name", MODELS)
def test_scores_are_those_of_marian_score(name: str) -> None:
    checkpoint, model = imported(name)
    theirs = list(map(float, lines(name, "scores.txt")))
    ours = [score(model, checkpoint, *pair) for pair in zip(SOURCES, TARGETS, strict=True)]
    assert ours == pytest.approx(theirs, rel=0, abs=MAX_DIFFERENCE)
    assert min(theirs) < -100  # long, unlikely ones are among them, where a difference would add up


@pytest.mark.parametrize("name", MODELS)
def test_greedy_translations_are_those_of_marian_decode(name: str) -> None:
    checkpoint, model = imported(name)
    assert [greedy(model, checkpoint, source) for source in SOURCES] == lines(name, "greedy.fr")


@pytest.mark.parametrize("name", MODELS)
def test_the_fixtures_translate_what_they_were_trained_with(name: str) -> None:
    assert lines(name, "greedy.fr")[:8] == TARGETS[:8]


def test_the_decoder_of_the_student_is_a_recurrence() -> None:
    assert imported("student")[0].settings.decoder == "ssru"
    assert imported("marian")[0].settings.decoder == "self-attention"

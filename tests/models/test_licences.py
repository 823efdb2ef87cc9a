"""What is asked of whoever uses the weights."""

import pytest

from models.config import DataConfig
from models.data.corpora import TERMS, Source, all_sources
from models.data.licences import by_term, licence_notes, licence_of_weights
from models.data.training_text import sources_of


def sources(*mix: str) -> dict[str, Source]:
    return sources_of(DataConfig(mix=dict.fromkeys(mix, 1.0)))


@pytest.mark.parametrize(
    ("mix", "licence"),
    [
        (["captions"], "research-only"),
        (["tatoeba"], "attribution"),
        (["osguide", "multi30k"], "research-only, attribution"),
        (["everyday"], "share-alike, attribution"),  # as Wikiotics is
        (["tatoeba", "captions", "prose"], "research-only, share-alike, attribution"),
        (["bible"], "no conditions"),
        (["phrases", "frames"], "no conditions"),
    ],
)
def test_weights_are_bound_by_all_texts_that_they_were_trained_on(mix: list[str], licence: str) -> None:
    assert licence_of_weights(sources(*mix)) == licence


def test_everything_that_a_licence_may_ask_of_weights_is_told() -> None:
    told = by_term(all_sources())
    assert told.keys() == set(TERMS) - {"test-only"}
    assert "multi30k" in told["research-only"]


def test_whoever_is_to_be_named_is() -> None:
    notes = licence_notes(sources("everyday", "captions"))
    assert "- **research-only** (multi30k): " in notes
    for name, source in sources("everyday", "captions").items():
        [row] = [line for line in notes.splitlines() if line.startswith(f"| {name} |")]
        assert source.licence in row
        assert source.attribution in row

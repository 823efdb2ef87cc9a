"""What the shipped Transformers make of a newcomer's first sentences."""

from pathlib import Path

import pytest

from evaluation.first_sentences import judge, read_first_sentences, report
from tests.integration.served import serving

REPOSITORY = Path(__file__).parents[2] / "model_repository"

MIN_RIGHT = {"en-fr": 74, "fr-en": 48}
"""Direction -> sentences that equal a reference, of 100 and of 60; a few less than were measured, as processors round
differently."""


@pytest.mark.parametrize("direction", MIN_RIGHT)
async def test_the_first_sentences_are_translated_as_a_reader_would(direction: str, tmp_path: Path) -> None:
    model = f"transformer-{direction}"
    if not (REPOSITORY / model).is_dir():
        pytest.skip(f"no {model} in {REPOSITORY.name}")
    sentences = read_first_sentences(direction)
    (tmp_path / model).symlink_to(REPOSITORY / model)
    async with serving(tmp_path, default_model=model) as served:
        answer = await served.translate(*(sentence.source for sentence in sentences), model=model)
    judged = judge(sentences, [translation.translated_text for translation in answer.translations])
    assert sum(one.is_right for one in judged) >= MIN_RIGHT[direction], report(judged)

"""Translations by the shipped models."""

from pathlib import Path

from tests.integration.served import Served

REPOSITORY = Path(__file__).parents[2] / "model_repository"
MODELS = ["transformer-en-fr", "lstm-attention-en-fr", "lstm-en-fr", "rnn-en-fr"]


async def translated(served: Served, *contents: str, model: str = "transformer-en-fr", **fields: object) -> list[str]:
    answer = await served.translate(*contents, model=model, **fields)
    return [translation.translated_text for translation in answer.translations]

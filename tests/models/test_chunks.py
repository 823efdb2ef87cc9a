import functools
import itertools
from pathlib import Path

import pytest
import torch

from models.config import DataConfig
from models.data.batches import Batch
from models.data.chunks import read_ahead
from models.data.training_text import TextPair, TrainingText
from models.tokenizer import load_tokenizer


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_batches_made_ahead_are_those_that_are_made_between_steps(small_tokenizer: Path) -> None:
    """Also what is drawn at random in them, the pairs and their pieces."""
    pairs = [TextPair("a man and " * n + "a dog", "un homme et " * n + "un chien") for n in range(20)]
    text = TrainingText({"captions": pairs}, DataConfig(mix={"captions": 1.0}, bpe_dropout=0.2), seed=1)
    make = functools.partial(text.batches, load_tokenizer(small_tokenizer), batch_tokens=20_000)

    def first_of_two_chunks(device: str) -> list[tuple[int, Batch]]:
        in_order = itertools.groupby(read_ahead(make, 5, 3, torch.device(device)), lambda numbered: numbered[0])
        return [next(batches) for _, batches in itertools.islice(in_order, 2)]

    between, ahead = (first_of_two_chunks(device) for device in ("cpu", "cuda"))  # no GPU is touched by making them
    assert [number for number, _ in between] == [number for number, _ in ahead] == [5, 8]
    for (_, one), (_, other) in zip(between, ahead, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))

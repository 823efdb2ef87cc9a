"""Small bundles of every registered architecture, exported once for all tests."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from models.registry import ARCHITECTURES
from models.seq2seq import EOS
from server.text.sentencepieces import SentencePieceTokenizer
from server.text.tokenizer import Tokenizer
from tests.small_models import SmallModel, export_small_model, train_carrying_tokenizer, train_small_tokenizer

# How fast an example runs says nothing on a machine that does other things beside.
# Examples are the same in every run, so that what has passed passes again; `make fuzz` draws new ones.
settings.register_profile("patient", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

SmallModels = Callable[[str], SmallModel]


@pytest.fixture(scope="session")
def small_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    train_small_tokenizer(path)
    return path


@pytest.fixture(scope="session")
def carrying_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer with span pieces."""
    path = tmp_path_factory.mktemp("carrying_tokenizer") / "tokenizer.model"
    train_carrying_tokenizer(path)
    return path


@pytest.fixture(scope="session")
def tokenizer(small_tokenizer: Path) -> Tokenizer:
    return SentencePieceTokenizer(small_tokenizer, EOS)


@pytest.fixture(scope="session")
def small_model(small_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> SmallModels:
    """The small model of an architecture, exported when it is first asked for."""
    torch.set_num_threads(1)
    repository = tmp_path_factory.mktemp("models") / "model_repository"

    @cache
    def export(name: str) -> SmallModel:
        return export_small_model(name, small_tokenizer, repository)

    return export


@pytest.fixture(scope="session")
def model_repository(small_model: SmallModels) -> Path:
    """All of them, as a server reads them."""
    folders = [small_model(name).bundle.folder for name in ARCHITECTURES]
    return folders[0].parent.parent

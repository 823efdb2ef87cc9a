"""Small bundles of every registered architecture, exported once for all tests and all processes that run them."""

import fcntl
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from models.registry import ARCHITECTURES
from models.seq2seq import EOS
from server.bundle.manifest import TOKENIZER
from server.text.sentencepieces import SentencePieceTokenizer
from server.text.tokenizer import Tokenizer
from tests.small_models import (
    SmallModel,
    export_small_model,
    read_small_model,
    train_carrying_tokenizer,
    train_small_tokenizer,
)

# How fast an example runs says nothing on a machine that does other things beside.
# Examples are the same in every run, so that what has passed passes again; `make fuzz` draws new ones.
settings.register_profile("thorough", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("patient", settings.get_profile("thorough"), max_examples=40)
settings.load_profile("patient")  # `make test-nightly` has the thorough one

SmallModels = Callable[[str], SmallModel]
Repositories = Callable[..., Path]
MadeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Folders by name that one process of a run fills, for all processes of pytest-xdist. Nobody may change them."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "made-once"
    shared.mkdir(exist_ok=True)

    def folder(name: str, fill: Callable[[Path], object]) -> Path:
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (shared / name).exists():
                draft = tmp_path_factory.mktemp(name)
                fill(draft)
                draft.rename(shared / name)
        return shared / name

    return folder


@pytest.fixture(scope="session")
def small_tokenizer(made_once: MadeOnce) -> Path:
    return made_once("tokenizer", lambda folder: train_small_tokenizer(folder / TOKENIZER)) / TOKENIZER


@pytest.fixture(scope="session")
def carrying_tokenizer(made_once: MadeOnce) -> Path:
    """A tokenizer with span pieces."""
    return made_once("carrying-tokenizer", lambda folder: train_carrying_tokenizer(folder / TOKENIZER)) / TOKENIZER


@pytest.fixture(scope="session")
def tokenizer(small_tokenizer: Path) -> Tokenizer:
    return SentencePieceTokenizer(small_tokenizer, EOS)


@pytest.fixture(scope="session")
def small_model(small_tokenizer: Path, made_once: MadeOnce, tmp_path_factory: pytest.TempPathFactory) -> SmallModels:
    """The small model of an architecture, exported when it is first asked for. Each process has a copy of its own, so
    that a test may lay a file beside a bundle for a while."""
    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("models")

    @cache
    def copy(name: str) -> SmallModel:
        exported = made_once(name, lambda folder: export_small_model(name, small_tokenizer, folder))
        shutil.copytree(exported, place, dirs_exist_ok=True)
        return read_small_model(name, place)

    return copy


@pytest.fixture(scope="session")
def model_repository(small_model: SmallModels) -> Path:
    """All of them, as a server reads them."""
    folders = [small_model(name).bundle.folder for name in ARCHITECTURES]
    return folders[0].parent.parent


@pytest.fixture(scope="session")
def repository_of(small_model: SmallModels, tmp_path_factory: pytest.TempPathFactory) -> Repositories:
    """Some of them: what a test does not ask for, its server need not load, nor start a process for it."""

    @cache
    def link(*names: str) -> Path:
        repository = tmp_path_factory.mktemp("some_models")
        for name in names:
            model = small_model(name).bundle.folder.parent
            (repository / model.name).symlink_to(model)
        return repository

    return link


@pytest.fixture(scope="session")
def rnn_repository(repository_of: Repositories) -> Path:
    """The default model alone, for tests to which models do not matter."""
    return repository_of("rnn")

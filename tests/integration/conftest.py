"""Fixtures of several files; a file may have its own by the same name."""

import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from server.bundle.manifest import TOKENIZER, Bundle, TokenizerSpec
from server.text.sentencepieces import SentencePieceTokenizer
from tests.conftest import SmallModels
from tests.fakes import EOS, MANIFEST
from tests.integration.served import Served, serving
from tests.integration.shipped_models import REPOSITORY
from tests.integration.versioned import NAME, say
from tests.versions import write_version


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served() -> AsyncIterator[Served]:
    async with serving(REPOSITORY) as server:
        yield server


@pytest.fixture
def bundle(small_tokenizer: Path, tmp_path: Path) -> Bundle:
    """The fake model's, with as many of the small tokenizer's pieces as its vocabulary has."""
    (tmp_path / TOKENIZER).write_bytes(small_tokenizer.read_bytes())
    names = SentencePieceTokenizer(small_tokenizer, EOS).names[: MANIFEST.target_vocabulary_size]
    (tmp_path / "pieces.json").write_text(json.dumps(names), encoding="utf-8")
    spec = TokenizerSpec(sentencepiece=TOKENIZER, pieces="pieces.json")
    return Bundle(tmp_path, dataclasses.replace(MANIFEST, source_tokenizer=spec, target_tokenizer=spec))


@pytest.fixture
def repository(small_model: SmallModels, tmp_path: Path) -> Path:
    """A model whose versions 1 and 2 are two architectures, so that a translation says which of them wrote it. Version
    1 is served, until a test asks for more."""
    repository = tmp_path / "repository"
    for version, architecture in ("1", "rnn"), ("2", "lstm"):
        write_version(small_model(architecture).bundle, repository, NAME, version)
    say(repository, 'versions = ["1"]')
    return repository

"""The shipped models translate as they did when they were shipped, on every machine."""

import json

import pytest

from server.bundle.manifest import Bundle
from tests.golden.translations import GOLDEN, shipped_bundles, translate

EXPECTED = json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_every_architecture_is_shipped() -> None:
    names = {bundle.manifest.name for bundle in shipped_bundles()}
    assert names == set(EXPECTED) == {"rnn-en-fr", "lstm-en-fr", "lstm-attention-en-fr", "transformer-en-fr"}


def test_the_shipped_bundles_are_small() -> None:
    size = sum(path.stat().st_size for bundle in shipped_bundles() for path in bundle.folder.iterdir())
    assert size <= 40_000_000


@pytest.mark.parametrize("max_rows", [1, 3, 8])
@pytest.mark.parametrize("bundle", shipped_bundles(), ids=lambda bundle: bundle.manifest.name)
def test_translations_are_the_golden_ones_however_many_share_a_batch(bundle: Bundle, max_rows: int) -> None:
    assert translate(bundle, max_rows) == EXPECTED[bundle.manifest.name]

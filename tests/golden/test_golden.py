"""The shipped models translate as they did when they were shipped, on every machine."""

import json

import pytest

from server.bundle.manifest import Bundle
from tests.golden.translations import GOLDEN, MAX_ROWS, SENTENCES, checkpoint_names, shipped_bundles, translate

EXPECTED = json.loads(GOLDEN.read_text(encoding="utf-8"))


WRITE = "`.venv/bin/python -m tests.golden.translations` writes what the shipped models translate"


def test_every_checkpoint_is_exported_and_has_its_translations_written_down() -> None:
    languages = {bundle.manifest.name: bundle.manifest.source_codes[0] for bundle in shipped_bundles()}
    not_exported = checkpoint_names() - languages.keys()
    assert not not_exported, "checkpoints that `make export` has not made bundles of"
    assert set(languages.values()) <= SENTENCES.keys(), (
        "languages that tests/golden/translations.py has no sentences of"
    )
    assert EXPECTED.keys() == languages.keys(), WRITE
    assert {name: tuple(EXPECTED[name]) for name in EXPECTED} == {
        name: SENTENCES[language] for name, language in languages.items()
    }, WRITE


def test_the_shipped_bundles_are_small() -> None:
    size = sum(path.stat().st_size for bundle in shipped_bundles() for path in bundle.folder.iterdir())
    assert size <= 60_000_000


@pytest.mark.parametrize("max_rows", [1, pytest.param(3, marks=pytest.mark.nightly), MAX_ROWS])
@pytest.mark.parametrize("bundle", shipped_bundles(), ids=lambda bundle: bundle.manifest.name)
def test_translations_are_the_golden_ones_however_many_share_a_batch(bundle: Bundle, max_rows: int) -> None:
    name = bundle.manifest.name
    assert name in EXPECTED, f"{name} has no golden translations: {WRITE}"
    assert translate(bundle, max_rows) == EXPECTED[name]

"""Whose place a new bundle takes, and what is left where it does not come about."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from export.errors import ExportError
from export.manifest import WEIGHTS_SHA256
from export.place import check_place, new_bundle
from server.bundle.languages import bilingual
from server.bundle.manifest import ENCODER, MANIFEST, STEP, TOKENIZER, Manifest, seal_manifest, write_manifest
from tests.fakes import MANIFEST as FAKE_MANIFEST

NEW = dataclasses.replace(FAKE_MANIFEST, provenance={WEIGHTS_SHA256: "ab" * 32, "seed": "1"})


def place(folder: Path, manifest: Manifest) -> Path:
    bundle = folder / "fake" / "1"
    bundle.mkdir(parents=True)
    for name in (ENCODER, STEP, TOKENIZER):
        (bundle / name).write_bytes(b"")
    write_manifest(bundle, manifest)
    return bundle


def test_a_free_place_is_anybody_s(tmp_path: Path) -> None:
    check_place(tmp_path / "fake" / "1", NEW)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"precision": "int8"},
        {"max_output_tokens": 5},
        {"state": ()},  # without its cache
        {"provenance": NEW.provenance | {"commit": "another", "seed": "2"}},
    ],
)
def test_the_same_model_may_be_exported_again(tmp_path: Path, changes: dict[str, Any]) -> None:
    check_place(place(tmp_path, dataclasses.replace(NEW, **changes)), NEW)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "big"}, "model big/1 is there, fake/1 would replace it"),
        ({"architecture": "lstm"}, "architecture lstm is there, fake would replace it"),
        ({"languages": bilingual("de", "fr")}, "languages de-fr is there, en-fr would replace it"),
        ({"languages": bilingual("en", "de")}, "languages en-de is there, en-fr would replace it"),
        ({"provenance": {WEIGHTS_SHA256: "cd" * 32}}, "weights cdcdcdcdcdcdcdcd is there, abababababababab would"),
        ({"provenance": {}}, "weights unknown is there, abababababababab would replace it"),
    ],
)
def test_another_model_s_bundle_is_not_replaced(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    bundle = place(tmp_path, dataclasses.replace(NEW, **changes))
    with pytest.raises(ExportError) as raised:
        check_place(bundle, NEW)
    for words in (str(bundle), problem, "another version than 1", "--replace"):
        assert words in str(raised.value)


@pytest.mark.parametrize("content", ['{"format_version": 2}', "nonsense"])
def test_a_bundle_that_cannot_be_read_is_not_replaced(tmp_path: Path, content: str) -> None:
    bundle = place(tmp_path, NEW)
    (bundle / MANIFEST).write_text(content)
    seal_manifest(bundle)
    with pytest.raises(ExportError, match=r"cannot be read, .*model\.json: .* replace it with --replace"):
        check_place(bundle, NEW)


def test_an_edited_manifest_is_not_replaced(tmp_path: Path) -> None:
    bundle = place(tmp_path, NEW)
    (bundle / MANIFEST).write_text((bundle / MANIFEST).read_text() + " ")
    with pytest.raises(ExportError, match="it was changed after it was written"):
        check_place(bundle, NEW)


def test_a_bundle_takes_its_place_whole(tmp_path: Path) -> None:
    bundle = tmp_path / "repository" / "fake" / "1"
    for content in (b"first", b"second"):
        with new_bundle(bundle) as folder:
            (folder / ENCODER).write_bytes(content)
            assert not bundle.exists() or (bundle / ENCODER).read_bytes() == b"first"
        assert [path.name for path in bundle.parent.iterdir()] == ["1"]
        assert (bundle / ENCODER).read_bytes() == content


def fail(bundle: Path, error: type[BaseException], neighbour: str = "") -> None:
    """Begin a bundle, and a neighbour of it by somebody else, and fail."""
    with new_bundle(bundle) as folder:
        (folder / ENCODER).write_bytes(b"half")
        if neighbour:
            (bundle.parent / neighbour).mkdir()
        raise error


@pytest.mark.parametrize("error", [ExportError, KeyboardInterrupt, OSError])
def test_folders_that_were_made_for_a_bundle_go_with_it_and_no_others(
    tmp_path: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        fail(tmp_path / "new" / "repository" / "fake" / "1", error)
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "repository").mkdir()
    with pytest.raises(error):
        fail(tmp_path / "repository" / "fake" / "1", error)
    assert list((tmp_path / "repository").iterdir()) == []

    glossaries = tmp_path / "repository" / "fake" / "glossaries"
    glossaries.mkdir(parents=True)
    with pytest.raises(error):
        fail(tmp_path / "repository" / "fake" / "1", error)
    assert list(glossaries.parent.iterdir()) == [glossaries]

    with pytest.raises(error):
        fail(tmp_path / "repository" / "other" / "1", error, neighbour="2")
    assert list((tmp_path / "repository" / "other").iterdir()) == [tmp_path / "repository" / "other" / "2"]


def test_a_failure_leaves_the_earlier_bundle_as_it_was(tmp_path: Path) -> None:
    bundle = place(tmp_path, NEW)
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    with pytest.raises(ExportError):
        fail(bundle, ExportError)
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    assert list(bundle.parent.iterdir()) == [bundle]

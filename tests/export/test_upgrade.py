import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from export.upgrade import main, upgrade
from server.bundle.languages import bilingual
from server.bundle.manifest import (
    ENCODER,
    MANIFEST,
    MANIFEST_SEAL,
    STEP,
    TOKENIZER,
    BundleError,
    read_bundle,
    seal_manifest,
    write_manifest,
)
from tests.fakes import MANIFEST as FAKE_MANIFEST

PORTUGUESE = dataclasses.replace(
    FAKE_MANIFEST, languages=bilingual("en", "pt-BR"), span_pieces=("\ue000", "\ue001"), provenance={"seed": "1"}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of format 3, as its export wrote it."""
    for name in (ENCODER, STEP, TOKENIZER):
        (tmp_path / name).write_bytes(name.encode())
    write_manifest(tmp_path, PORTUGUESE)
    fields = json.loads((tmp_path / MANIFEST).read_text())
    for name in ("source_tokenizer", "target_tokenizer", "languages", "pairs", "source_template", "forced_target"):
        del fields[name]
    del fields["target_vocabulary_size"]
    earlier = {
        "format_version": 3,
        "source_language": "en",
        "target_language": "pt-BR",
        "vocabulary_size": fields.pop("source_vocabulary_size"),
        "special_ids": {"pad": 0, "unknown": 1, "bos": 2, "eos": 3},
    }
    rewrite(tmp_path, fields | earlier)
    return tmp_path


def rewrite(folder: Path, fields: Any) -> None:
    (folder / MANIFEST).write_text(json.dumps(fields))
    seal_manifest(folder)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_bundle_of_format_3_becomes_what_would_be_exported_now(folder: Path) -> None:
    assert upgrade(folder)
    manifest = read_bundle(folder).manifest
    assert manifest == dataclasses.replace(PORTUGUESE, sha256=manifest.sha256)
    written = content(folder)
    write_manifest(folder, PORTUGUESE)
    assert content(folder) == written


def test_a_bundle_that_has_the_format_stays_byte_for_byte(folder: Path) -> None:
    upgrade(folder)
    before = content(folder)
    assert not upgrade(folder)
    assert content(folder) == before


@pytest.mark.parametrize("name", [ENCODER, STEP, TOKENIZER, MANIFEST_SEAL])
def test_a_damaged_bundle_stays_as_it_was(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"0" * 64)
    before = content(folder)
    with pytest.raises(BundleError, match=r"SHA-256|it was changed after"):
        upgrade(folder)
    assert content(folder) == before


@pytest.mark.parametrize("name", [ENCODER, MANIFEST, MANIFEST_SEAL])
def test_a_file_that_is_missing_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        upgrade(folder)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format_version": 2}, "format_version: 3 expected, got 2"),
        ({"format_version": "3"}, "format_version: 3 expected, got '3'"),
        ({"colour": "red"}, "colour"),
        ({"vocabulary_size": 0}, "source_vocabulary_size: at least 1 expected, got 0"),
        ({"special_ids": {"pad": 0, "unknown": 1, "bos": 2}}, "eos is missing"),
    ],
)
def test_what_is_no_bundle_of_format_3_is_refused_and_stays(
    folder: Path, changes: dict[str, Any], problem: str
) -> None:
    rewrite(folder, json.loads((folder / MANIFEST).read_text()) | changes)
    before = content(folder)
    with pytest.raises(BundleError, match=problem):
        upgrade(folder)
    assert content(folder) == before


def test_a_manifest_that_is_no_object_is_refused(folder: Path) -> None:
    rewrite(folder, [3])
    with pytest.raises(BundleError, match="format_version: 3 expected, got None"):
        upgrade(folder)


def test_the_command_upgrades_what_it_can_and_names_the_rest(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "none"), str(folder)])
    assert ended.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == f"{folder}: is now of format 4\n"
    assert printed.err.startswith(f"error: {tmp_path / 'none' / MANIFEST}: ")
    with pytest.raises(SystemExit) as ended:
        main([str(folder)])
    assert not ended.value.code
    assert capsys.readouterr().out == f"{folder}: was already of format 4\n"

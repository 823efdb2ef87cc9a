"""Languages, templates and vocabularies of a manifest."""

import json
from pathlib import Path
from typing import Any

import pytest

from server.bundle.languages import expand
from server.bundle.manifest import (
    ENCODER,
    MANIFEST,
    STEP,
    TOKENIZER,
    BundleError,
    file_sha256,
    read_bundle,
    read_manifest,
    write_manifest,
)
from tests.bundle.test_manifest import SPECIAL_IDS, change
from tests.fakes import MANIFEST as FAKE_MANIFEST


def write_files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(name.encode())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("languages", ["en"]),
        ("languages", []),
        ("languages", [{"code": ""}]),
        ("languages", [{"code": "en"}, {"code": "en"}]),
        ("languages", [{"code": "en", "is_source": False, "is_target": False}]),
        ("languages", [{"code": "en", "is_target": False}]),
        ("languages", [{"code": "en"}, {"code": "fr", "is_source": False, "is_target": False}]),
        ("languages", [{"code": "en", "source_id": "3"}, {"code": "fr"}]),
        ("pairs", []),
        ("pairs", [{"source": "en"}]),
        ("pairs", [{"source": "fr", "target": "fr"}]),
        ("pairs", [{"source": "en", "target": "de"}]),
        ("source_template", []),
        ("source_template", [3]),
        ("source_template", ["{text}", 101]),
        ("source_template", ["{text}", -1]),
        ("source_template", ["{text}", "{text}", 3]),
        ("source_template", ["{text}", "</s>"]),
        ("forced_target", ["{text}"]),
        ("forced_target", ["{source_token}"]),
        ("forced_target", "{target_token}"),
        ("encodes_start", True),
        ("encodes_start", 1),
        ("source_tokenizer", "tokenizer.model"),
        ("source_tokenizer", {"sentencepiece": ""}),
        ("target_tokenizer", {"sentencepiece": "../tokenizer.model"}),
        ("target_tokenizer", {"sentencepiece": "tokenizer.model", "pieces": "a/b.json"}),
        ("target_tokenizer", {"sentencepiece": "model.json"}),
    ],
)
def test_a_field_that_is_wrong_is_refused_by_its_name(tmp_path: Path, field: str, value: object) -> None:
    write_files(tmp_path, ENCODER, STEP, TOKENIZER)
    write_manifest(tmp_path, FAKE_MANIFEST)
    change(tmp_path, **{field: value})
    with pytest.raises(BundleError, match=rf"{MANIFEST}: .*{field}"):
        read_bundle(tmp_path)


MULTILINGUAL: dict[str, Any] = {
    "source_vocabulary_size": 90,
    "target_vocabulary_size": 80,
    "source_tokenizer": {"sentencepiece": "source.spm", "pieces": "source.json"},
    "target_tokenizer": {"sentencepiece": "target.spm", "pieces": "target.json"},
    "special_ids": SPECIAL_IDS | {"unknown": None, "pad": 89, "is_masked": True},
    "languages": [
        {"code": "en", "source_id": 85},
        {"code": "fra_Latn", "source_id": 86, "target_id": 71, "is_target": True},
        {"code": "roa", "target_id": 72, "is_source": False},
    ],
    "pairs": [{"source": "en", "target": "roa"}],
    "source_template": ["{source_token}", "{text}", 0],
    "forced_target": ["{target_token}", 5],
}


@pytest.fixture
def multilingual(tmp_path: Path) -> Path:
    folder = tmp_path
    write_files(folder, ENCODER, STEP, TOKENIZER)
    write_manifest(folder, FAKE_MANIFEST)
    languages = [MULTILINGUAL["languages"][0] | {"is_target": False}, *MULTILINGUAL["languages"][1:]]
    write_files(folder, "source.spm", "source.json", "target.spm", "target.json")
    fields = json.loads((folder / MANIFEST).read_text()) | MULTILINGUAL | {"languages": languages}
    fields["sha256"] |= {path.name: file_sha256(path) for path in folder.iterdir()}
    change(folder, **fields)
    return folder


def test_a_multilingual_model_of_two_vocabularies_is_read_as_it_is_declared(multilingual: Path) -> None:
    manifest = read_bundle(multilingual).manifest
    assert (manifest.source_codes, manifest.target_codes) == (["en", "fra_Latn"], ["fra_Latn", "roa"])
    assert manifest.special_ids.forbidden == () != manifest.special_ids.never_written
    english, french, romance = manifest.languages
    assert expand(manifest.source_template, english, None) == ((85,), (0,))
    assert expand(manifest.source_template, french, romance) == ((86,), (0,))
    assert expand(manifest.forced_target, english, romance) == ((72, 5), ())


@pytest.mark.parametrize("name", ["source.spm", "source.json", "target.spm", "target.json"])
def test_every_file_of_a_tokenizer_is_sealed(multilingual: Path, name: str) -> None:
    (multilingual / name).write_bytes(b"something else")
    with pytest.raises(BundleError, match=f"{name}: SHA-256 is"):
        read_bundle(multilingual)


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        ([{"code": "en"}], r"languages\[0\]\.source_id: 0 to 89 expected, got None"),
        ([{"code": "en", "source_id": 90}], r"languages\[0\]\.source_id: 0 to 89 expected, got 90"),
        ([{"code": "en", "source_id": 1, "target_id": 80}], r"languages\[0\]\.target_id: 0 to 79 expected, got 80"),
    ],
)
def test_a_language_without_the_token_that_a_template_needs_is_refused(
    multilingual: Path, languages: list[dict[str, Any]], message: str
) -> None:
    change(multilingual, languages=[*languages, MULTILINGUAL["languages"][2]])
    with pytest.raises(BundleError, match=message):
        read_manifest(multilingual)


def test_a_limit_that_has_no_place_for_the_template_is_refused(multilingual: Path) -> None:
    change(multilingual, max_source_tokens=2)
    with pytest.raises(BundleError, match="max_source_tokens: at least 3, of the template, expected, got 2"):
        read_manifest(multilingual)


def test_span_pieces_need_one_tokenizer(multilingual: Path) -> None:
    change(multilingual, span_pieces=["\ue000"])
    with pytest.raises(BundleError, match="span_pieces: one tokenizer for source and target expected, got two"):
        read_manifest(multilingual)


def test_a_model_of_one_language_may_write_what_it_reads(tmp_path: Path) -> None:
    write_files(tmp_path, ENCODER, STEP, TOKENIZER)
    write_manifest(tmp_path, FAKE_MANIFEST)
    change(tmp_path, languages=[{"code": "en"}])
    manifest = read_manifest(tmp_path)
    assert manifest.source_codes == manifest.target_codes == ["en"]

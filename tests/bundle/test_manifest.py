import dataclasses
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.bundle.alignment_heads import counted_heads, num_heads
from server.bundle.manifest import (
    ENCODER,
    MANIFEST,
    MANIFEST_SEAL,
    STEP,
    TOKENIZER,
    Bundle,
    BundleError,
    Quality,
    read_bundle,
    read_manifest,
    seal_manifest,
    write_manifest,
)
from tests.fakes import MANIFEST as FAKE_MANIFEST

SHIPPED = Path(__file__).parents[2] / "model_repository"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle whose files are anything: `read_bundle` looks at their hashes alone."""
    for name in (ENCODER, STEP, TOKENIZER):
        (tmp_path / name).write_bytes(name.encode())
    quality = (Quality(test_set="multi30k/test", metric="BLEU", value=33.5),)
    write_manifest(tmp_path, dataclasses.replace(FAKE_MANIFEST, quality=quality, provenance={"seed": "1"}))
    return tmp_path


def change(folder: Path, **fields: Any) -> None:
    """Write fields over those of the manifest, deliberately."""
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    seal_manifest(folder)


def test_what_is_written_is_read(folder: Path) -> None:
    bundle = read_bundle(folder)
    assert bundle.manifest.sha256.keys() == {ENCODER, STEP, TOKENIZER}
    quality = (Quality(test_set="multi30k/test", metric="BLEU", value=33.5),)
    expected = dataclasses.replace(
        FAKE_MANIFEST, quality=quality, provenance={"seed": "1"}, sha256=bundle.manifest.sha256
    )
    assert bundle == Bundle(folder, expected)


def test_paths_are_those_of_the_folder(folder: Path) -> None:
    bundle = read_bundle(folder)
    assert [bundle.encoder, bundle.step, bundle.tokenizer] == [folder / ENCODER, folder / STEP, folder / TOKENIZER]


@pytest.mark.parametrize("name", [ENCODER, STEP, TOKENIZER])
def test_a_file_that_was_changed_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"something else")
    with pytest.raises(BundleError, match=rf"{name}: SHA-256 is [0-9a-f]{{64}}, {MANIFEST} says [0-9a-f]{{64}}"):
        read_bundle(folder)


@pytest.mark.parametrize("name", [ENCODER, STEP, TOKENIZER, MANIFEST])
def test_a_file_that_is_missing_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: .*No such file"):
        read_bundle(folder)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace('"max_output_tokens": ', '"max_output_tokens": 1'),
        lambda text: text.replace("33.5", "43.5"),
        lambda text: text.replace('"seed": "1"', '"seed": "2"'),
        lambda text: text + " ",
        lambda text: text.replace("  ", "\t"),
    ],
)
def test_a_manifest_that_was_edited_is_refused(folder: Path, edit: Callable[[str], str]) -> None:
    path = folder / MANIFEST
    text = path.read_text()
    assert edit(text) != text
    path.write_text(edit(text))
    with pytest.raises(
        BundleError, match=rf"{MANIFEST}: SHA-256 is [0-9a-f]{{64}}, {MANIFEST_SEAL} says '[0-9a-f]{{64}}'"
    ):
        read_bundle(folder)
    with pytest.raises(BundleError, match="it was changed after it was written"):
        read_manifest(folder)


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="coreutils only")
@pytest.mark.parametrize("sealed", [True, False])
def test_an_edit_is_accepted_by_the_command_that_the_error_names(folder: Path, sealed: bool) -> None:
    folder = shutil.copytree(folder, folder / "a model's folder")
    path = folder / MANIFEST
    path.write_text(path.read_text().replace("33.5", "43.5"))
    if not sealed:
        (folder / MANIFEST_SEAL).unlink()
    with pytest.raises(BundleError) as raised:
        read_bundle(folder)
    assert ("was changed after" if sealed else f"there is no {MANIFEST_SEAL}") in str(raised.value)
    assert "\n" not in str(raised.value)
    subprocess.run(str(raised.value).partition("accept it with: ")[2], shell=True, check=True)
    assert read_bundle(folder).manifest.quality[0].value == 43.5


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="coreutils only")
def test_the_seal_is_what_sha256sum_writes(folder: Path) -> None:
    written = subprocess.run(["sha256sum", MANIFEST], cwd=folder, capture_output=True, check=True).stdout
    assert (folder / MANIFEST_SEAL).read_bytes() == written


@pytest.mark.parametrize("seal", [b"", b"\n", b"0" * 64, b"\xff\xfe", b"model.json"])
def test_a_damaged_seal_is_refused(folder: Path, seal: bytes) -> None:
    (folder / MANIFEST_SEAL).write_bytes(seal)
    with pytest.raises(BundleError, match=MANIFEST):
        read_bundle(folder)


def test_a_format_of_another_version_is_named_though_the_seal_is_broken(folder: Path) -> None:
    path = folder / MANIFEST
    path.write_text(path.read_text().replace('"format_version": 4', '"format_version": 5'))
    with pytest.raises(BundleError, match="format_version: 4 expected, got 5"):
        read_bundle(folder)


def test_the_manifest_alone_can_be_read_where_a_graph_is_damaged(folder: Path) -> None:
    (folder / STEP).write_bytes(b"something else")
    assert read_manifest(folder).name == FAKE_MANIFEST.name


def test_an_empty_folder_is_told_to_be_an_unfinished_bundle(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError, match=r"no finished bundle is in this folder; export it again, or remove the folder"
    ):
        read_bundle(tmp_path)


@pytest.mark.parametrize("name", sorted(path.parent.parent.name for path in SHIPPED.glob("*/*/model.json")))
def test_what_is_shipped_is_sealed(name: str) -> None:
    for version in (SHIPPED / name).glob("[0-9]*"):
        read_bundle(version)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_a_manifest_that_is_no_json_object_is_refused(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text, encoding="latin-1")
    with pytest.raises(BundleError, match=MANIFEST):
        read_bundle(folder)


def test_a_format_of_another_version_is_named_before_anything_else(folder: Path) -> None:
    change(folder, format_version=9, beams=4)
    with pytest.raises(BundleError, match="format_version: 4 expected, got 9"):
        read_bundle(folder)


def test_a_bundle_without_span_pieces_is_of_a_model_that_carries_no_spans(folder: Path) -> None:
    path = folder / MANIFEST
    fields = json.loads(path.read_text())
    assert fields.pop("span_pieces") == []
    path.write_text(json.dumps(fields))
    seal_manifest(folder)
    assert read_bundle(folder).manifest.span_pieces == ()


def test_span_pieces_are_written_and_read(folder: Path) -> None:
    manifest = dataclasses.replace(read_bundle(folder).manifest, span_pieces=("\ue000", "\ue001"))
    write_manifest(folder, manifest)
    assert read_bundle(folder).manifest == manifest


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        (["a"], r"span_pieces\[0\]: a private-use character that is there once expected, got 'a'"),
        (["\ue000", "\ue000"], r"span_pieces\[1\]: .* got '\\ue000'"),
        (["\ue000", "\ue001\ue002"], r"span_pieces\[1\]: .* got '\\ue001\\ue002'"),
        ([""], r"span_pieces\[0\]: .* got ''"),
        ([3], r"span_pieces\[0\]: text expected, got 3"),
        ("\ue000", r"span_pieces: list expected"),
    ],
)
def test_span_pieces_are_different_private_use_characters(folder: Path, pieces: Any, message: str) -> None:
    change(folder, span_pieces=pieces)
    with pytest.raises(BundleError, match=message):
        read_bundle(folder)


def test_unknown_and_missing_fields_are_all_named(folder: Path) -> None:
    path = folder / MANIFEST
    fields = json.loads(path.read_text())
    del fields["precision"]
    path.write_text(json.dumps(fields | {"colour": "red"}))
    seal_manifest(folder)
    with pytest.raises(BundleError, match="colour, precision"):
        read_bundle(folder)


SPECIAL_IDS = {"start": 2, "eos": 3, "pad": 0, "unknown": 1, "never_written": [0, 1, 2]}
STATE = {"name": "h", "kind": "replace", "shape": [4], "dtype": "float32"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "stack"}, r"state\[0\]\.kind: one of constant, replace, append expected, got 'stack'"),
        ({"shape": ["width"]}, r"state\[0\]\.shape: source, target or a size expected, got 'width'"),
        ({"shape": ["source", "target"]}, r"state\[0\]\.shape: at most one of source and target expected, got"),
        ({"shape": [0]}, r"state\[0\]\.shape: source, target or a size expected, got 0"),
        ({"shape": [1.5]}, r"state\[0\]\.shape\[0\]: integer or text expected, got 1\.5"),
        ({"dtype": "float16"}, r"state\[0\]\.dtype: one of float32, int8, int32, int64 expected, got 'float16'"),
        ({"colour": "red"}, r"missing or unknown fields: state\[0\]\.colour"),
    ],
)
def test_a_state_tensor_that_is_declared_wrongly_is_refused(
    folder: Path, changed: dict[str, Any], message: str
) -> None:
    change(folder, state=[STATE | changed])
    with pytest.raises(BundleError, match=message):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format_version", "1"),
        ("name", 3),
        ("name", ""),
        ("version", 1),
        ("architecture", None),
        ("precision", "fp8"),
        ("source_vocabulary_size", "4000"),
        ("source_vocabulary_size", 0),
        ("target_vocabulary_size", True),
        ("target_vocabulary_size", None),
        ("special_ids", {"pad": 0}),
        ("special_ids", SPECIAL_IDS | {"eos": "3"}),
        ("special_ids", SPECIAL_IDS | {"eos": 101}),
        ("special_ids", SPECIAL_IDS | {"pad": -1}),
        ("special_ids", SPECIAL_IDS | {"pad": None}),
        ("special_ids", SPECIAL_IDS | {"start": 101}),
        ("special_ids", SPECIAL_IDS | {"unknown": 101}),
        ("special_ids", SPECIAL_IDS | {"never_written": [0, 101]}),
        ("special_ids", SPECIAL_IDS | {"never_written": [3]}),
        ("special_ids", SPECIAL_IDS | {"is_masked": 1}),
        ("special_ids", [0, 1, 2, 3]),
        ("max_source_tokens", 12.5),
        ("max_source_tokens", -1),
        ("max_output_tokens", 0),
        ("state", {}),
        ("state", [3]),
        ("quality", [{"test_set": "x"}]),
        ("quality", [{"test_set": "x", "metric": "BLEU", "value": "high"}]),
        ("quality", 7),
        ("provenance", "unknown"),
        ("provenance", {"seed": 1}),
        ("sha256", []),
    ],
)
def test_a_value_of_a_wrong_type_or_range_is_refused_by_the_field_s_name(
    folder: Path, field: str, value: object
) -> None:
    change(folder, **{field: value})
    with pytest.raises(BundleError, match=rf"{MANIFEST}: .*{field}"):
        read_bundle(folder)


def test_two_state_tensors_of_one_name_are_refused(folder: Path) -> None:
    change(folder, state=[STATE, STATE])
    with pytest.raises(BundleError, match=r"state\[1\]\.name: 'h' is declared twice"):
        read_bundle(folder)


def test_a_bundle_of_the_earlier_format_is_told_how_it_is_upgraded(folder: Path) -> None:
    change(folder, format_version=3)
    with pytest.raises(BundleError) as raised:
        read_bundle(folder)
    assert str(raised.value).endswith(f"got 3; bring the bundle to it with: python -m export.upgrade {folder}")


@pytest.mark.parametrize("heads", [[], [4], [-1], [0, 4]])
def test_heads_that_align_are_heads_of_the_model(folder: Path, heads: list[int]) -> None:
    keys = {"name": "keys", "kind": "constant", "shape": [4, "source", 8], "dtype": "float32"}
    change(folder, state=[keys], alignment={"keys": "keys", "scale": 1.0, "heads": [0, 3]})
    manifest = read_manifest(folder)
    assert (counted_heads(manifest), num_heads(manifest)) == ((0, 3), 4)
    change(folder, alignment={"keys": "keys", "scale": 1.0, "heads": None})
    assert counted_heads(read_manifest(folder)) == (0, 1, 2, 3)
    change(folder, alignment={"keys": "keys", "scale": 1.0, "heads": heads})
    with pytest.raises(BundleError, match=r"alignment\.heads: one or more of 0 to 3, or null for all, expected"):
        read_manifest(folder)

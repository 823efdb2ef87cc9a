import dataclasses
import os
import re
import shutil
from pathlib import Path

import pytest

from server.bundle.manifest import (
    ENCODER,
    STEP,
    TOKENIZER,
    Bundle,
    BundleError,
    Manifest,
    read_manifest,
    write_manifest,
)
from server.bundle.manifest import MANIFEST as MANIFEST_FILE
from server.serving.models.repository import (
    ModelFolder,
    check_default,
    check_engines,
    read_repositories,
    read_repository,
)
from tests.fakes import MANIFEST


def write_bundle(folder: Path, manifest: Manifest) -> None:
    folder.mkdir(parents=True)
    for name in (ENCODER, STEP, TOKENIZER):
        (folder / name).write_bytes(b"")
    write_manifest(folder, manifest)


def add(repository: Path, name: str, version: str) -> None:
    write_bundle(repository / name / version, dataclasses.replace(MANIFEST, name=name, version=version))


def test_the_newest_version_of_every_model_is_read_by_name(tmp_path: Path) -> None:
    for name, version in (("b", "9"), ("b", "10"), ("a", "1")):
        add(tmp_path, name, version)
    (tmp_path / "b" / "11-draft").mkdir()
    (tmp_path / "README.md").write_text("not a model")
    read = [(bundle.manifest.name, bundle.manifest.version) for bundle in read_repository(tmp_path)]
    assert read == [("a", "1"), ("b", "10")]


@pytest.mark.parametrize("name", [".git", ".cache"])
def test_hidden_folders_are_no_models(tmp_path: Path, name: str) -> None:
    add(tmp_path, "a", "1")
    (tmp_path / name).mkdir()
    assert len(read_repository(tmp_path)) == 1


def test_an_empty_or_missing_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=f"{tmp_path}: no model is in it"):
        read_repository(tmp_path)
    with pytest.raises(BundleError, match="missing: No such file or directory"):
        read_repository(tmp_path / "missing")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BundleError, match="file: Not a directory"):
        read_repository(tmp_path / "file")


@pytest.mark.parametrize(("name", "inside"), [("lost+found", "1"), ("notes", "first")])
def test_a_folder_without_a_version_is_passed_over_with_a_warning_that_names_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, inside: str
) -> None:
    add(tmp_path, "a", "1")
    (tmp_path / name / inside).mkdir(parents=True)
    assert [bundle.manifest.name for bundle in read_repository(tmp_path)] == ["a"]
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert f"{tmp_path / name} is passed over: no version" in record.getMessage()


def test_a_repository_of_passed_over_folders_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    with pytest.raises(BundleError, match="no model is in it"):
        read_repository(tmp_path)


@pytest.mark.parametrize("pointed_at", ["a", "a/1"])
def test_a_model_s_own_folder_is_no_repository(tmp_path: Path, pointed_at: str) -> None:
    add(tmp_path, "a", "1")
    message = f"{tmp_path / pointed_at}: no model is in it, as <model>/<version>/model.json"
    with pytest.raises(BundleError, match=re.escape(message)):
        read_repository(tmp_path / pointed_at)


def test_an_empty_version_stops_the_start_though_other_models_and_versions_are_well(tmp_path: Path) -> None:
    for name in ("a", "b"):
        add(tmp_path, name, "1")
    (tmp_path / "b" / "2").mkdir()
    message = f"{tmp_path / 'b' / '2'}: the folder is empty; remove it, or put a bundle into it"
    with pytest.raises(BundleError, match=f"^{re.escape(message)}$"):
        read_repository(tmp_path)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ([MANIFEST_FILE], ": model.json is missing, the bundle is not whole; remove it, or copy it anew"),
        (
            [MANIFEST_FILE, STEP, TOKENIZER],
            ": model.json is missing, the bundle is not whole; remove it, or copy it anew",
        ),
        ([STEP], "/step.onnx: No such file or directory"),
        ([TOKENIZER], "/tokenizer.model: No such file or directory"),
    ],
)
def test_a_bundle_of_which_a_part_was_copied_stops_the_start_and_is_named(
    tmp_path: Path, missing: list[str], message: str
) -> None:
    add(tmp_path, "a", "1")
    add(tmp_path, "b", "1")
    for name in missing:
        (tmp_path / "b" / "1" / name).unlink()
    with pytest.raises(BundleError, match=f"^{re.escape(f'{tmp_path}/b/1{message}')}$"):
        read_repository(tmp_path)


@pytest.mark.parametrize("name", [MANIFEST_FILE, STEP])
def test_a_file_that_was_cut_in_copying_stops_the_start_and_is_named(tmp_path: Path, name: str) -> None:
    add(tmp_path, "a", "1")
    path = tmp_path / "a" / "1" / name
    path.write_bytes(path.read_bytes() + b"more" if name == STEP else path.read_bytes()[:100])
    with pytest.raises(BundleError, match=f"^{re.escape(str(path))}: "):
        read_repository(tmp_path)


def test_models_of_several_repositories_are_read_in_their_order(tmp_path: Path) -> None:
    for repository, name in (("second", "a"), ("first", "c"), ("first", "b")):
        add(tmp_path / repository, name, "1")
    bundles = read_repositories([tmp_path / "first", tmp_path / "second"])
    read = [(bundle.folder.parent.parent.name, bundle.manifest.name) for bundle in bundles]
    assert read == [("first", "b"), ("first", "c"), ("second", "a")]


@pytest.mark.parametrize("version", ["1", "2"])
def test_models_of_one_name_in_two_repositories_are_refused_by_both_folders(tmp_path: Path, version: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    add(first, "a", "1")
    add(second, "a", version)
    add(second, "b", "1")
    message = f"{first / 'a'} and {second / 'a'}: two models of one name; only one of them can be served"
    with pytest.raises(BundleError, match=f"^{re.escape(message)}$"):
        read_repositories([first, second])


def test_each_of_several_repositories_has_to_have_a_model(tmp_path: Path) -> None:
    add(tmp_path / "first", "a", "1")
    (tmp_path / "second").mkdir()
    with pytest.raises(BundleError, match="second: no model is in it"):
        read_repositories([tmp_path / "first", tmp_path / "second"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_model_that_cannot_be_read_stops_the_start_but_lost_and_found_does_not(tmp_path: Path) -> None:
    add(tmp_path, "a", "1")
    (tmp_path / "lost+found").mkdir(mode=0)
    assert len(read_repository(tmp_path)) == 1
    (tmp_path / "b").mkdir(mode=0)
    with pytest.raises(BundleError, match="b: Permission denied"):
        read_repository(tmp_path)


def test_a_bundle_in_another_model_s_folder_is_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a" / "2", dataclasses.replace(MANIFEST, name="b", version="2"))
    with pytest.raises(BundleError, match=r"a/2: model\.json is of model b; move the folder to .*/b/2$"):
        read_repository(tmp_path)


def test_a_version_is_the_one_that_its_folder_is_named_by_so_that_folders_are_copied(tmp_path: Path) -> None:
    add(tmp_path, "a", "1")
    shutil.copytree(tmp_path / "a" / "1", tmp_path / "a" / "2")
    (tmp_path / "a" / "model.toml").write_text('versions = "all"', encoding="utf-8")
    first, second = read_repository(tmp_path)
    assert [bundle.manifest.version for bundle in (first, second)] == ["1", "2"]
    assert second.folder.name == "2"
    assert read_manifest(second.folder).digest == first.manifest.digest == second.manifest.digest
    again = ModelFolder(tmp_path / "a").read({"2": second})
    assert again.bundles["2"] is second, "what is known is not read anew"


def test_a_default_that_is_not_there_is_refused_with_what_each_repository_has() -> None:
    bundles = [
        Bundle(Path(repository, name, "1"), dataclasses.replace(MANIFEST, name=name))
        for repository, name in (("ours", "a"), ("ours", "b"), ("theirs", "c"))
    ]
    check_default(bundles, ["c", "a"])
    with pytest.raises(BundleError, match=r"^default_model: no model 'x' is served; ours has a, b; theirs has c$"):
        check_default(bundles, ["a", "x"])
    with pytest.raises(BundleError, match=r"^engines: no model 'y' is served; ours has a, b; theirs has c$"):
        check_engines(bundles, ["c", "y"])

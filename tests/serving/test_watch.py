"""Which changes of a repository are told, and when."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from server.serving.models.watch import RepositoryWatch


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("a/1", "a/2", "b/1", "a/glossaries"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "a" / "model.toml").write_text("")
    return tmp_path


def replace(path: Path, text: str) -> None:
    draft = path.with_name(".draft")
    draft.write_text(text)
    os.replace(draft, path)


def test_what_was_there_from_the_start_is_no_change(repository: Path) -> None:
    watch = RepositoryWatch([repository])
    assert [watch.changes() for _ in range(3)] == [[]] * 3


@pytest.mark.parametrize(
    "change",
    [
        lambda a: (a / "2").rename(a / "3"),
        lambda a: (a / "3").mkdir(),
        lambda a: shutil.rmtree(a / "1"),
        lambda a: shutil.rmtree(a),
        lambda a: (a / "1" / "file").write_text("longer than before"),
        lambda a: replace(a / "1" / "file", "a/1"),
        lambda a: (a / "glossaries" / "more.tsv").write_text("x"),
        lambda a: (a / "model.toml").unlink(),
        lambda a: (a / "1").rename(a / ".old") and (a / "2").rename(a / "1"),
    ],
)
def test_a_change_is_told_once_and_by_the_model_when_it_has_come_to_rest(
    repository: Path, change: Callable[[Path], object]
) -> None:
    watch = RepositoryWatch([repository])
    change(repository / "a")
    assert [watch.changes() for _ in range(4)] == [[], ["a"], [], []]


def test_a_folder_that_is_being_written_is_left_alone_and_others_are_told(repository: Path) -> None:
    watch = RepositoryWatch([repository])
    (repository / "b" / "model.toml").write_text("")
    told = []
    for number in range(5):
        (repository / "a" / "1" / "file").write_text("x" * (100 + number))
        told.append(watch.changes())
    assert told == [[], ["b"], [], [], []]
    assert watch.changes() == ["a"]


def test_hidden_folders_and_files_are_no_changes(repository: Path) -> None:
    watch = RepositoryWatch([repository])
    (repository / ".git").mkdir()
    (repository / "a" / ".incoming" / "deep").mkdir(parents=True)
    (repository / "a" / "1" / ".nfs01").write_text("")
    assert [watch.changes() for _ in range(3)] == [[]] * 3


def test_what_changes_and_changes_back_is_told_no_more_than_what_is_new_comes_and_goes(repository: Path) -> None:
    watch = RepositoryWatch([repository])
    (repository / "a").rename(repository / ".a")
    assert watch.changes() == []
    (repository / ".a").rename(repository / "a")
    assert [watch.changes(), watch.changes()] == [[], []]
    (repository / "c" / "1").mkdir(parents=True)
    assert [watch.changes(), watch.changes()] == [[], ["c"]]
    shutil.rmtree(repository / "c")
    assert [watch.changes(), watch.changes(), watch.changes()] == [[], ["c"], []]


def test_a_repository_that_is_gone_and_comes_back_is_a_change_of_all_its_models(repository: Path) -> None:
    more = repository.parent / f"{repository.name}-more"
    shutil.copytree(repository / "b", more / "d")
    watch = RepositoryWatch([repository, more])
    repository.rename(repository.with_name("elsewhere"))
    assert [watch.changes(), watch.changes(), watch.changes()] == [[], ["a", "b"], []]
    repository.with_name("elsewhere").rename(repository)
    assert [watch.changes(), watch.changes(), watch.changes()] == [[], ["a", "b"], []]

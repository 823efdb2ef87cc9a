import dataclasses
from pathlib import Path

import pytest

from server.bundle.manifest import ENCODER, STEP, TOKENIZER, Bundle, BundleError, Manifest, write_manifest
from server.decoding.engine import Engine
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.errors import InvalidRequest, UnknownModel
from server.serving.models.backlog import Backlog
from server.serving.models.catalogue import Models, ServedModel
from server.serving.models.repository import check_default, read_repository
from server.text.sentencepieces import SentencePieceTokenizer
from tests.fakes import MANIFEST, FakeBackend, post


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
    with pytest.raises(BundleError, match="missing: no model is in it"):
        read_repository(tmp_path / "missing")


def test_a_model_without_a_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a" / "first").mkdir(parents=True)
    with pytest.raises(BundleError, match="a: no version, a folder named by a number, is in it"):
        read_repository(tmp_path)


def test_a_bundle_in_another_model_s_folder_is_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a" / "2", dataclasses.replace(MANIFEST, name="a", version="1"))
    with pytest.raises(BundleError, match=r"2: model\.json says a/1"):
        read_repository(tmp_path)


@pytest.fixture
def models(small_tokenizer: Path) -> Models:
    """Two English-French models and one English-German one; the default is neither first by name."""
    names = [("alpha", "de"), ("beta", "fr"), ("gamma", "fr")]
    bundles = [
        Bundle(Path(name), dataclasses.replace(MANIFEST, name=name, target_language=target)) for name, target in names
    ]

    def load(bundle: Bundle) -> ServedModel:
        engine = Engine(MANIFEST, FakeBackend(1), Limits(1, 1), 1, post, EngineMetrics("fake"))
        return ServedModel(bundle.manifest, SentencePieceTokenizer(small_tokenizer, eos=3), engine, Backlog(1.0))

    return Models(bundles, "gamma", load)


def test_the_default_model_comes_first_and_the_others_by_name(models: Models) -> None:
    assert [model.manifest.name for model in models] == ["gamma", "alpha", "beta"]


def test_a_default_that_is_not_there_is_refused() -> None:
    with pytest.raises(BundleError, match="default_model: 'x' is not in the repository, which has fake"):
        check_default([Bundle(Path("fake"), MANIFEST)], "x")


@pytest.mark.parametrize(
    ("name", "source", "target", "selected"),
    [
        ("", "", "", "gamma"),
        ("beta", "", "", "beta"),
        ("beta", "en", "fr", "beta"),
        ("", "en", "fr", "gamma"),
        ("", "en", "de", "alpha"),
        ("", "", "de", "alpha"),
        ("alpha", "en", "", "alpha"),
    ],
)
def test_a_model_is_selected_by_name_or_by_language_pair(
    models: Models, name: str, source: str, target: str, selected: str
) -> None:
    assert models.select(name, source, target).manifest.name == selected


@pytest.mark.parametrize(
    ("name", "source", "target", "field", "problem"),
    [
        ("beta", "en", "de", "target_language_code", "model 'beta' serves en-fr, got 'de'"),
        ("", "xx", "fr", "source_language_code", "the language pairs served here are en-de, en-fr, got 'xx'"),
        ("", "en", "xx", "target_language_code", "the language pairs served here are en-de, en-fr, got 'xx'"),
        ("", "fr", "en", "source_language_code", "the language pairs served here are en-de, en-fr, got 'fr'"),
    ],
)
def test_a_language_pair_that_is_not_served_is_named_with_those_that_are(
    models: Models, name: str, source: str, target: str, field: str, problem: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        models.select(name, source, target)
    assert (raised.value.field, raised.value.problem) == (field, problem)


def test_an_unknown_name_is_answered_with_those_that_are_served(models: Models) -> None:
    with pytest.raises(UnknownModel, match="no model 'delta' is served here; served: gamma, alpha, beta"):
        models.select("delta", "", "")

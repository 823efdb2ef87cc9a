import dataclasses
import os
from collections.abc import Callable
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
from tests.fakes import MANIFEST, NO_PIECES, FakeBackend, post


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


def test_a_damaged_version_stops_the_start_though_other_models_are_well(tmp_path: Path) -> None:
    add(tmp_path, "a", "1")
    (tmp_path / "b" / "1").mkdir(parents=True)
    with pytest.raises(BundleError, match=r"b/1/model\.json"):
        read_repository(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_model_that_cannot_be_read_stops_the_start_but_lost_and_found_does_not(tmp_path: Path) -> None:
    add(tmp_path, "a", "1")
    (tmp_path / "lost+found").mkdir(mode=0)
    assert len(read_repository(tmp_path)) == 1
    (tmp_path / "b").mkdir(mode=0)
    with pytest.raises(BundleError, match="b: Permission denied"):
        read_repository(tmp_path)


def test_a_bundle_in_another_model_s_folder_is_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a" / "2", dataclasses.replace(MANIFEST, name="a", version="1"))
    with pytest.raises(BundleError, match=r"2: model\.json says a/1"):
        read_repository(tmp_path)


LoadModels = Callable[[str, dict[str, str]], Models]


@pytest.fixture
def load_models(small_tokenizer: Path) -> LoadModels:
    """Models by the default one's name, and each one's language pair by its name."""

    def load(bundle: Bundle) -> ServedModel:
        engine = Engine(MANIFEST, FakeBackend(1), NO_PIECES, Limits(1, 1), 1, post, EngineMetrics("fake"))
        return ServedModel(bundle.manifest, SentencePieceTokenizer(small_tokenizer, eos=3), engine, Backlog(1.0))

    def load_all(default: str, pairs: dict[str, str]) -> Models:
        bundles = []
        for name, pair in pairs.items():
            source, target = pair.rsplit(" ", 1)
            manifest = dataclasses.replace(MANIFEST, name=name, source_language=source, target_language=target)
            bundles.append(Bundle(Path(name), manifest))
        return Models(bundles, default, load)

    return load_all


@pytest.fixture
def models(load_models: LoadModels) -> Models:
    """Two English-French models and one English-German one; the default is neither first by name."""
    return load_models("gamma", {"alpha": "en de", "beta": "en fr", "gamma": "en fr"})


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
        ("", "EN_us", "de-DE", "alpha"),
        ("", "eng", "FR-ca", "gamma"),
        ("beta", "en-GB", "fra", "beta"),
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
        *(
            (
                "",
                code,
                "fr",
                "source_language_code",
                f"a code such as en or pt-BR expected; the language pairs served here are en-de, en-fr, got {code!r}",
            )
            for code in ["english", "e n", "!!", "en-", " en"]
        ),
        (
            "beta",
            "",
            "French",
            "target_language_code",
            "a code such as en or pt-BR expected; model 'beta' serves en-fr, got 'French'",
        ),
    ],
)
def test_a_language_pair_that_is_not_served_is_named_with_those_that_are(
    models: Models, name: str, source: str, target: str, field: str, problem: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        models.select(name, source, target)
    assert (raised.value.field, raised.value.problem) == (field, problem)


@pytest.mark.parametrize(
    ("source", "target", "selected"),
    [
        ("en", "pt", "a"),
        ("en", "pt-BR", "b"),
        ("en-GB", "pt-BR", "b"),
        ("en-GB", "pt", "a"),
        ("en-US", "pt-PT", "a"),
        ("en", "zh-TW", "d"),
        ("en", "zh-Hans-CN", "c"),
        ("en", "zh", "c"),
        ("our english", "de", "e"),
        ("en", "de", "f"),
    ],
)
def test_the_model_of_the_nearest_languages_is_selected_the_target_before_the_source(
    load_models: LoadModels, source: str, target: str, selected: str
) -> None:
    pairs = {
        "a": "en pt",
        "b": "en-GB pt-BR",
        "c": "en zh-Hans",
        "d": "en zh-Hant",
        "e": "our english de",
        "f": "en de",
    }
    models = load_models("a", pairs)
    assert models.select("", source, target).manifest.name == selected


def test_an_unknown_name_is_answered_with_those_that_are_served(models: Models) -> None:
    with pytest.raises(UnknownModel, match="no model 'delta' is served here; served: gamma, alpha, beta"):
        models.select("delta", "", "")

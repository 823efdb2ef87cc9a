import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from server.bundle.languages import bilingual
from server.bundle.manifest import Manifest
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.errors import InvalidRequest, UnknownModel
from server.serving.models.backlog import Backlog
from server.serving.models.catalogue import Models
from server.serving.models.served import ServedModel
from server.serving.models.versions import ModelVersions
from server.text.sentencepieces import SentencePieceTokenizer
from server.text.tokenizer import Tokenizers
from tests.fakes import MANIFEST, NO_PIECES, FakeBackend, InProcess, post

LoadModels = Callable[[str | list[str], dict[str, str]], Models]


@pytest.fixture
def load_models(small_tokenizer: Path) -> LoadModels:
    """Models by the default one's name, or by those that are preferred, and each one's language pair by its name."""

    def load(manifest: Manifest) -> ServedModel:
        engine = InProcess(MANIFEST, FakeBackend(1), NO_PIECES, Limits(1, 1), post, EngineMetrics("fake"))
        return ServedModel(
            manifest, Tokenizers.one(SentencePieceTokenizer(small_tokenizer, eos=3)), engine, Backlog(1.0)
        )

    def load_all(default: str | list[str], pairs: dict[str, str]) -> Models:
        models = []
        for name, pair in pairs.items():
            source, target = pair.rsplit(" ", 1)
            manifest = dataclasses.replace(MANIFEST, name=name, languages=bilingual(source, target))
            models.append(ModelVersions({"1": load(manifest)}))
        return Models([default] if isinstance(default, str) else default, models)

    return load_all


@pytest.fixture
def models(load_models: LoadModels) -> Models:
    """Two English-French models and one English-German one; the default is neither first by name."""
    return load_models("gamma", {"alpha": "en de", "beta": "en fr", "gamma": "en fr"})


def test_the_default_model_comes_first_and_the_others_by_name(models: Models) -> None:
    assert [model.name for model in models] == ["gamma", "alpha", "beta"]


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
    assert models.select(name, source, target).model.manifest.name == selected


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
    assert models.select("", source, target).model.manifest.name == selected


TWO_DIRECTIONS = {
    "lstm-attention-en-fr": "en fr",
    "lstm-en-fr": "en fr",
    "rnn-en-fr": "en fr",
    "transformer-en-fr": "en fr",
    "transformer-fr-en": "fr en",
}


@pytest.mark.parametrize(
    ("defaults", "source", "target", "selected"),
    [
        (["transformer-en-fr"], "", "", "transformer-en-fr"),
        (["transformer-en-fr"], "fr", "en", "transformer-fr-en"),
        (["transformer-en-fr"], "fr", "", "transformer-fr-en"),
        (["transformer-en-fr"], "", "en", "transformer-fr-en"),
        (["transformer-en-fr"], "fr-CA", "en-GB", "transformer-fr-en"),
        (["transformer-en-fr"], "fr_CA", "ENG", "transformer-fr-en"),
        (["transformer-en-fr"], "", "en-GB", "transformer-fr-en"),
        (["transformer-en-fr"], "en", "fr", "transformer-en-fr"),
        (["transformer-en-fr"], "en-GB", "fr-CA", "transformer-en-fr"),
        (["transformer-en-fr"], "en-US", "", "transformer-en-fr"),
        (["rnn-en-fr"], "", "fr", "rnn-en-fr"),
        (["rnn-en-fr"], "fr", "", "transformer-fr-en"),
        (["transformer-fr-en"], "", "", "transformer-fr-en"),
        (["transformer-fr-en"], "en", "", "lstm-attention-en-fr"),
        (["transformer-fr-en", "transformer-en-fr"], "", "", "transformer-fr-en"),
        (["transformer-fr-en", "transformer-en-fr"], "en", "", "transformer-en-fr"),
        (["transformer-fr-en", "transformer-en-fr"], "", "fr-CA", "transformer-en-fr"),
        (["transformer-fr-en", "transformer-en-fr", "rnn-en-fr"], "en", "fr", "transformer-en-fr"),
    ],
)
def test_languages_choose_the_direction_and_the_preferred_models_among_several_of_it(
    load_models: LoadModels, defaults: list[str], source: str, target: str, selected: str
) -> None:
    assert load_models(defaults, TWO_DIRECTIONS).select("", source, target).model.manifest.name == selected


def test_preferred_models_are_listed_in_their_order_before_the_others(load_models: LoadModels) -> None:
    models = load_models(["transformer-fr-en", "rnn-en-fr"], TWO_DIRECTIONS)
    expected = ["transformer-fr-en", "rnn-en-fr", "lstm-attention-en-fr", "lstm-en-fr", "transformer-en-fr"]
    assert [model.name for model in models] == expected


def test_a_nearer_model_is_selected_before_a_preferred_one(load_models: LoadModels) -> None:
    models = load_models(["a"], {"a": "en fr", "b": "en-GB fr", "c": "en fr-CA"})
    assert models.select("", "en-GB", "fr").model.manifest.name == "b"
    assert models.select("", "en-GB", "fr-CA").model.manifest.name == "c"  # the target counts first
    assert models.select("", "en-US", "fr-BE").model.manifest.name == "a"


@pytest.mark.parametrize(
    ("name", "source", "target", "field", "problem"),
    [
        ("", "fr", "fr", "target_language_code", "the language pairs served here are en-fr, fr-en, got 'fr' to 'fr'"),
        (
            "",
            "en-GB",
            "en",
            "target_language_code",
            "the language pairs served here are en-fr, fr-en, got 'en-GB' to 'en'",
        ),
        ("", "fr", "de", "target_language_code", "the language pairs served here are en-fr, fr-en, got 'de'"),
        ("", "de", "", "source_language_code", "the language pairs served here are en-fr, fr-en, got 'de'"),
        ("", "", "de", "target_language_code", "the language pairs served here are en-fr, fr-en, got 'de'"),
        ("transformer-fr-en", "en", "", "source_language_code", "model 'transformer-fr-en' serves fr-en, got 'en'"),
        ("rnn-en-fr", "fr", "en", "source_language_code", "model 'rnn-en-fr' serves en-fr, got 'fr'"),
    ],
)
def test_a_direction_that_nobody_serves_is_refused_with_those_that_are(
    load_models: LoadModels, name: str, source: str, target: str, field: str, problem: str
) -> None:
    models = load_models("transformer-en-fr", TWO_DIRECTIONS)
    with pytest.raises(InvalidRequest) as raised:
        models.select(name, source, target)
    assert (raised.value.field, raised.value.problem) == (field, problem)


def test_an_unknown_name_is_answered_with_those_that_are_served(models: Models) -> None:
    with pytest.raises(UnknownModel, match="no model 'delta' is served here; served: gamma, alpha, beta"):
        models.select("delta", "", "")


def test_of_many_names_as_many_are_listed_as_a_header_has_room_for() -> None:
    message = str(UnknownModel("x", [f"organisation-of-some-length-{number}" for number in range(200)]))
    assert len(message) < 2000
    assert "organisation-of-some-length-20, " in message
    assert message.endswith(" more, see ListModels")

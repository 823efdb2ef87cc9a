"""Which languages of which model are meant by a request's codes, and what they make of its sources."""

import dataclasses
import time
from collections.abc import Iterable
from typing import Any, cast

import pytest

from server.bundle.languages import SOURCE_TOKEN, TARGET_TOKEN, TEXT, Language, Pair, bilingual
from server.bundle.manifest import Manifest
from server.errors import InvalidRequest
from server.serving.models.backlog import Backlog
from server.serving.models.catalogue import Models
from server.serving.models.served import ServedModel
from server.serving.models.versions import ModelVersions
from server.text.tokenizer import Tokenizers
from tests.fakes import EOS, MANIFEST


def multilingual(codes: Iterable[str], name: str = "many", **fields: Any) -> Manifest:
    """Every language into every other, as NLLB says it; the tokens of languages are 50, 51, ..."""
    languages = tuple(Language(code=code, source_id=id_, target_id=id_) for id_, code in enumerate(codes, 50))
    given: dict[str, Any] = {
        "name": name,
        "source_vocabulary_size": 1000,
        "target_vocabulary_size": 1000,
        "languages": languages,
        "source_template": (SOURCE_TOKEN, TEXT, EOS),
        "forced_target": (TARGET_TOKEN,),
    }
    return dataclasses.replace(MANIFEST, **(given | fields))


NLLB = multilingual(["eng_Latn", "fra_Latn", "zho_Hans", "zho_Hant", "nob_Latn"])
TO_ROMANCE = multilingual(
    ["fra", "spa", "pt_BR"],
    "en-roa",
    languages=(
        Language(code="en", is_target=False),
        *(Language(code=code, target_id=id_, is_source=False) for id_, code in enumerate(("fra", "spa", "pt_BR"), 60)),
    ),
    source_template=(TARGET_TOKEN, TEXT, 0),
    forced_target=(),
)
TO_ENGLISH = multilingual(
    [],
    "roa-en",
    languages=(
        Language(code="fr", is_target=False),
        Language(code="es", is_target=False),
        Language(code="en", is_source=False),
    ),
    source_template=(TEXT, 0),
    forced_target=(),
)


def models(*manifests: Manifest) -> Models:
    served = [ServedModel(one, cast(Tokenizers, None), cast(Any, None), Backlog(1.0)) for one in manifests]
    return Models([manifests[0].name], [ModelVersions({"1": model}) for model in served])


@pytest.mark.parametrize(
    ("source", "target", "source_id", "target_id"),
    [
        ("eng_Latn", "fra_Latn", 50, 51),
        ("en", "fr", 50, 51),
        ("fr-CA", "en-US", 51, 50),
        ("fra", "eng", 51, 50),
        ("en", "zh-Hans", 50, 52),
        ("en", "zh-Hant", 50, 53),
        ("en", "zh-TW", 50, 53),
        ("en", "cmn_Hant", 50, 53),
        ("en", "nb", 50, 54),
        ("EN", "FR_ca", 50, 51),
    ],
)
def test_codes_choose_the_tokens(source: str, target: str, source_id: int, target_id: int) -> None:
    selected = models(NLLB).select("", source, target)
    assert selected.direction.source_ids([7, 8]) == [source_id, 7, 8, EOS]
    assert selected.direction.start_ids == (target_id,)
    assert selected.direction.num_added == 2


def test_a_template_may_have_the_target_s_token_in_the_source() -> None:
    direction = models(TO_ROMANCE).select("", "", "pt").direction
    assert direction.source_ids([7, 8]) == [62, 7, 8, 0]
    assert direction.start_ids == ()
    assert (direction.source_code, direction.target_code) == ("en", "pt_BR")


def test_a_template_may_have_tokens_behind_the_text() -> None:
    """As NLLB before 2023 had it."""
    legacy = dataclasses.replace(NLLB, source_template=(TEXT, EOS, SOURCE_TOKEN))
    direction = models(legacy).select("", "fr", "en").direction
    assert (direction.source_ids([7]), direction.before, direction.behind) == ([7, EOS, 51], (), (EOS, 51))


@pytest.mark.parametrize(
    ("manifest", "source", "target", "field", "codes"),
    [
        (NLLB, "en", "", "target_language_code", "fra_Latn, zho_Hans, zho_Hant, nob_Latn"),
        (NLLB, "", "", "target_language_code", "eng_Latn, fra_Latn, zho_Hans, zho_Hant, nob_Latn"),
        (NLLB, "", "fr", "source_language_code", "eng_Latn, zho_Hans, zho_Hant, nob_Latn"),
        (TO_ROMANCE, "en", "", "target_language_code", "fra, spa, pt_BR"),
        (TO_ROMANCE, "", "", "target_language_code", "fra, spa, pt_BR"),
    ],
)
@pytest.mark.parametrize("by_name", [True, False])
def test_a_language_that_may_be_several_has_to_be_named(
    manifest: Manifest, source: str, target: str, field: str, codes: str, by_name: bool
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        models(manifest).select(manifest.name * by_name, source, target)
    assert raised.value.field == field
    assert raised.value.problem == f"a language of model '{manifest.name}' expected ({codes}), got none"


@pytest.mark.parametrize("source", ["", "fr", "es-MX"])
def test_a_source_without_a_token_need_not_be_named(source: str) -> None:
    direction = models(TO_ENGLISH).select("", source, "").direction
    assert direction.source_ids([7]) == [7, 0]
    assert direction.source_code == source.partition("-")[0]


@pytest.mark.parametrize(("source", "target"), [("", ""), ("en", ""), ("", "en-US"), ("en", "en")])
def test_a_model_of_one_language_writes_it(source: str, target: str) -> None:
    """As one that corrects mistakes."""
    direction = (
        models(dataclasses.replace(MANIFEST, languages=(Language(code="en"),))).select("", source, target).direction
    )
    assert (direction.source_code, direction.target_code) == ("en", "en")


@pytest.mark.parametrize(("source", "target"), [("fr", "en"), ("en", "fr")])
def test_of_two_languages_the_other_one_is_meant(source: str, target: str) -> None:
    two = multilingual(["en", "fr"])
    assert models(two).select("", source, "").direction.target_code == target
    assert models(two).select("", "", target).direction.source_code == source


PAIRS = dataclasses.replace(
    NLLB, pairs=(Pair(source="eng_Latn", target="zho_Hant"), Pair(source="fra_Latn", target="fra_Latn"))
)


@pytest.mark.parametrize(
    ("source", "target", "pair"),
    [
        ("en", "zh", ("eng_Latn", "zho_Hant")),
        ("en", "", ("eng_Latn", "zho_Hant")),
        ("", "zh", ("eng_Latn", "zho_Hant")),
        ("fr", "fr", ("fra_Latn", "fra_Latn")),
        ("", "fr", ("fra_Latn", "fra_Latn")),
    ],
)
def test_pairs_that_are_listed_are_the_only_ones(source: str, target: str, pair: tuple[str, str]) -> None:
    direction = models(PAIRS).select("", source, target).direction
    assert (direction.source_code, direction.target_code) == pair


@pytest.mark.parametrize(
    ("manifest", "source", "target", "message"),
    [
        (PAIRS, "en", "fr", "model 'many' serves eng_Latn-zho_Hant, fra_Latn-fra_Latn, got 'en' to 'fr'"),
        (PAIRS, "en", "zh-Hans", "got 'en' to 'zh-Hans'"),
        (TO_ROMANCE, "en", "it", "model 'en-roa' serves en-fra, en-pt_BR, en-spa, got 'it'"),
        (NLLB, "en", "en-GB", "got 'en' to 'en-GB'"),
        (NLLB, "it", "fr", "got 'it'"),
        (TO_ROMANCE, "en", ">>fra<<", "a code such as en or pt-BR expected; model"),
    ],
)
def test_a_direction_that_a_model_has_not_is_refused_with_those_that_it_has(
    manifest: Manifest, source: str, target: str, message: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        models(manifest).select(manifest.name, source, target)
    assert message in raised.value.problem


def test_the_nearest_language_of_all_models_is_meant() -> None:
    french, brazilian = (
        dataclasses.replace(MANIFEST, name=name, languages=bilingual("en", code))
        for name, code in (("en-fr", "fr"), ("en-br", "pt-BR"))
    )
    catalogue = models(NLLB, french, brazilian, TO_ROMANCE)
    for source, target, name in [
        ("en", "fr", "many"),
        ("en", "fr-CA", "many"),
        ("en", "pt-BR", "en-br"),
        ("en", "es", "en-roa"),
        ("fr", "en", "many"),
        ("fr", "zh", "many"),
        ("", "es", "en-roa"),
    ]:
        assert catalogue.select("", source, target).model.manifest.name == name
    assert models(french, NLLB).select("", "en", "fr").model.manifest.name == "en-fr"


def test_the_default_model_of_a_request_without_languages_is_asked_even_where_others_could_answer() -> None:
    french = dataclasses.replace(MANIFEST, name="en-fr")
    assert models(french, NLLB).select("", "", "").model.manifest.name == "en-fr"
    with pytest.raises(InvalidRequest, match="a language of model 'many' expected"):
        models(NLLB, french).select("", "", "")


def codes(number: int) -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [f"q{letters[index // 26]}{letters[index % 26]}_Latn" for index in range(number)]


def test_two_hundred_languages_are_chosen_among_quickly_and_named_in_a_header_s_room() -> None:
    catalogue = models(multilingual(codes(202)))
    assert catalogue.select("", "qab_Latn", "qch").direction.start_ids == (50 + 2 * 26 + 7,)
    for source, target in [("qab", ""), ("", "qab"), ("", ""), ("qab", "it"), ("it", "qab"), ("qab", "qab")]:
        started = time.perf_counter()
        with pytest.raises(InvalidRequest) as raised:
            catalogue.select("", source, target)
        assert time.perf_counter() - started < 0.1
        assert 500 < len(raised.value.problem) < 2000
        assert "more, see ListModels" in raised.value.problem


def test_pseudo_codes_are_found_as_they_are_spelled() -> None:
    groups = multilingual(["x-sla", "mul", "qaa"])
    assert models(groups).select("", "mul", "x-sla").direction.start_ids == (50,)

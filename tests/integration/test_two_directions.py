"""Models of two directions, in two repositories: languages choose among them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from seq2serve.pb import translation_pb2 as pb
from server.bundle.manifest import BundleError
from server.serving.example import example_arguments
from tests.conftest import SmallModels
from tests.fakes import PATIENCE
from tests.integration.served import DEFAULT_MODEL, Served, refusal, request, serving
from tests.opposite_direction import write_opposite

OPPOSITE = "rnn-fr-en"


@pytest.fixture(scope="module")
def repositories(small_model: SmallModels, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Small models from English, and one from French."""
    small_model("lstm")
    bundle = small_model("rnn").bundle
    other = tmp_path_factory.mktemp("more_models")
    write_opposite(bundle, other)
    return bundle.folder.parent.parent, other


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(repositories: tuple[Path, Path]) -> AsyncIterator[Served]:
    async with serving(*repositories) as server:
        yield server


pytestmark = pytest.mark.asyncio(loop_scope="module")


def languages(source: str, target: str) -> dict[str, Any]:
    return {"source_language_code": source, "target_language_code": target}


async def test_models_of_both_repositories_are_listed_with_their_directions(served: Served) -> None:
    models = (await served.stub.ListModels(pb.ListModelsRequest(), timeout=PATIENCE)).models
    pairs = {
        model.name: [(pair.source_language_code, pair.target_language_code) for pair in model.language_pairs]
        for model in models
    }
    assert pairs[DEFAULT_MODEL] == [("en", "fr")]
    assert pairs[OPPOSITE] == [("fr", "en")]


@pytest.mark.parametrize(
    ("source", "target", "model"),
    [
        ("", "", DEFAULT_MODEL),
        ("en", "fr", DEFAULT_MODEL),
        ("en-GB", "", DEFAULT_MODEL),
        ("", "fr-CA", DEFAULT_MODEL),
        ("fr", "en", OPPOSITE),
        ("fr-CA", "en-GB", OPPOSITE),
        ("fr", "", OPPOSITE),
        ("", "en-US", OPPOSITE),
    ],
)
async def test_languages_choose_the_model_of_every_method(served: Served, source: str, target: str, model: str) -> None:
    pair = languages(source, target)
    assert (await served.translate("le chat dort", **pair)).model == model
    assert {message.model for message in await served.stream("le chat dort", **pair)} == {model}
    scored = pb.ScoreRequest(pairs=[pb.ScoredPair(content="the cat", translated_text="le chat")], **pair)
    assert (await served.stub.Score(scored, timeout=PATIENCE)).model == model


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            languages("fr", "fr"),
            "target_language_code: the language pairs served here are en-fr, fr-en, got 'fr' to 'fr'",
        ),
        (languages("de", ""), "source_language_code: the language pairs served here are en-fr, fr-en, got 'de'"),
        (
            {"model": OPPOSITE, **languages("en", "fr")},
            f"source_language_code: model '{OPPOSITE}' serves fr-en, got 'en'",
        ),
    ],
)
async def test_a_direction_that_nobody_serves_is_refused_with_those_that_are(
    served: Served, fields: dict[str, Any], message: str
) -> None:
    code, details, _ = await refusal(served.stub.Translate(request("a", **fields), timeout=PATIENCE))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details == message


async def test_a_default_model_of_another_repository_leaves_other_languages_to_those_behind_it(
    repositories: tuple[Path, Path],
) -> None:
    async with serving(*repositories, default_model=f"{OPPOSITE},lstm-en-fr") as served:
        assert (await served.translate("le chat dort")).model == OPPOSITE
        assert (await served.translate("the cat sleeps", **languages("en", ""))).model == "lstm-en-fr"
        assert (
            example_arguments(served.app.registry.models[OPPOSITE].main)
            == '"Deux jeunes hommes jouent de la guitare dans le parc."'
        )


async def test_a_name_in_two_repositories_stops_the_start(
    small_model: SmallModels, repositories: tuple[Path, Path], tmp_path: Path
) -> None:
    write_opposite(small_model("rnn").bundle, tmp_path)
    with pytest.raises(BundleError, match=f"{repositories[1] / OPPOSITE} and {tmp_path / OPPOSITE}: two models of"):
        async with serving(*repositories, tmp_path):
            pass

"""Google Cloud Translation, version 3, with `google-cloud-translate` as it is published."""

import shutil
from pathlib import Path
from typing import Any

from tests.conftest import Repositories
from tests.integration.served import DEFAULT_MODEL, serving
from tests.protocols import google_calls as google
from tests.protocols.clients import ClientProcess
from tests.small_models import SENTENCES

TO_FRENCH = {"target_language_code": "fr", "mime_type": "text/plain"}
FULL_NAME = f"{google.PARENT}/models/{DEFAULT_MODEL}"


async def test_texts_are_translated_as_by_our_own_service(foreign: ClientProcess, rnn_repository: Path) -> None:
    texts = [*SENTENCES[:3], "", "  12 %\n\n" + SENTENCES[3]]
    async with serving(rnn_repository) as served:
        expected = [one.translated_text for one in (await served.translate(*texts)).translations]
        answer = await foreign.run(google.translate, served.address, contents=texts, **TO_FRENCH)
        assert answer["translations"] == [(text, FULL_NAME, "", "") for text in expected]
        assert answer["glossary_translations"] == []
        several = await foreign.run(google.translate_all, served.address, SENTENCES[:10])
        assert [len(one["translations"]) for one in several] == [1] * 10
        rpc = {"grpc_service": "google.cloud.translation.v3.TranslationService", "grpc_method": "TranslateText"}
        await served.wait_for_metric(11, "grpc_server_handled_total", **rpc, grpc_code="OK")


async def test_a_text_without_a_mime_type_is_html(foreign: ClientProcess, rnn_repository: Path) -> None:
    page = f"<p>{SENTENCES[0]} <b>{SENTENCES[1]}</b></p>"
    async with serving(rnn_repository) as served:
        [expected] = (await served.translate(page, mime_type="text/html")).translations
        for mime_type in ({}, {"mime_type": "text/html"}):
            answer = await foreign.run(
                google.translate, served.address, contents=[page], target_language_code="fr", **mime_type
            )
            assert answer["translations"][0][0] == expected.translated_text


async def test_a_model_is_named_in_full_or_alone_or_left_to_the_server(
    foreign: ClientProcess, repository_of: Repositories
) -> None:
    async with serving(repository_of("rnn", "lstm")) as served:
        for name, model in {
            f"{google.PARENT}/models/lstm-en-fr": "lstm-en-fr",
            "projects/another/locations/us-central1/models/lstm-en-fr": "lstm-en-fr",
            "lstm-en-fr": "lstm-en-fr",
            f"{google.PARENT}/models/general/nmt": DEFAULT_MODEL,
            f"{google.PARENT}/models/general/base": DEFAULT_MODEL,
            "": DEFAULT_MODEL,
        }.items():
            [expected] = (await served.translate(SENTENCES[0], model=model)).translations
            fields = {"contents": [SENTENCES[0]], "model": name} | TO_FRENCH
            [told] = (await foreign.run(google.translate, served.address, **fields))["translations"]
            assert told[:2] == (expected.translated_text, f"{google.PARENT}/models/{model}")


async def test_a_glossary_answers_with_and_without_it(
    foreign: ClientProcess, rnn_repository: Path, tmp_path: Path
) -> None:
    shutil.copytree(rnn_repository / DEFAULT_MODEL, tmp_path / DEFAULT_MODEL)
    folder = tmp_path / DEFAULT_MODEL / "glossaries"
    folder.mkdir()
    (folder / "animals.tsv").write_text("cat\tmatou\n")
    async with serving(tmp_path) as served:
        [plain] = (await served.translate(SENTENCES[0])).translations
        options = {"glossary": {"name": "animals"}}
        [with_terms] = (await served.translate(SENTENCES[0], decoding=options)).translations
        for name in ("animals", f"{google.PARENT}/glossaries/animals"):
            fields = {"contents": [SENTENCES[0]], "glossary_config": {"glossary": name}} | TO_FRENCH
            answer = await foreign.run(google.translate, served.address, **fields)
            assert answer["translations"] == [(plain.translated_text, FULL_NAME, "", "")]
            assert answer["glossary_translations"] == [(with_terms.translated_text, FULL_NAME, "", name)]
        fields["glossary_config"] = {"glossary": "nautical"}
        refused = await foreign.run(google.translate, served.address, **fields)
        assert refused["violations"] == ["glossary_config.glossary"]
        assert "one of the model's glossaries (animals) expected, got 'nautical'" in refused["message"]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"contents": []}, "InvalidArgument", "contents: 1 to 128 expected, got 0"),
    ({"contents": ["x"] * 129}, "InvalidArgument", "contents: 1 to 128 expected, got 129"),
    ({"contents": ["a", "x" * 10_001]}, "InvalidArgument", "contents[1]: at most 10000 characters expected, got 10001"),
    ({"mime_type": "text/css"}, "InvalidArgument", "mime_type: text/plain or text/html expected, got 'text/css'"),
    ({"target_language_code": ""}, "InvalidArgument", "target_language_code: a language such as fr expected, got none"),
    ({"target_language_code": "tlh"}, "InvalidArgument", "target_language_code: "),
    ({"source_language_code": "tlh"}, "InvalidArgument", "source_language_code: "),
    ({"glossary_config": {}}, "InvalidArgument", "glossary_config.glossary: the name of a glossary expected, got ''"),
    (
        {"glossary_config": {"glossary": "x", "contextual_translation_enabled": True}},
        "InvalidArgument",
        "glossary_config.contextual_translation_enabled: false expected",
    ),
    (
        {"transliteration_config": {"enable_transliteration": True}},
        "InvalidArgument",
        "transliteration_config.enable_transliteration: false expected",
    ),
    ({"model": f"{google.PARENT}/models/none"}, "NotFound", "model: no model 'none' is served here; served: "),
]


async def test_an_error_names_the_field_the_limit_and_the_value(foreign: ClientProcess, rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        for fields, kind, problem in REFUSED:
            request: dict[str, Any] = {"contents": [SENTENCES[0]]} | TO_FRENCH | fields
            refused = await foreign.run(google.translate, served.address, **request)
            assert refused["error"] == kind, fields
            assert problem in refused["message"]
            assert refused["violations"] == ([problem.partition(":")[0]] if kind == "InvalidArgument" else [])


async def test_languages_are_those_of_the_models(foreign: ClientProcess, rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        expected = [("en", "", True, False), ("fr", "", False, True)]
        assert await foreign.run(google.languages, served.address) == expected
        assert await foreign.run(google.languages, served.address, model=FULL_NAME) == expected
        named = await foreign.run(google.languages, served.address, display_language_code="de")
        assert [one[:2] for one in named] == [("en", "en"), ("fr", "fr")]


async def test_what_is_not_offered_says_so(foreign: ClientProcess, rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        detect, glossaries = await foreign.run(google.not_offered, served.address)
        assert detect == (
            "MethodNotImplemented",
            "no language is detected here; requests name theirs in source_language_code",
        )
        assert glossaries[0] == "MethodNotImplemented"

"""The Open Inference Protocol with `tritonclient` as it is published."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Repositories
from tests.integration.served import DEFAULT_MODEL, serving
from tests.protocols import triton_calls as triton
from tests.protocols.clients import ClientProcess
from tests.small_models import SENTENCES

OUTPUTS = ["text_output", "score", "finish_reason", "source_token_count", "output_token_count"]


async def test_infer_answers_with_our_translations_in_the_shape_of_the_input(
    foreign: ClientProcess, rnn_repository: Path
) -> None:
    async with serving(rnn_repository) as served:
        expected = (await served.translate(*SENTENCES[:4])).translations
        for shape in ([4, 1], [4], [2, 2], [1, 4]):
            answer = await foreign.run(triton.infer, served.address, DEFAULT_MODEL, SENTENCES[:4], shape)
            assert answer["shapes"] == dict.fromkeys(OUTPUTS, shape)
            outputs = answer["outputs"]
            assert outputs["text_output"] == [one.translated_text for one in expected]
            assert outputs["score"] == pytest.approx([one.score for one in expected])
            assert outputs["source_token_count"] == [one.source_token_count for one in expected]
            assert outputs["output_token_count"] == [one.output_token_count for one in expected]
            assert set(outputs["finish_reason"]) <= {"END_OF_SENTENCE", "MAX_OUTPUT_TOKENS"}
        assert answer["model"] == DEFAULT_MODEL
        rpc = {"grpc_service": "inference.GRPCInferenceService", "grpc_method": "ModelInfer", "grpc_code": "OK"}
        await served.wait_for_metric(4, "grpc_server_handled_total", **rpc)
        assert await served.metric("seq2serve_request_seconds_count", model=DEFAULT_MODEL, outcome="ok") == 5


async def test_callbacks_ids_versions_and_chosen_outputs(foreign: ClientProcess, repository_of: Repositories) -> None:
    async with serving(repository_of("rnn", "lstm")) as served:
        [expected] = (await served.translate(SENTENCES[0], model="lstm-en-fr")).translations
        later = await foreign.run(triton.infer_later, served.address, "lstm-en-fr", [SENTENCES[0]])
        assert later["outputs"]["text_output"] == [expected.translated_text]
        answer = await foreign.run(
            triton.infer,
            served.address,
            "lstm-en-fr",
            [SENTENCES[0]],
            outputs=["output_token_count", "text_output"],
            request_id="seventh",
            model_version="1",
        )
        assert answer["id"] == "seventh"
        assert answer["version"] == "1"
        assert list(answer["outputs"]) == ["output_token_count", "text_output"]
        assert answer["outputs"]["text_output"] == [expected.translated_text]


SAME: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"max_output_tokens": 3}, {"max_output_tokens": 3}, {}),
    ({"beam_size": 4, "length_penalty": 1.5}, {"beam_size": 4, "length_penalty": 1.5}, {}),
    ({"beam_size": 4, "length_penalty": 0}, {"beam_size": 4, "length_penalty": 0}, {}),
    ({"temperature": 0.8, "seed": 11, "top_k": 5}, {"temperature": 0.8, "seed": 11, "top_k": 5}, {}),
    ({"target_prefix": "le chat"}, {"target_prefix": "le chat"}, {}),
    (
        {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
        {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
        {},
    ),
    ({"source_language_code": "en-GB", "target_language_code": "fr"}, {}, {"target_language_code": "fr"}),
    ({"mime_type": "text/html"}, {}, {"mime_type": "text/html"}),
    ({"use_shortlist": False, "min_output_tokens": 5}, {"min_output_tokens": 5}, {}),
    ({"split_sentences": "lines"}, {}, {"split_sentences": 2}),
    ({"split_sentences": "NONE"}, {}, {"split_sentences": 3}),
]
"""Parameters, and the options and fields of translation.v1 that mean the same."""


async def test_parameters_are_the_options_of_the_same_names(foreign: ClientProcess, rnn_repository: Path) -> None:
    text = f"<b>{SENTENCES[0]}</b> {SENTENCES[1]}\n{SENTENCES[2]}"
    async with serving(rnn_repository) as served:
        for parameters, options, fields in SAME:
            [expected] = (await served.translate(text, decoding=options, **fields)).translations
            answer = await foreign.run(triton.infer, served.address, DEFAULT_MODEL, [text], parameters=parameters)
            assert answer["outputs"]["text_output"] == [expected.translated_text], parameters
            assert answer["outputs"]["score"] == pytest.approx([expected.score])


async def test_terms_and_phrases_are_further_inputs(foreign: ClientProcess, rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        terms = {"text_input": ([SENTENCES[0]], [1, 1])} | {
            "do_not_translate": (["cat"], [1]),
            "forbidden_phrases": (["le", "un"], [2]),
            "glossary_terms": (["roof", "toit", "warm", "chaud"], [2, 2]),
        }
        answer = await foreign.run(triton.infer_with, served.address, DEFAULT_MODEL, terms)
        [expected] = (
            await served.translate(
                SENTENCES[0],
                do_not_translate=["cat"],
                decoding={
                    "forbidden_phrases": ["le", "un"],
                    "glossary": {
                        "entries": [
                            {"source_term": "roof", "target_term": "toit"},
                            {"source_term": "warm", "target_term": "chaud"},
                        ]
                    },
                },
            )
        ).translations
        assert answer["outputs"]["text_output"] == [expected.translated_text]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (
        {"parameters": {"beam_size": 99}},
        "INVALID_ARGUMENT",
        'parameters["beam_size"]: 1 to 8 expected, or 0 for 1, got 99',
    ),
    (
        {"parameters": {"beam_size": 0.5}},
        "INVALID_ARGUMENT",
        'parameters["beam_size"]: a whole number expected, got 0.5',
    ),
    (
        {"parameters": {"beam_size": True}},
        "INVALID_ARGUMENT",
        'parameters["beam_size"]: a whole number expected, got True',
    ),
    (
        {"parameters": {"beam_size": 2**40}},
        "INVALID_ARGUMENT",
        'parameters["beam_size"]: -2147483648 to 2147483647 expected',
    ),
    (
        {"parameters": {"seed": -1}},
        "INVALID_ARGUMENT",
        'parameters["seed"]: 0 to 18446744073709551615 expected, got -1',
    ),
    (
        {"parameters": {"temperature": "hot"}},
        "INVALID_ARGUMENT",
        "parameters[\"temperature\"]: a number expected, got 'hot'",
    ),
    (
        {"parameters": {"use_shortlist": 1}},
        "INVALID_ARGUMENT",
        'parameters["use_shortlist"]: a flag expected, got 1',
    ),
    (
        {"parameters": {"mime_type": "text/css"}},
        "INVALID_ARGUMENT",
        'parameters["mime_type"]: text/plain or text/html expected',
    ),
    (
        {"parameters": {"split_sentences": "words"}},
        "INVALID_ARGUMENT",
        'parameters["split_sentences"]: one of sentences, lines',
    ),
    ({"parameters": {"target_language_code": "tlh"}}, "INVALID_ARGUMENT", 'parameters["target_language_code"]: '),
    (
        {"parameters": {"glossary": "nautical"}},
        "INVALID_ARGUMENT",
        'parameters["glossary"]: one of the model\'s glossaries',
    ),
    ({"parameters": {"num_hypotheses": 2}}, "INVALID_ARGUMENT", "parameters: only "),
    ({"parameters": {"stream": True}}, "INVALID_ARGUMENT", 'parameters["stream"]: ModelStreamInfer expected'),
    ({"priority": 3}, "INVALID_ARGUMENT", 'parameters["priority"]: 0 or 1, or 2 for bulk, expected, got 3'),
    ({"timeout": -5}, "INVALID_ARGUMENT", 'parameters["timeout"]: 0 to '),
    ({"timeout": 1}, "DEADLINE_EXCEEDED", "deadline passed"),
    ({"sequence_id": 7}, "INVALID_ARGUMENT", "got 'sequence_"),
    (
        {"texts": ["x" * 10_001]},
        "INVALID_ARGUMENT",
        'inputs["text_input"][0]: at most 10000 characters expected, got 10001',
    ),
    ({"texts": []}, "INVALID_ARGUMENT", 'inputs["text_input"]: 1 to 128 expected, got 0'),
    (
        {"texts": ["x"] * 129},
        "INVALID_ARGUMENT",
        'inputs["text_input"].shape: at most 128 elements expected, got [129, 1]',
    ),
    ({"model": "no-such-model"}, "NOT_FOUND", "model_name: no model 'no-such-model' is served here"),
    ({"model_version": "7"}, "NOT_FOUND", "model_version: no model 'rnn-en-fr@7' is served here; served: rnn-en-fr@1"),
    (
        {"model": "no-such-model", "model_version": "7"},
        "NOT_FOUND",
        "model_name: no model 'no-such-model@7' is served here",
    ),
]


async def test_an_error_names_the_tensor_or_parameter_the_limit_and_the_value(
    foreign: ClientProcess, rnn_repository: Path
) -> None:
    async with serving(rnn_repository) as served:
        for fields, status, problem in REFUSED:
            request = {"model": DEFAULT_MODEL, "texts": [SENTENCES[0]]} | fields
            code, message = await foreign.run(triton.infer_refused, served.address, **request)
            assert code == f"StatusCode.{status}", fields
            assert problem in message
        again = await foreign.run(triton.infer, served.address, DEFAULT_MODEL, [SENTENCES[0]])
        assert again["outputs"]["text_output"][0]


async def test_the_server_and_its_models_describe_themselves(foreign: ClientProcess, rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        await served.translate(*SENTENCES[:3])
        told = await foreign.run(triton.describe, served.address, DEFAULT_MODEL)
        assert told["live"]
        assert told["ready"]
        assert told["model ready"]
        assert told["version ready"]
        assert not told["other version ready"]
        assert not told["other model ready"]
        assert told["server"]["name"] == "seq2serve"
        assert "statistics" in told["server"]["extensions"]
        assert told["model"]["versions"] == ["1"]
        assert told["model"]["inputs"][0] == {"name": "text_input", "datatype": "BYTES", "shape": ["-1", "1"]}
        assert [output["name"] for output in told["model"]["outputs"]] == OUTPUTS
        assert told["config"]["max_batch_size"] == 128
        assert told["config"]["input"][0] == {"name": "text_input", "data_type": "TYPE_STRING", "dims": ["1"]}
        assert all(one["optional"] for one in told["config"]["input"][1:])
        assert not told["config"]["model_transaction_policy"].get("decoupled")
        assert told["config"]["parameters"]["target_language_codes"] == {"string_value": "fr"}
        [statistics] = told["statistics"]
        assert (statistics["inference_count"], statistics["execution_count"]) == ("3", "1")
        assert int(statistics["inference_stats"]["success"]["ns"]) > 100_000
        assert {"name": DEFAULT_MODEL, "version": "1", "state": "READY"} in told["index"]


async def test_a_stream_answers_each_request_and_an_error_does_not_end_it(
    foreign: ClientProcess, rnn_repository: Path
) -> None:
    async with serving(rnn_repository) as served:
        expected = [one.translated_text for one in (await served.translate(*SENTENCES[:40])).translations]
        requests: list[dict[str, Any]] = [
            {"model": DEFAULT_MODEL, "texts": [text], "request_id": str(number)}
            for number, text in enumerate(SENTENCES[:40])
        ]
        requests[7]["parameters"] = {"beam_size": 99}
        answers = await foreign.run(triton.stream, served.address, requests, 40)
        errors = [answer for answer in answers if isinstance(answer, str)]
        assert errors == ['INVALID_ARGUMENT: parameters["beam_size"]: 1 to 8 expected, or 0 for 1, got 99']
        by_id = {int(one["id"]): one for one in answers if not isinstance(one, str)}
        assert set(by_id) == set(range(40)) - {7}
        for number, one in by_id.items():
            assert one["outputs"]["text_output"] == [expected[number]]
            assert one["parameters"] == {"triton_final_response": 1}


async def test_requests_without_an_id_are_answered_in_order(foreign: ClientProcess, rnn_repository: Path) -> None:
    texts = [" ".join(SENTENCES[:6]), *SENTENCES[:9]]
    async with serving(rnn_repository) as served:
        expected = [[one.translated_text] for one in (await served.translate(*texts)).translations]
        requests: list[dict[str, Any]] = [{"model": DEFAULT_MODEL, "texts": [text]} for text in texts]
        requests.insert(3, {"model": "none", "texts": ["a"]})
        answers: list[Any] = await foreign.run(triton.stream, served.address, requests, len(requests))
        assert answers.pop(3).startswith("NOT_FOUND: ")
        assert [answer["outputs"]["text_output"] for answer in answers] == expected


async def test_text_streams_as_it_is_decoded_and_the_last_answer_is_marked(
    foreign: ClientProcess, rnn_repository: Path
) -> None:
    async with serving(rnn_repository) as served:
        expected = (await served.translate(*SENTENCES[:2])).translations
        request = {"model": DEFAULT_MODEL, "texts": SENTENCES[:2], "parameters": {"stream": True}}
        answers: list[Any] = await foreign.run(triton.stream, served.address, [request], 1)
        texts = ["", ""]
        for answer in answers:
            texts[answer["parameters"]["content_index"]] += answer["outputs"]["text_output"][0]
        assert texts == [one.translated_text for one in expected]
        assert len(answers) >= 4
        assert [one["parameters"]["triton_final_response"] for one in answers] == [0] * (len(answers) - 1) + [1]
        ends = {one["parameters"]["content_index"]: one for one in answers if one["parameters"]["content_final"]}
        counts = [ends[index]["outputs"]["output_token_count"] for index in range(2)]
        assert counts == [[one.output_token_count] for one in expected]


async def test_the_client_for_asyncio_calls_and_streams(foreign: ClientProcess, rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        expected = [one.translated_text for one in (await served.translate(*SENTENCES[:20])).translations]
        answers = await foreign.run(triton.aio_infer, served.address, DEFAULT_MODEL, SENTENCES[:20])
        assert [answer["outputs"]["text_output"][0] for answer in answers] == expected
        answers = await foreign.run(triton.aio_stream, served.address, DEFAULT_MODEL, SENTENCES[:20])
        assert {answer["id"]: answer["outputs"]["text_output"][0] for answer in answers} == {
            str(number): text for number, text in enumerate(expected)
        }

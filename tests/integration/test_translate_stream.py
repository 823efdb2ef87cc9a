"""Many requests on one stream, over a socket: each has its own answer or error, and all end with the stream."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from seq2serve.pb import translation_pb2 as pb
from server.serving.app import SERVICE
from server.serving.protocols.pb import inference_pb2, inference_pb2_grpc
from server.serving.rpc.exchange import MAX_IN_FLIGHT
from tests.conftest import Repositories
from tests.fakes import PATIENCE
from tests.integration.served import OVERLONG_SENTENCE, Served, eventually, refusal, request, serving
from tests.small_models import SENTENCES


def one(id_: str, *contents: str, timeout_milliseconds: int = 0, streams_text: bool = False, **fields: Any) -> Any:
    return pb.TranslateStreamRequest(
        id=id_,
        request=request(*contents, **fields),
        timeout_milliseconds=timeout_milliseconds,
        streams_text=streams_text,
    )


async def answers(served: Served, *requests: Any) -> list[pb.TranslateStreamResponse]:
    return [answer async for answer in served.stub.TranslateStream(iter(requests), timeout=PATIENCE)]


async def test_every_request_is_answered_as_by_translate(rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        texts = [*SENTENCES[:60], "", " ".join(SENTENCES[:9])]
        expected = [await served.translate(text) for text in texts]
        got = {one.id: one for one in await answers(served, *(one(str(at), text) for at, text in enumerate(texts)))}
        assert [got[str(at)].response for at in range(len(texts))] == expected
        assert all(answer.is_last for answer in got.values())
        rpc = {"grpc_service": SERVICE, "grpc_method": "TranslateStream", "grpc_type": "bidi_stream"}
        await served.wait_for_metric(1, "grpc_server_handled_total", **rpc, grpc_code="OK")


async def test_requests_of_a_stream_have_models_and_options_of_their_own(repository_of: Repositories) -> None:
    async with serving(repository_of("rnn", "lstm")) as served:
        options: list[dict[str, Any]] = [
            {"model": "lstm-en-fr"},
            {"decoding": {"beam_size": 4, "num_hypotheses": 2}},
            {"max_output_tokens": 3},
            {"mime_type": "text/html"},
        ]
        expected = [await served.translate(SENTENCES[0], **one) for one in options]
        got = await answers(served, *(one(str(at), SENTENCES[0], **of) for at, of in enumerate(options)))
        assert [answer.response for answer in sorted(got, key=lambda one: one.id)] == expected


LONG_ID = "x" * 257

ERRORS: list[tuple[Any, int, str, str, str]] = [
    (one(LONG_ID, "a"), 3, "INVALID_REQUEST", "id", "at most 256 characters expected, got 257"),
    (one("x", "x" * 10_001), 3, "INVALID_REQUEST", "contents[0]", "at most 10000 characters expected, got 10001"),
    (one("x"), 3, "INVALID_REQUEST", "contents", "1 to 128 expected, got 0"),
    (one("x", "a", decoding={"beam_size": 9}), 3, "INVALID_REQUEST", "decoding.beam_size", "1 to 8 expected"),
    (one("x", "a", timeout_milliseconds=-1), 3, "INVALID_REQUEST", "timeout_milliseconds", "0 to 2147483647"),
    (pb.TranslateStreamRequest(id="x"), 3, "INVALID_REQUEST", "request", "a request expected, got none"),
    (one("x", "a", model="none"), 5, "UNKNOWN_MODEL", "", "no model 'none' is served here"),
    (one("x", OVERLONG_SENTENCE, timeout_milliseconds=1), 4, "DEADLINE_EXCEEDED", "", "deadline passed"),
]


@pytest.mark.parametrize("streams_text", [False, True])
async def test_a_request_that_fails_says_why_and_the_others_are_answered(
    rnn_repository: Path, streams_text: bool
) -> None:
    async with serving(rnn_repository) as served:
        for wrong, code, reason, field, problem in ERRORS:
            wrong.streams_text = streams_text
            got = await answers(served, one("1", SENTENCES[0]), wrong, one("2", SENTENCES[1]))
            by_id = {answer.id: answer for answer in got if answer.is_last}
            assert set(by_id) == {"1", wrong.id, "2"}
            error = by_id[wrong.id].error
            assert (error.code, error.reason, error.field) == (code, reason, field), problem
            assert problem in error.message
            assert all(by_id[name].response.translations[0].translated_text for name in "12")


async def test_text_is_told_as_it_is_decoded_where_that_is_asked_for(rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        expected = (await served.translate(*SENTENCES[:3])).translations
        got = await answers(served, one("a", *SENTENCES[:3], streams_text=True), one("b", SENTENCES[3]))
        parts = [answer for answer in got if answer.id == "a"]
        assert [answer.is_last for answer in parts] == [False] * (len(parts) - 1) + [True]
        texts = ["", "", ""]
        for answer in parts:
            texts[answer.part.content_index] += answer.part.text_delta
        assert texts == [translation.translated_text for translation in expected]
        assert sum(answer.part.HasField("translation") for answer in parts) == 3


async def test_an_answer_does_not_wait_for_an_earlier_request(rnn_repository: Path) -> None:
    async with serving(rnn_repository, gated=True) as served:
        call = served.stub.TranslateStream(timeout=PATIENCE)
        await call.write(one("held", SENTENCES[0]))
        await served.held()
        await call.write(one("empty", ""))
        answer = await call.read()
        assert answer.id == "empty"
        served.gate.open()
        assert (await call.read()).id == "held"
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


async def test_no_more_than_a_bounded_number_is_in_work(rnn_repository: Path) -> None:
    async with serving(rnn_repository, gated=True) as served:
        call = served.stub.TranslateStream(timeout=PATIENCE)
        for number in range(2 * MAX_IN_FLIGHT):
            await call.write(one(str(number), SENTENCES[0], max_output_tokens=2))
        await served.held()
        admission = served.app._calls.admission

        async def are_in_work() -> bool:
            return admission.num_calls == MAX_IN_FLIGHT

        await eventually(are_in_work)
        await asyncio.sleep(0.05)
        assert await are_in_work()
        served.gate.open()
        await call.done_writing()
        assert len([answer async for answer in call]) == 2 * MAX_IN_FLIGHT
        assert not admission.num_calls or await eventually_free(served)


async def eventually_free(served: Served) -> bool:
    """Wait until nothing is admitted any more."""

    async def is_free() -> bool:
        return not served.app._calls.admission.num_calls and not served.app._calls.admission.num_bytes

    await eventually(is_free)
    return True


async def test_a_cancelled_stream_cancels_its_requests(rnn_repository: Path) -> None:
    async with serving(rnn_repository, gated=True) as served:
        call = served.stub.TranslateStream(timeout=PATIENCE)
        for number in range(5):
            await call.write(one(str(number), SENTENCES[number], streams_text=number % 2 == 1))
        await served.held()
        engine: Any = served.app.registry.models.named("").engine

        async def are_in_work() -> bool:
            return len(engine._open) == 5

        await eventually(are_in_work)
        call.cancel()
        assert await eventually_free(served)
        served.gate.open()
        await served.wait_for_metric(5, "seq2serve_requests_total", outcome="cancelled")
        await served.wait_for_metric(0, "seq2serve_running_rows")
        rpc = {"grpc_method": "TranslateStream", "grpc_code": "Canceled"}
        await served.wait_for_metric(1, "grpc_server_handled_total", **rpc)


async def test_a_stream_outlives_the_deadline_of_calls_while_requests_come_and_not_without(
    rnn_repository: Path,
) -> None:
    async with serving(rnn_repository, max_call_seconds=1) as served:
        call = served.stub.TranslateStream()
        for number in range(4):
            await call.write(one(str(number), SENTENCES[0]))
            assert (await call.read()).response.translations
            await asyncio.sleep(0.4)
        code, message, _ = await refusal(call.read())
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "that the server sets for calls that bring none" in message


async def to_end(call: Any) -> list[Any]:
    return [answer async for answer in call]


async def test_a_server_that_ends_answers_what_it_has_read_and_then_ends_the_stream(rnn_repository: Path) -> None:
    async with serving(rnn_repository, gated=True) as served:
        call = served.stub.TranslateStream(timeout=PATIENCE)
        await call.write(one("1", SENTENCES[0]))
        await served.held()
        stopping = asyncio.ensure_future(served.stop())
        await asyncio.sleep(0.3)
        served.gate.open()
        assert (await call.read()).id == "1"
        code, message, _ = await refusal(call.read())
        assert code == grpc.StatusCode.UNAVAILABLE
        assert message == "the server is shutting down"
        assert await asyncio.wait_for(stopping, PATIENCE)


async def test_bytes_that_are_no_request_end_the_stream(rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        for method in (f"/{SERVICE}/TranslateStream", "/inference.GRPCInferenceService/ModelStreamInfer"):
            opened: Any = served.channel.stream_stream(method)
            call = opened(iter([b"\xff\xff"]), timeout=PATIENCE)
            code, message, _ = await refusal(to_end(call))
            assert code == grpc.StatusCode.INVALID_ARGUMENT
            assert "a message of the contract expected, got 2 bytes that are none" in message


async def test_many_streams_at_once_mix_nothing_up(rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        expected = {text: (await served.translate(text)).translations[0].translated_text for text in SENTENCES[:20]}

        async def check(name: int) -> None:
            got = await answers(served, *(one(f"{name} {text}", text) for text in expected))
            assert {answer.id: answer.response.translations[0].translated_text for answer in got} == {
                f"{name} {text}": translated for text, translated in expected.items()
            }

        await asyncio.gather(*map(check, range(8)))


def tensors(text: str, **fields: Any) -> inference_pb2.ModelInferRequest:
    """Typed, as people write it for grpcurl."""
    message = inference_pb2.ModelInferRequest(**fields)
    message.inputs.add(name="text_input", datatype="BYTES", shape=[1]).contents.bytes_contents.append(text.encode())
    return message


async def test_typed_tensors_are_answered_with_typed_ones(rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        stub: Any = inference_pb2_grpc.GRPCInferenceServiceStub(served.channel)
        [expected] = (await served.translate(SENTENCES[0])).translations
        answer = await stub.ModelInfer(tensors(SENTENCES[0], id="7"), timeout=PATIENCE)
        assert answer.id == "7"
        assert not answer.raw_output_contents
        outputs = {output.name: output.contents for output in answer.outputs}
        assert list(outputs["text_output"].bytes_contents) == [expected.translated_text.encode()]
        assert list(outputs["output_token_count"].int_contents) == [expected.output_token_count]
        code, _, details = await refusal(stub.ModelInfer(tensors("x" * 10_001), timeout=PATIENCE))
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        [violation] = details["BadRequest"].field_violations  # type: ignore[attr-defined]
        assert violation.field == 'inputs["text_input"][0]'


async def test_the_error_of_a_streamed_inference_has_its_id_and_is_its_last_answer(rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        stub: Any = inference_pb2_grpc.GRPCInferenceServiceStub(served.channel)
        wrong = tensors("a", id="wrong", model_name="none")
        got = [answer async for answer in stub.ModelStreamInfer(iter([wrong, tensors("a", id="right")]))]
        by_id = {answer.infer_response.id: answer for answer in got}
        assert by_id["wrong"].error_message.startswith("NOT_FOUND: model_name: no model 'none' is served here")
        assert by_id["wrong"].infer_response.parameters["triton_final_response"].bool_param
        assert not by_id["right"].error_message


async def test_the_id_of_a_streamed_inference_is_short(rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        stub: Any = inference_pb2_grpc.GRPCInferenceServiceStub(served.channel)
        requests = [tensors("a", id="x" * number) for number in (256, 257)]
        errors = {len(one.infer_response.id): one.error_message async for one in stub.ModelStreamInfer(iter(requests))}
        assert errors == {256: "", 257: "INVALID_ARGUMENT: id: at most 256 characters expected, got 257"}


async def test_get_model_describes_one_model_as_list_models_does(model_repository: Path) -> None:
    async with serving(model_repository) as served:
        listed = (await served.stub.ListModels(pb.ListModelsRequest())).models
        for model in listed:
            assert (await served.stub.GetModel(pb.GetModelRequest(name=model.name))).model == model
        assert (await served.stub.GetModel(pb.GetModelRequest())).model == listed[0]
        code, message, _ = await refusal(served.stub.GetModel(pb.GetModelRequest(name="none")))
        assert code == grpc.StatusCode.NOT_FOUND
        assert "no model 'none' is served here; served: " in message


async def test_nothing_is_left_of_streams_that_were_cancelled_at_any_moment(rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        await answers(served, one("1", SENTENCES[0]))
        assert await eventually_free(served)
        num_tasks = len(asyncio.all_tasks())

        async def leave(number: int) -> None:
            call = served.stub.TranslateStream(timeout=PATIENCE)
            for at in range(number % 7):
                await call.write(one(str(at), SENTENCES[at], streams_text=at % 2 == 0))
            for _ in range(number % 3):
                if number % 7:
                    await call.read()
            call.cancel()

        for first in range(0, 120, 20):
            await asyncio.gather(*(leave(number) for number in range(first, first + 20)))
        assert await eventually_free(served)

        async def are_gone() -> bool:
            return len(asyncio.all_tasks()) <= num_tasks

        await eventually(are_gone)
        assert not served.app._calls._num_running
        assert len(await answers(served, *(one(str(at), SENTENCES[at]) for at in range(9)))) == 9

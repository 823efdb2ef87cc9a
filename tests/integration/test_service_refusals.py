"""What the service refuses or gives up, with which status, message and details, and what becomes of the others."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo

from server.backend import Backend
from server.pb import translation_pb2 as pb
from tests.fakes import PATIENCE
from tests.integration.served import DEFAULT_MODEL, Served, refusal, request, serving
from tests.small_models import MAX_OUTPUT_TOKENS, MAX_SOURCE_TOKENS, SENTENCES

OVERLONG_SENTENCE = " ".join(["the cat sleeps on the warm roof of the car and"] * 8)


@pytest.fixture
async def served(model_repository: Path) -> AsyncIterator[Served]:
    async with serving(model_repository, max_contents=3, max_content_characters=500) as server:
        yield server


BAD_REQUESTS = [
    (request(), "contents", "1 to 3 expected, got 0"),
    (request(*"abcd"), "contents", "1 to 3 expected, got 4"),
    (request("one", ""), "contents[1]", "a text that is not blank expected, got ''"),
    (request("\u200b"), "contents[0]", "a text that has something to translate expected, got '\\u200b'"),
    (request("x" * 501), "contents[0]", "at most 500 characters expected, got 501"),
    (
        request(SENTENCES[0], OVERLONG_SENTENCE),
        "contents[1]",
        f"sentences of at most {MAX_SOURCE_TOKENS} tokens expected, got one of ",
    ),
    (
        request("a", max_output_tokens=-1),
        "decoding.max_output_tokens",
        f"1 to {MAX_OUTPUT_TOKENS} expected, or 0 for the server's own, got -1",
    ),
    (
        request("a", max_output_tokens=MAX_OUTPUT_TOKENS + 1),
        "decoding.max_output_tokens",
        f"1 to {MAX_OUTPUT_TOKENS} expected, or 0 for the server's own, got {MAX_OUTPUT_TOKENS + 1}",
    ),
    (
        request("a", source_language_code="de"),
        "source_language_code",
        "the language pairs served here are en-fr, got 'de'",
    ),
    (
        request("a", source_language_code="d" * 9000),
        "source_language_code",
        f"the language pairs served here are en-fr, got '{'d' * 50}…'",
    ),
    (
        request("a", model=DEFAULT_MODEL, target_language_code="de"),
        "target_language_code",
        f"model '{DEFAULT_MODEL}' serves en-fr, got 'de'",
    ),
]


async def test_a_text_given_for_a_model_s_name_is_not_found(served: Served) -> None:
    code, message, _ = await refusal(served.translate("a", model="x" * 9000))
    assert code == grpc.StatusCode.NOT_FOUND
    assert message.startswith(f"model: no model '{'x' * 50}…' is served here; served: ")


async def test_contents_within_the_limits_are_not_too_large_for_grpc(model_repository: Path) -> None:
    """5 MB, of characters of four bytes, where gRPC's own limit would be 4 MB; refused for what they are."""
    async with serving(model_repository) as served:
        bad = request(*["\U0001f600" * 10_000] * 127, "")
        code, message, _ = await refusal(served.stub.Translate(bad, timeout=PATIENCE))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith("contents[127]: a text that is not blank expected")


@pytest.mark.parametrize("method", ["Translate", "StreamTranslate"])
@pytest.mark.parametrize(("bad", "field", "problem"), BAD_REQUESTS)
async def test_what_is_wrong_with_a_request_is_named_by_field_limit_and_value(
    served: Served, method: str, bad: pb.TranslateRequest, field: str, problem: str
) -> None:
    code, message, details = await refusal(answer(served, method, bad))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith(f"{field}: {problem}")
    bad_request = details["BadRequest"]
    assert isinstance(bad_request, BadRequest)
    [violation] = bad_request.field_violations
    assert (violation.field, f"{violation.field}: {violation.description}") == (field, message)


async def answer(served: Served, method: str, message: pb.TranslateRequest) -> Any:
    call = getattr(served.stub, method)(message, timeout=PATIENCE)
    return await call if method == "Translate" else [response async for response in call]


@pytest.mark.parametrize("method", ["Translate", "StreamTranslate"])
async def test_an_unknown_model_is_not_found_and_the_served_ones_are_named(served: Served, method: str) -> None:
    code, message, details = await refusal(answer(served, method, request("a", model="babel")))
    assert code == grpc.StatusCode.NOT_FOUND
    assert message.startswith(f"model: no model 'babel' is served here; served: {DEFAULT_MODEL}, ")
    assert details["ErrorInfo"] == ErrorInfo(reason="UNKNOWN_MODEL", domain="seq2serve")


async def test_a_message_beyond_the_transport_s_limit_is_refused(served: Served) -> None:
    code, _, _ = await refusal(served.translate("x" * 5_000_000))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_refused_request_leaves_nothing_in_the_engine(served: Served) -> None:
    await refusal(served.translate(SENTENCES[0], ""))
    await served.translate(SENTENCES[0])
    assert await served.metric("seq2serve_rows_joined_total", model=DEFAULT_MODEL) == 1


async def test_an_overloaded_server_refuses_at_once_and_finishes_what_it_took(model_repository: Path) -> None:
    async with serving(model_repository, gated=True, max_rows=1, max_waiting=2) as served:
        running = asyncio.ensure_future(served.translate(SENTENCES[0]))
        await served.held()
        calls = [asyncio.ensure_future(served.translate(text)) for text in SENTENCES[1:6]]
        refused = await first_done(calls, 3)
        for call in refused:
            code, message, details = await refusal(call)
            assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert message == "queue is full: 2 sentences wait, 1 more would exceed the limit of 2"
            assert details["RetryInfo"] == RetryInfo(retry_delay=Duration(seconds=1))
        served.gate.open()
        for call in {running, *calls} - refused:
            [translation] = (await call).translations
            assert translation.translated_text


async def first_done(calls: Sequence[asyncio.Future[Any]], number: int) -> set[asyncio.Future[Any]]:
    done: set[asyncio.Future[Any]] = set()
    pending = set(calls)
    while len(done) < number:
        ended, pending = await asyncio.wait(pending, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        assert ended, "too few have ended"
        done |= ended
    assert len(done) == number
    return done


async def test_a_request_that_is_larger_than_the_queue_is_refused_as_a_whole(model_repository: Path) -> None:
    async with serving(model_repository, max_waiting=2) as served:
        code, message, _ = await refusal(served.translate(*SENTENCES[:3]))
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert message == "contents: at most 2 segments of the model's length expected, got 3 in the first 3 contents"
        assert len((await served.translate(*SENTENCES[:2])).translations) == 2


@pytest.mark.parametrize("method", ["Translate", "StreamTranslate"])
async def test_a_client_that_goes_away_frees_its_rows(model_repository: Path, method: str) -> None:
    async with serving(model_repository, gated=True) as served:
        call = asyncio.ensure_future(answer(served, method, request(*SENTENCES[:2])))
        await served.held()
        call.cancel()
        await served.wait_for_metric(1, "grpc_server_handled_total", grpc_method=method, grpc_code="Canceled")
        served.gate.open()
        await served.wait_for_metric(2, "seq2serve_rows_left_total", model=DEFAULT_MODEL)
        await served.wait_for_metric(0, "seq2serve_active_rows", model=DEFAULT_MODEL)
        written = await served.metric("seq2serve_tokens_total", model=DEFAULT_MODEL, direction="output")
        assert written == 2, "one step, in which both were when the client left"


@pytest.mark.parametrize("method", ["Translate", "StreamTranslate"])
async def test_a_deadline_that_passes_frees_the_row_and_is_answered_as_such(
    model_repository: Path, method: str
) -> None:
    async with serving(model_repository, gated=True) as served:
        call = getattr(served.stub, method)(request(SENTENCES[0]), timeout=0.3)
        assert await call.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        await served.wait_for_metric(1, "grpc_server_handled_total", grpc_method=method, grpc_code="DeadlineExceeded")
        labels = {"model": DEFAULT_MODEL, "outcome": "deadline_exceeded"}
        assert await served.metric("seq2serve_request_seconds_count", **labels) == 1
        served.gate.open()
        neighbour = await served.translate(SENTENCES[1])
        assert neighbour.translations[0].translated_text
        await served.wait_for_metric(0, "seq2serve_active_rows", model=DEFAULT_MODEL)
        written = await served.metric("seq2serve_tokens_total", model=DEFAULT_MODEL, direction="output")
        assert written <= neighbour.translations[0].output_token_count + 2


async def test_a_broken_decode_loop_hides_its_inside_and_ends_the_process(
    model_repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Backend):
        def warm_up(self, source: list[int]) -> None:
            pass

        def step(self, num_rows: int) -> None:
            raise RuntimeError("secret of the backend")

    async with serving(model_repository, open_backend=Broken) as served:
        metadata = (("x-request-id", "of mine"),)
        code, message, details = await refusal(served.stub.Translate(request(SENTENCES[0]), metadata=metadata))
        assert (code, message) == (grpc.StatusCode.INTERNAL, "decoding failed")
        assert details == {"RequestInfo": RequestInfo(request_id="of mine")}
        await asyncio.wait_for(served.app.wait(), PATIENCE)
        code, message, details = await refusal(served.translate(SENTENCES[0]))
        assert (code, message) == (grpc.StatusCode.UNAVAILABLE, "the server is shutting down")
        assert "RetryInfo" in details
        assert not await served.stop(), "it has to be told that it failed"
    assert "secret of the backend" in caplog.text

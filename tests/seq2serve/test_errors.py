"""What both clients raise, and what they mend by themselves."""

import asyncio
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from seq2serve import (
    DeadlineExceeded,
    FieldViolation,
    Internal,
    InvalidRequest,
    Overloaded,
    TranslationError,
    Unavailable,
    UnknownModel,
)
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.serving.app import SERVICE
from server.serving.metrics import Metrics
from server.serving.requests.admission import Admission
from server.serving.rpc.calls import Calls
from tests.fakes import PATIENCE
from tests.integration.served import serving
from tests.seq2serve.kinds import Awaiting, Blocking, Kind
from tests.small_models import SENTENCES

kinds = pytest.mark.parametrize("kind", [Blocking, Awaiting])


class Scripted(pb_grpc.TranslationServiceServicer):
    """Fails its first calls with the codes given, then answers with its own name."""

    def __init__(self, name: str, codes: list[grpc.StatusCode]) -> None:
        self._name = name
        self._codes = codes
        self.num_calls = 0

    async def Translate(self, request: pb.TranslateRequest, context: Any) -> pb.TranslateResponse:
        self.num_calls += 1
        if self._codes:
            await context.abort(self._codes.pop(0), "as the test says")
        return pb.TranslateResponse(translations=[pb.Translation(translated_text=self._name)])


@asynccontextmanager
async def scripted(name: str = "", *codes: grpc.StatusCode) -> AsyncIterator[tuple[Scripted, str]]:
    """A service, surrounded as the server surrounds its own, and its address."""
    service = Scripted(name, list(codes))
    calls = Calls(Metrics(), Admission(max_calls=10, max_bytes=1_000_000), SERVICE, max_seconds=PATIENCE)
    pb_grpc.add_TranslationServiceServicer_to_server(service, cast(grpc.aio.Server, calls))
    server = grpc.aio.server(handlers=[calls])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield service, f"127.0.0.1:{port}"
    finally:
        await server.stop(PATIENCE)  # lets calls end


@kinds
@pytest.mark.parametrize("method", ["translate", "stream"])
async def test_a_wrong_request_names_its_fields_and_its_id(model_repository: Path, kind: Kind, method: str) -> None:
    async with serving(model_repository) as served, kind(served.address) as client:
        with pytest.raises(InvalidRequest) as raised:
            await getattr(client, method)(["a", " "])
    error = raised.value
    [violation] = error.field_violations
    assert violation == FieldViolation("contents[1]", "a text that is not blank expected, got ' '")
    assert error.message == f"{violation.field}: {violation.description}"
    assert error.request_id
    assert str(error) == f"INVALID_ARGUMENT: {error.message} (request id {error.request_id})"
    assert error.retry_after_seconds is None


@kinds
async def test_an_unknown_model_is_an_error_of_its_own(model_repository: Path, kind: Kind) -> None:
    async with serving(model_repository) as served, kind(served.address) as client:
        with pytest.raises(UnknownModel, match="no model 'babel' is served here"):
            await client.translate("a", model="babel")


@kinds
async def test_an_overloaded_server_says_when_to_try_again(model_repository: Path, kind: Kind) -> None:
    async with (
        serving(model_repository, gated=True, max_rows=1, max_waiting=1) as served,
        kind(served.address) as client,
    ):
        running = asyncio.ensure_future(client.translate(SENTENCES[0]))
        await served.held()
        calls = [asyncio.ensure_future(client.translate(text)) for text in SENTENCES[1:4]]
        [refused, *_], _ = await asyncio.wait(calls, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        with pytest.raises(Overloaded) as raised:
            await refused
        served.gate.open()
        assert (await running).translated_text
        await asyncio.gather(*calls, return_exceptions=True)
    assert raised.value.retry_after_seconds == 1


@kinds
@pytest.mark.parametrize("method", ["translate", "stream"])
async def test_a_call_ends_at_its_own_timeout_or_else_at_the_client_s(
    model_repository: Path, kind: Kind, method: str
) -> None:
    async with serving(model_repository, gated=True) as served, asyncio.timeout(PATIENCE):
        async with kind(served.address, timeout=0.2) as client:
            with pytest.raises(DeadlineExceeded):
                await getattr(client, method)(SENTENCES[0])
        async with kind(served.address) as client:
            with pytest.raises(DeadlineExceeded):
                await getattr(client, method)(SENTENCES[0], timeout=0.2)


@kinds
async def test_a_server_that_is_not_there_is_unavailable(kind: Kind) -> None:
    async with kind("127.0.0.1:1") as client:
        with pytest.raises(Unavailable) as raised:
            await client.translate("a")
    assert raised.value.request_id == ""


@kinds
async def test_a_server_s_own_failure_is_internal_with_the_id_that_its_log_has(kind: Kind) -> None:
    async with scripted("", grpc.StatusCode.INTERNAL) as (_, address), kind(address) as client:
        with pytest.raises(Internal, match="INTERNAL: as the test says"):
            await client.translate("a")


@kinds
async def test_a_status_that_the_service_does_not_have_is_the_base_of_all_errors(kind: Kind) -> None:
    async with scripted("", grpc.StatusCode.DATA_LOSS) as (_, address), kind(address) as client:
        with pytest.raises(TranslationError) as raised:
            await client.translate("a")
    assert (type(raised.value), raised.value.code) == (TranslationError, grpc.StatusCode.DATA_LOSS)


@kinds
async def test_what_is_unavailable_for_a_moment_is_tried_again_and_nothing_else_is(kind: Kind) -> None:
    unavailable, exhausted = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED
    async with scripted("answer", unavailable, unavailable) as (service, address), kind(address) as client:
        assert (await client.translate("a")).translated_text == "answer"
        assert service.num_calls == 3
    async with scripted("answer", exhausted) as (service, address), kind(address) as client:
        with pytest.raises(Overloaded):
            await client.translate("a")
        assert service.num_calls == 1


@kinds
async def test_calls_are_spread_over_all_servers_and_go_on_when_one_leaves(kind: Kind) -> None:
    async with scripted("first") as (first, first_address):
        async with scripted("second") as (second, second_address):
            client = kind(f"{first_address},{second_address}")
            async with asyncio.timeout(PATIENCE):  # connections are made one after the other
                while not (first.num_calls and second.num_calls):
                    await client.translate("a")
        async with client:
            answers = [await client.translate("a") for _ in range(20)]
    assert {answer.translated_text for answer in answers} == {"first"}


def test_an_error_goes_from_process_to_process() -> None:
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    error = Overloaded(code, "full", "abc", 1.5, (FieldViolation("contents", "many"),))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is Overloaded
    assert vars(copy) == vars(error)
    assert str(copy) == "RESOURCE_EXHAUSTED: full (request id abc)"

"""What both clients raise, and what they mend by themselves."""

import asyncio
import pickle
import time
from pathlib import Path

import grpc
import pytest

from seq2serve import (
    DeadlineExceeded,
    FieldViolation,
    Internal,
    InvalidRequest,
    Overloaded,
    PermissionDenied,
    TranslationError,
    Unauthenticated,
    Unavailable,
    UnknownModel,
)
from server import errors
from tests.fakes import PATIENCE
from tests.integration.keyed import KEYS, key, write_keys
from tests.integration.served import serving
from tests.seq2serve.kinds import Awaiting, Blocking, Kind
from tests.seq2serve.scripted import scripted
from tests.small_models import SENTENCES

NAMES = {"translate": "Translate", "stream": "StreamTranslate"}

kinds = pytest.mark.parametrize("kind", [Blocking, Awaiting])


@kinds
@pytest.mark.parametrize("method", ["translate", "stream"])
async def test_a_wrong_request_names_its_fields_and_its_id(rnn_repository: Path, kind: Kind, method: str) -> None:
    async with serving(rnn_repository) as served, kind(served.address) as client:
        with pytest.raises(InvalidRequest) as raised:
            await getattr(client, method)(["a", "x" * 10_001])
    error = raised.value
    [violation] = error.field_violations
    assert violation == FieldViolation("contents[1]", "at most 10000 characters expected, got 10001")
    assert error.message == f"{violation.field}: {violation.description}"
    assert error.field == "contents[1]"
    assert error.request_id
    assert str(error) == f"INVALID_ARGUMENT: {error.message} (request id {error.request_id})"
    assert error.retry_after is None


@kinds
async def test_an_unknown_model_is_an_error_of_its_own(rnn_repository: Path, kind: Kind) -> None:
    async with serving(rnn_repository) as served, kind(served.address) as client:
        with pytest.raises(UnknownModel, match="no model 'babel' is served here"):
            await client.translate("a", model="babel")


@kinds
async def test_a_missing_key_and_one_that_may_not_are_told_apart(
    rnn_repository: Path, kind: Kind, tmp_path: Path
) -> None:
    keys = write_keys(tmp_path, key("reader"))
    async with serving(rnn_repository, keys=keys) as served:
        async with kind(served.address) as client:
            with pytest.raises(Unauthenticated, match="key"):
                await client.translate("a")
        async with kind(served.address, api_key=KEYS["reader"]) as client:
            with pytest.raises(PermissionDenied, match="translate"):
                await client.translate("a")


@kinds
async def test_an_overloaded_server_says_when_to_try_again(rnn_repository: Path, kind: Kind) -> None:
    async with (
        serving(rnn_repository, gated=True, max_rows=1, max_waiting=1) as served,
        kind(served.address, retries=False) as client,
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
    assert raised.value.retry_after == 1


@kinds
@pytest.mark.parametrize("method", ["translate", "stream"])
async def test_a_call_ends_at_its_own_timeout_or_else_at_the_client_s(
    rnn_repository: Path, kind: Kind, method: str
) -> None:
    async with serving(rnn_repository, gated=True) as served, asyncio.timeout(PATIENCE):
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
@pytest.mark.parametrize("method", ["translate", "stream"])
async def test_an_overloaded_server_is_asked_again_when_it_says(kind: Kind, method: str) -> None:
    full = [errors.Overloaded("full", retry_seconds=0.1) for _ in range(2)]
    async with scripted("answer", *full) as (service, address), kind(address) as client:
        started = time.monotonic()
        assert await getattr(client, method)("a")
        assert 0.2 <= time.monotonic() - started < PATIENCE / 2
        assert service.num_calls == 3


@kinds
async def test_nobody_waits_for_a_server_until_after_the_deadline(kind: Kind) -> None:
    full = errors.Overloaded("full", retry_seconds=PATIENCE)
    async with scripted("answer", full) as (service, address), kind(address, timeout=PATIENCE) as client:
        with pytest.raises(Overloaded) as raised:
            await client.translate("a")
        assert raised.value.retry_after == PATIENCE
        assert service.num_calls == 1


@kinds
@pytest.mark.parametrize("refusal", [grpc.StatusCode.UNAVAILABLE, errors.Overloaded("full", retry_seconds=0.01)])
async def test_retries_can_be_turned_off(kind: Kind, refusal: grpc.StatusCode | Exception) -> None:
    async with scripted("answer", refusal) as (service, address), kind(address, retries=False) as client:
        with pytest.raises((Overloaded, Unavailable)):
            await client.translate("a")
        assert service.num_calls == 1


@kinds
@pytest.mark.parametrize("method", ["translate", "stream"])
async def test_a_call_whose_client_is_closed_is_cancelled(rnn_repository: Path, kind: Kind, method: str) -> None:
    async with serving(rnn_repository, gated=True) as served, asyncio.timeout(PATIENCE):
        client = kind(served.address)
        call = asyncio.ensure_future(getattr(client, method)(SENTENCES[0]))
        await served.held()
        await client.close()
        with pytest.raises(TranslationError) as raised:
            await call
        assert raised.value.code is grpc.StatusCode.CANCELLED
        served.gate.open()


@kinds
async def test_a_client_that_is_closed_says_so(kind: Kind) -> None:
    async with scripted("answer") as (_, address):
        client = kind(address)
        await client.translate("a")
        await client.close()
        for call in (client.translate("a"), client.stream("a"), client.list_models(), client.score([("a", "b")])):
            with pytest.raises(TranslationError, match=r"^CANCELLED: the client is closed$") as raised:
                await call
            assert raised.value.code is grpc.StatusCode.CANCELLED
        await client.close()


@pytest.mark.parametrize("method", ["translate", "stream"])
async def test_a_task_that_is_cancelled_cancels_its_calls_and_is_cancelled(rnn_repository: Path, method: str) -> None:
    async with (
        serving(rnn_repository, gated=True, max_contents=2) as served,
        Awaiting(served.address) as client,
    ):
        call = asyncio.ensure_future(getattr(client, method)(SENTENCES[:3]))
        await served.held()
        await served.wait_for_metric(
            2 if method == "translate" else 1, "grpc_server_started_total", grpc_method=NAMES[method]
        )
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await served.wait_for_metric(
            2 if method == "translate" else 1, "grpc_server_handled_total", grpc_code="Canceled"
        )


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

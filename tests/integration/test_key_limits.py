"""Limits of a key, on real sockets: calls at a time, source tokens a second, and one share for all connections."""

import asyncio
import re
import shutil
from pathlib import Path
from typing import Any

import grpc
import pytest

from seq2serve.pb import translation_pb2 as pb
from server.serving.access import watched
from server.serving.protocols.pb import translation_service_pb2 as google_pb2
from server.serving.protocols.pb import translation_service_pb2_grpc as google_pb2_grpc
from tests.fakes import PATIENCE
from tests.integration.keyed import bearer, key, reason_of, retry_seconds, write_keys
from tests.integration.served import DEFAULT_MODEL, eventually, refusal, request, serving
from tests.integration.shipped import one_model
from tests.integration.test_fair_shares import another_connection
from tests.small_models import SENTENCES


@pytest.fixture(autouse=True)
def quick_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "INTERVAL_SECONDS", 0.02)


@pytest.fixture
def model_repository(tmp_path: Path) -> Path:
    return one_model(tmp_path)


async def test_a_key_has_no_more_calls_running_than_its_limit(model_repository: Path, tmp_path: Path) -> None:
    setting = write_keys(tmp_path, key("translator", max_calls=2), key("other"))
    async with serving(model_repository, keys=setting, gated=True) as served:

        def call(name: str) -> Any:
            return served.stub.Translate(request(SENTENCES[0]), metadata=bearer(name), timeout=PATIENCE)

        running = [call("translator"), call("translator")]
        await served.wait_for_metric(2, "seq2serve_key_running_calls", key="translator")
        code, message, details = await refusal(call("translator"))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert message == "key translator has 2 calls running, which is its limit"
        assert reason_of(details) == "TOO_MANY_CALLS"
        assert retry_seconds(details) > 0
        beside = call("other")
        served.gate.open()
        await asyncio.gather(*running, beside)
        await served.wait_for_metric(0, "seq2serve_key_running_calls")
        await call("translator")
        await served.wait_for_metric(3, "seq2serve_key_calls_total", key="translator")
        assert await served.metric("seq2serve_refused_calls_total", reason="too_many_calls") == 1


async def test_calls_that_end_in_any_way_leave_their_place(model_repository: Path, tmp_path: Path) -> None:
    setting = write_keys(tmp_path, key("translator", max_calls=1))
    async with serving(model_repository, keys=setting, gated=True) as served:
        metadata = bearer("translator")
        cancelled = served.stub.Translate(request(SENTENCES[0]), metadata=metadata, timeout=PATIENCE)
        await served.held()
        cancelled.cancel()
        await served.wait_for_metric(0, "seq2serve_key_running_calls")
        for wrong in (request("a", model="none"), request(*["a"] * 1000)):
            code, _, _ = await refusal(served.stub.Translate(wrong, metadata=metadata, timeout=PATIENCE))
            assert code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)
            await served.wait_for_metric(0, "seq2serve_key_running_calls")
        code, _, _ = await refusal(served.stub.Translate(request(SENTENCES[0]), metadata=metadata, timeout=0.05))
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        await served.wait_for_metric(0, "seq2serve_key_running_calls")


async def test_a_key_has_no_more_source_tokens_than_its_rate(model_repository: Path, tmp_path: Path) -> None:
    limited = key("translator", source_tokens_per_second=1, burst_source_tokens=30)
    async with serving(model_repository, keys=write_keys(tmp_path, limited, key("other"))) as served:

        def call(name: str, *contents: str) -> Any:
            return served.stub.Translate(request(*contents), metadata=bearer(name), timeout=PATIENCE)

        await call("translator", *[SENTENCES[0]] * 10)  # more than the burst, and it was full
        used = await served.metric("seq2serve_key_source_tokens_total", key="translator")
        assert used > 30
        for _ in range(3):
            code, message, details = await refusal(call("translator", SENTENCES[0]))
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            expected = "key translator may have 1 source tokens a second, and 0 now: 1 are asked for"
            assert message == expected
            assert reason_of(details) == "RATE_LIMITED"
            assert used - 30 - 10 < retry_seconds(details) <= used - 30 + 1  # of the 1 token that is asked for first
        await call("other", *[SENTENCES[0]] * 10)
        assert await served.metric("seq2serve_key_source_tokens_total", key="translator") == used
        await served.wait_for_metric(3, "seq2serve_refused_calls_total", reason="rate_limited")


async def test_a_request_beyond_what_is_left_is_refused_and_a_smaller_one_is_not(
    model_repository: Path, tmp_path: Path
) -> None:
    limited = key("translator", source_tokens_per_second=1, burst_source_tokens=60)
    async with serving(model_repository, keys=write_keys(tmp_path, limited)) as served:

        def call(*contents: str) -> Any:
            return served.stub.Translate(request(*contents), metadata=bearer("translator"), timeout=PATIENCE)

        await call(*[SENTENCES[0]] * 3)
        used = await served.metric("seq2serve_key_source_tokens_total", key="translator")
        assert used < 45
        code, message, details = await refusal(call(*[SENTENCES[0]] * 10))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        left = int(60 - used)
        assert re.fullmatch(rf"key .*, and ({left}|{left + 1}|{left + 2}) now: \d+ are asked for", message)
        assert reason_of(details) == "RATE_LIMITED"
        assert used - 10 < retry_seconds(details) <= used
        await call(SENTENCES[0])


async def test_what_costs_more_is_charged_as_more(model_repository: Path, tmp_path: Path) -> None:
    limited = key("translator", source_tokens_per_second=1, burst_source_tokens=10_000)
    async with serving(model_repository, keys=write_keys(tmp_path, limited, key("scorer"))) as served:

        async def charged(name: str, method: Any, wanted: Any) -> float:
            before = await served.metric("seq2serve_key_source_tokens_total", key=name)
            await method(wanted, metadata=bearer(name), timeout=PATIENCE)
            return await served.metric("seq2serve_key_source_tokens_total", key=name) - before

        async def translating(**options: Any) -> float:
            return await charged("translator", served.stub.Translate, request(SENTENCES[0], decoding=options))

        greedy = await translating()
        assert 1 < greedy < 30
        assert await translating(beam_size=4) == 4 * greedy
        assert await translating(num_hypotheses=3, temperature=1.0) == 3 * greedy
        assert await translating(min_output_tokens=30, max_output_tokens=40) == 30
        long = pb.ScoredPair(content="a", translated_text=" ".join([SENTENCES[0].rstrip(".")] * 2))
        assert await charged("scorer", served.stub.Score, pb.ScoreRequest(pairs=[long])) > greedy


async def test_a_call_with_a_glossary_is_charged_once_for_both_translations(
    model_repository: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(model_repository, copy)
    folder = copy / DEFAULT_MODEL / "glossaries"
    folder.mkdir()
    (folder / "animals.tsv").write_text("cat\tmatou\n")
    wanted = google_pb2.TranslateTextRequest(
        contents=[SENTENCES[0]], target_language_code="fr", glossary_config={"glossary": "animals"}
    )
    limited = key("translator", source_tokens_per_second=1, burst_source_tokens=20)
    async with serving(copy, keys=write_keys(tmp_path, limited)) as served:
        google = google_pb2_grpc.TranslationServiceStub(served.channel)
        answer = await google.TranslateText(wanted, metadata=bearer("translator"), timeout=PATIENCE)
        assert len(answer.translations) == len(answer.glossary_translations) == 1
        used = await served.metric("seq2serve_key_source_tokens_total", key="translator")
        assert used > 20, "one of them alone is more than half the burst"
        assert await served.metric("seq2serve_requests_total", outcome="ok") == 1


async def test_limits_change_without_a_restart_and_what_was_used_stays_used(
    model_repository: Path, tmp_path: Path
) -> None:
    limited = key("translator", source_tokens_per_second=1, burst_source_tokens=10)
    async with serving(model_repository, keys=write_keys(tmp_path, limited)) as served:

        async def is_refused() -> bool:
            call = served.stub.Translate(request(SENTENCES[0]), metadata=bearer("translator"), timeout=PATIENCE)
            code: grpc.StatusCode = await call.code()
            assert code in (grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED)
            return code is not grpc.StatusCode.OK

        await eventually(is_refused)
        write_keys(tmp_path, key("translator", source_tokens_per_second=2, burst_source_tokens=10))
        await asyncio.sleep(0.1)
        assert await is_refused()
        write_keys(tmp_path, key("translator"))

        async def is_free() -> bool:
            return not await is_refused()

        await eventually(is_free)


@pytest.mark.parametrize("has_keys", [True, False])
async def test_connections_of_one_key_have_one_share(model_repository: Path, tmp_path: Path, has_keys: bool) -> None:
    keys = write_keys(tmp_path, key("translator"), key("other")) if has_keys else ""
    async with (
        serving(model_repository, keys=keys, max_calls=10, gated=True) as served,
        another_connection(served) as another,
    ):

        def call(stub: Any, name: str) -> Any:
            return stub.Translate(request(SENTENCES[0]), metadata=bearer(name), timeout=PATIENCE)

        calls = [call(stub, "translator") for stub in [served.stub, another] * 4]
        await served.wait_for_metric(8, "grpc_server_started_total", grpc_method="Translate")
        await asyncio.sleep(0.2)  # in which their messages come
        ninth = call(another, "translator")
        if has_keys:
            code, message, _ = await refusal(ninth)
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert message.startswith("this caller has 8 calls running")
            ninth = call(another, "other")
        calls.append(ninth)
        served.gate.open()
        await asyncio.gather(*calls)


async def test_series_of_keys_are_those_of_the_file(model_repository: Path, tmp_path: Path) -> None:
    async with serving(model_repository, keys=write_keys(tmp_path, key("translator"), key("reader"))) as served:
        await served.stub.Translate(request("a"), metadata=bearer("translator"), timeout=PATIENCE)
        await served.wait_for_metric(1, "seq2serve_key_calls_total")
        write_keys(tmp_path, key("other"))
        await served.wait_for_metric(0, "seq2serve_key_calls_total")

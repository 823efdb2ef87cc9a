"""Keys, roles and limits, on real sockets: who is let in, and with which status the others are not."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc

from seq2serve import AsyncClient
from seq2serve.pb import translation_pb2 as pb
from server.keys.key_file import ADMIN, READ, SCORE, TRANSLATE, Key, KeyFileError, digest, new_key, table_of
from server.serving.access import watched
from server.serving.app import SERVICE
from tests.fakes import PATIENCE
from tests.integration.served import Served, eventually, refusal, request, serving
from tests.integration.shipped import one_model
from tests.integration.test_fair_shares import another_connection
from tests.integration.test_reflection import call_by_reflection
from tests.small_models import SENTENCES

KEYS = {name: new_key() for name in ("translator", "scorer", "reader", "admin", "other")}
PAIR = {"content": "a", "translated_text": "b"}
ROLES = {"translator": [TRANSLATE], "scorer": [SCORE], "reader": [READ], "admin": [ADMIN], "other": [TRANSLATE]}


@pytest.fixture(autouse=True)
def quick_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "INTERVAL_SECONDS", 0.02)


def key(name: str, **fields: Any) -> Key:
    return Key(name=name, sha256=digest(KEYS[name]), roles=frozenset(ROLES[name]), **fields)


def write_keys(path: Path, *keys: Key) -> str:
    """Replace the file of keys. Returns the setting."""
    file = path / "keys.toml"
    file.write_text("\n".join(map(table_of, keys)), encoding="utf-8")
    return str(file)


def bearer(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {KEYS[name]}"),)


async def rest(call: Any) -> list[Any]:
    return [message async for message in call]


async def plain(served: Served, method: str, metadata: Any) -> bytes:
    call: Any = served.channel.unary_unary(method)
    answer: bytes = await call(b"", metadata=metadata, timeout=PATIENCE)
    return answer


Calling = Callable[[Served, Any], Awaitable[Any]]

METHODS: dict[str, tuple[str, Calling]] = {
    "Translate": (TRANSLATE, lambda s, m: s.stub.Translate(request("a"), metadata=m, timeout=PATIENCE)),
    "StreamTranslate": (
        TRANSLATE,
        lambda s, m: rest(s.stub.StreamTranslate(request("a"), metadata=m, timeout=PATIENCE)),
    ),
    "Score": (
        SCORE,
        lambda s, m: s.stub.Score(pb.ScoreRequest(pairs=[pb.ScoredPair(**PAIR)]), metadata=m, timeout=PATIENCE),
    ),
    "ListModels": (READ, lambda s, m: s.stub.ListModels(pb.ListModelsRequest(), metadata=m, timeout=PATIENCE)),
    "Unknown": (
        ADMIN,
        lambda s, m: plain(s, f"/{SERVICE}/Unknown", m),
    ),
    "Load": (
        ADMIN,
        lambda s, m: plain(s, "/inference.GRPCInferenceService/RepositoryModelLoad", m),
    ),
}


@pytest.fixture
def model_repository(tmp_path: Path) -> Path:
    return one_model(tmp_path)


async def test_every_method_needs_its_role_and_an_admin_has_all(model_repository: Path, tmp_path: Path) -> None:
    setting = write_keys(tmp_path, *map(key, KEYS))
    async with serving(model_repository, keys=setting) as served:
        for (method, (role, call)), name in itertools.product(METHODS.items(), KEYS):
            if role in ROLES[name] or name == "admin":
                if role == ADMIN:  # let in, though there is no such method
                    code, _, _ = await refusal(call(served, bearer(name)))
                    assert code is grpc.StatusCode.UNIMPLEMENTED
                else:
                    await call(served, bearer(name))
                continue
            code, message, details = await refusal(call(served, bearer(name)))
            assert code is grpc.StatusCode.PERMISSION_DENIED, (method, name)
            assert message == f"key {name} does not have the role {role}, which this method needs"
            assert reason_of(details) == "ROLE_MISSING"


def reason_of(details: dict[str, Message]) -> str:
    info = details["ErrorInfo"]
    assert isinstance(info, ErrorInfo)
    return info.reason


def retry_seconds(details: dict[str, Message]) -> float:
    info = details["RetryInfo"]
    assert isinstance(info, RetryInfo)
    return info.retry_delay.ToTimedelta().total_seconds()


@pytest.mark.parametrize("method", METHODS)
async def test_without_a_known_key_no_method_answers(
    model_repository: Path, tmp_path: Path, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, call = METHODS[method]
    known, unknown = KEYS["admin"], new_key()
    wrong: list[Any] = [
        (),
        (("authorization", f"Bearer {unknown}"),),
        (("x-api-key", unknown),),
        (("x-api-key", known[:-1]),),
        (("x-api-key", known + "a"),),
        (("x-api-key", known.lower()),),
        (("x-api-key", digest(known).hex()),),
        (("x-api-key", ""),),
        (("x-api-key", "s2s_" + "x" * 5000),),
        (("authorization", known),),
        (("authorization", f"Basic {known}"),),
        (("authorization", "Bearer"),),
        (("authorization", "Bearer "),),
        (("cookie", known),),
        (("x-api-key", known), ("x-api-key", unknown)),
        (("x-api-key", known), ("x-api-key", known)),
        (("x-api-key", unknown), ("authorization", f"Bearer {known}")),
    ]
    caplog.set_level(logging.INFO)
    async with serving(model_repository, keys=write_keys(tmp_path, key("admin"))) as served:
        for metadata in wrong:
            code, message, details = await refusal(call(served, metadata))
            assert code is grpc.StatusCode.UNAUTHENTICATED, metadata
            assert reason_of(details) == "UNAUTHENTICATED"
            assert known not in message
            assert unknown not in message
        await served.wait_for_metric(len(wrong), "seq2serve_refused_calls_total", reason="unauthenticated")
    assert known not in caplog.text
    assert unknown not in caplog.text


@pytest.mark.parametrize(
    "metadata",
    [
        (("authorization", f"Bearer {KEYS['reader']}"),),
        (("authorization", f"bearer {KEYS['reader']}"),),
        (("authorization", f"BEARER  {KEYS['reader']} "),),
        (("x-api-key", KEYS["reader"]),),
        (("x-api-key", KEYS["reader"]), ("authorization", "Bearer somebody.elses.token")),
        (("authorization", "Basic abc"), ("authorization", f"Bearer {KEYS['reader']}")),
    ],
)
async def test_a_key_is_taken_from_either_header(model_repository: Path, tmp_path: Path, metadata: Any) -> None:
    async with serving(model_repository, keys=write_keys(tmp_path, key("reader"))) as served:
        await served.stub.ListModels(pb.ListModelsRequest(), metadata=metadata, timeout=PATIENCE)


async def test_our_client_sends_its_key(model_repository: Path, tmp_path: Path) -> None:
    async with serving(model_repository, keys=write_keys(tmp_path, key("translator"))) as served:
        async with AsyncClient(served.address, api_key=KEYS["translator"]) as client:
            assert (await client.translate(SENTENCES[0])).translated_text
        async with AsyncClient(served.address) as client:
            with pytest.raises(Exception, match="UNAUTHENTICATED: no key was sent; send a key as"):
                await client.translate(SENTENCES[0])


async def test_health_answers_without_a_key(model_repository: Path, tmp_path: Path) -> None:
    async with serving(model_repository, keys=write_keys(tmp_path)) as served:
        stub: Any = health_pb2_grpc.HealthStub(served.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service="model:rnn-en-fr"), timeout=PATIENCE)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watching = stub.Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
        watching.cancel()


async def test_reflection_needs_a_key(model_repository: Path, tmp_path: Path) -> None:
    async with serving(model_repository, keys=write_keys(tmp_path, key("reader"))) as served:
        with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"):
            await asyncio.to_thread(call_by_reflection, served.address, {"contents": [SENTENCES[0]]})


async def test_without_a_file_of_keys_nobody_is_asked_for_one(model_repository: Path) -> None:
    async with serving(model_repository) as served:
        await served.stub.Translate(request("a"), metadata=bearer("other"), timeout=PATIENCE)


async def test_a_file_that_cannot_be_used_stops_the_start(model_repository: Path, tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text("[web]")
    with pytest.raises(KeyFileError, match="web: sha256"):
        async with serving(model_repository, keys=str(tmp_path / "keys.toml")):
            pass
    with pytest.raises(FileNotFoundError):
        async with serving(model_repository, keys=str(tmp_path / "none.toml")):
            pass


async def lets_in(served: Served, name: str) -> bool:
    call = served.stub.Translate(request("a"), metadata=bearer(name), timeout=PATIENCE)
    code: grpc.StatusCode = await call.code()
    assert code in (grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
    return code is grpc.StatusCode.OK


async def test_keys_come_and_go_without_a_restart_and_what_runs_goes_on(model_repository: Path, tmp_path: Path) -> None:
    setting = write_keys(tmp_path, key("translator"))
    async with serving(model_repository, keys=setting, gated=True) as served:
        running = served.stub.Translate(request(SENTENCES[0]), metadata=bearer("translator"), timeout=PATIENCE)
        await served.held()
        write_keys(tmp_path, key("other"))
        served.gate.open()

        async def is_replaced() -> bool:
            return await lets_in(served, "other")

        await eventually(is_replaced)
        assert not await lets_in(served, "translator")
        assert (await running).translations


async def test_a_role_that_is_taken_away_is_gone(model_repository: Path, tmp_path: Path) -> None:
    async with serving(model_repository, keys=write_keys(tmp_path, key("translator"))) as served:
        assert await lets_in(served, "translator")
        write_keys(tmp_path, Key(name="translator", sha256=digest(KEYS["translator"]), roles=frozenset([READ])))

        async def is_taken() -> bool:
            return not await lets_in(served, "translator")

        await eventually(is_taken)
        await METHODS["ListModels"][1](served, bearer("translator"))


async def test_a_broken_file_is_refused_with_a_line_and_the_keys_stay(
    model_repository: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    setting = write_keys(tmp_path, key("translator"))
    successful = "seq2serve_last_reload_successful"
    async with serving(model_repository, keys=setting) as served:
        assert await served.metric(successful, files="keys") == 1
        Path(setting).write_text("[translator]\nroles = 3\n")
        await served.wait_for_metric(0, successful, files="keys")
        assert await lets_in(served, "translator")
        assert "keys: what was read before stays in force: " in caplog.text
        Path(setting).unlink()
        await asyncio.sleep(0.1)
        assert await lets_in(served, "translator")
        write_keys(tmp_path, key("other"))
        await served.wait_for_metric(1, successful, files="keys")
        assert await lets_in(served, "other")
        assert not await lets_in(served, "translator")


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
            assert message == "key translator has had the 1 source tokens a second that it may have"
            assert reason_of(details) == "RATE_LIMITED"
            assert used - 30 - 10 < retry_seconds(details) <= used - 30 + 1  # of the 1 token that is asked for first
        await call("other", *[SENTENCES[0]] * 10)
        assert await served.metric("seq2serve_key_source_tokens_total", key="translator") == used
        await served.wait_for_metric(3, "seq2serve_refused_calls_total", reason="rate_limited")


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

"""Keys, roles and limits, on real sockets: who is let in, and with which status the others are not."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from seq2serve import AsyncClient
from seq2serve.pb import operations_pb2, operations_pb2_grpc
from seq2serve.pb import translation_pb2 as pb
from server.keys.key_file import ADMIN, READ, SCORE, TRANSLATE, WATCH, Key, KeyFileError, digest, new_key
from server.serving.access import watched
from server.serving.app import SERVICE
from tests.fakes import PATIENCE
from tests.integration.keyed import KEYS, ROLES, bearer, key, reason_of, write_keys
from tests.integration.served import Served, eventually, refusal, request, serving
from tests.integration.shipped import one_model
from tests.integration.test_reflection import call_by_reflection
from tests.small_models import SENTENCES

PAIR = {"content": "a", "translated_text": "b"}


@pytest.fixture(autouse=True)
def quick_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "INTERVAL_SECONDS", 0.02)


async def rest(call: Any) -> list[Any]:
    return [message async for message in call]


async def plain(served: Served, method: str, metadata: Any) -> bytes:
    call: Any = served.channel.unary_unary(method)
    answer: bytes = await call(b"", metadata=metadata, timeout=PATIENCE)
    return answer


async def watch(served: Served, metadata: Any) -> Any:
    stub: Any = operations_pb2_grpc.OperationsServiceStub(served.channel)
    return await anext(aiter(stub.WatchBatches(operations_pb2.WatchBatchesRequest(), metadata=metadata)))


Calling = Callable[[Served, Any], Awaitable[Any]]

ANY = "any"
"""In place of a role: any key will do."""

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
    "WatchBatches": (WATCH, watch),
    "Unknown": (
        ANY,
        lambda s, m: plain(s, f"/{SERVICE}/Unknown", m),
    ),
    "Load": (
        ADMIN,
        lambda s, m: plain(s, "/inference.GRPCInferenceService/RepositoryModelLoad", m),
    ),
    "Reload": (
        ADMIN,
        lambda s, m: plain(s, "/model_admin.v1.ModelAdminService/ReloadModels", m),
    ),
}
LET_IN = {"Unknown": grpc.StatusCode.UNIMPLEMENTED, "Load": grpc.StatusCode.NOT_FOUND}
"""What those end with who may call, as there is no such method, or no model of no name."""


@pytest.fixture
def model_repository(tmp_path: Path) -> Path:
    return one_model(tmp_path)


async def test_every_method_needs_its_role_and_an_admin_has_all(model_repository: Path, tmp_path: Path) -> None:
    setting = write_keys(tmp_path, *map(key, KEYS))
    async with serving(model_repository, keys=setting) as served:
        for (method, (role, call)), name in itertools.product(METHODS.items(), KEYS):
            if role == ANY or role in ROLES[name] or name == "admin":
                if method in LET_IN:
                    code, _, _ = await refusal(call(served, bearer(name)))
                    assert code is LET_IN[method]
                else:
                    await call(served, bearer(name))
                continue
            code, message, details = await refusal(call(served, bearer(name)))
            assert code is grpc.StatusCode.PERMISSION_DENIED, (method, name)
            assert message == f"key {name} does not have the role {role}, which this method needs"
            assert reason_of(details) == "ROLE_MISSING"


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


async def exchanged(stream: Any, id_: str) -> str:
    """Send a request on a stream; returns the reason for which it is refused, or nothing."""
    await stream.write(pb.TranslateStreamRequest(id=id_, request=request("a")))
    answer = await stream.read()
    assert answer.id == id_
    reason: str = answer.error.reason
    return reason


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ([], "UNAUTHENTICATED"),
        ([Key(name="translator", sha256=digest(new_key()), roles=frozenset([TRANSLATE]))], "UNAUTHENTICATED"),
        ([Key(name="renamed", sha256=digest(KEYS["translator"]), roles=frozenset([TRANSLATE]))], "UNAUTHENTICATED"),
        ([Key(name="translator", sha256=digest(KEYS["translator"]), roles=frozenset([READ]))], "ROLE_MISSING"),
    ],
    ids=["gone", "replaced", "renamed", "without its role"],
)
async def test_what_is_taken_back_is_refused_to_streams_that_are_open(
    model_repository: Path, tmp_path: Path, tables: list[Key], reason: str
) -> None:
    async with serving(model_repository, keys=write_keys(tmp_path, key("translator"))) as served:
        stream = served.stub.TranslateStream(metadata=bearer("translator"), timeout=PATIENCE)
        assert await exchanged(stream, "first") == ""
        write_keys(tmp_path, *tables, key("other"))

        async def is_read() -> bool:
            return await lets_in(served, "other")

        await eventually(is_read)
        assert await exchanged(stream, "second") == reason  # though the cache has the answer
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF


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


async def test_a_key_that_stays_is_let_in_however_slowly_the_file_is_written(
    model_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interval = 0.1
    monkeypatch.setattr(watched, "INTERVAL_SECONDS", interval)
    tables = [key("reader"), key("translator"), key("other")]
    async with serving(model_repository, keys=write_keys(tmp_path, tables[1])) as served:
        for _ in range(5):
            for number in range(len(tables) + 1):
                write_keys(tmp_path, *tables[:number])
                await asyncio.sleep(0.8 * interval)
                assert await lets_in(served, "translator")
        await eventually(lambda: lets_in(served, "other"))


async def test_a_file_that_became_empty_takes_no_key_back(
    model_repository: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    successful = "seq2serve_last_reload_successful"
    async with serving(model_repository, keys=write_keys(tmp_path, key("translator"))) as served:
        setting = write_keys(tmp_path)
        await served.wait_for_metric(0, successful, files="keys")
        assert await lets_in(served, "translator")
        assert f"keys: what was read before stays in force: {setting}: a key expected, got none" in caplog.text
        write_keys(tmp_path, key("other"))
        await served.wait_for_metric(1, successful, files="keys")
        assert await lets_in(served, "other")
        assert not await lets_in(served, "translator")

"""Versions of models that come and go by calls, while clients call."""

import asyncio
import shutil
import threading
from collections import Counter
from pathlib import Path

import grpc
import pytest

from seq2serve.pb import model_admin_pb2 as admin_pb
from seq2serve.pb import translation_pb2 as pb
from server.bundle.manifest import Bundle
from server.decoding.graphs.backend import Backend, BackendOptions
from tests.conftest import SmallModels
from tests.fakes import PATIENCE
from tests.integration.served import eventually, refusal, serving
from tests.integration.versioned import (
    NAME,
    NOT_SERVING,
    SERVING,
    admin,
    health_of,
    is_health,
    is_refused,
    load,
    reload,
    say,
    unload,
    version_of,
)
from tests.reloading import Caller, read_texts
from tests.small_models import SENTENCES
from tests.versions import write_version


async def test_a_version_is_loaded_and_unloaded_by_a_call(repository: Path) -> None:
    async with serving(repository, default_model=NAME) as served:
        assert await version_of(served) == "1"
        assert await is_refused(served, model=f"{NAME}@2")
        assert await load(served, "2") == ["1", "2"]
        assert [await version_of(served, model) for model in (NAME, f"{NAME}@1", f"{NAME}@2")] == ["2", "1", "2"]
        await unload(served, "1")
        assert await version_of(served) == "2"
        assert await is_refused(served, model=f"{NAME}@1")


async def test_no_counter_falls_when_a_version_is_loaded_anew(
    repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with serving(repository, default_model=NAME) as served:
        await served.translate(*SENTENCES[:3])
        for number in (1, 2):
            glossary = repository / NAME / "glossaries" / f"{number}.tsv"
            glossary.parent.mkdir(exist_ok=True)
            glossary.write_text("zebra\tzèbre\n", encoding="utf-8")
            assert list((await reload(served)).loaded) == [f"{NAME}@1"]

            async def is_unloaded(times: int = number) -> bool:
                return caplog.text.count(f"{NAME}@1 is unloaded") == times

            await eventually(is_unloaded)
            await served.translate(SENTENCES[0])
            for name in ("seq2serve_rows_joined_total", "seq2serve_requests_total"):
                expected = 3 + number if name == "seq2serve_rows_joined_total" else 1 + number
                assert await served.metric(name, model=NAME, version="1") == expected


async def test_a_copied_folder_is_a_version(repository: Path) -> None:
    async with serving(repository, default_model=NAME) as served:
        shutil.copytree(repository / NAME / "1", repository / NAME / "3")
        assert await load(served, "3") == ["1", "3"]
        [copied, own] = [await served.translate(SENTENCES[0], model=f"{NAME}@{version}") for version in "31"]
        assert (copied.model_version, own.model_version) == ("3", "1")
        assert copied.translations == own.translations


@pytest.mark.parametrize("model", [f"{NAME}@", "@1", f"{NAME}@01", f"{NAME}@1@1", f"{NAME}@stable", "other@1"])
async def test_what_names_no_version_that_is_served_is_not_found(repository: Path, model: str) -> None:
    async with serving(repository, default_model=NAME) as served:
        code, message, _ = await refusal(served.translate("a", model=model))
        assert code == grpc.StatusCode.NOT_FOUND
        assert f"no model '{model}' is served here; served: {NAME}" in message


async def test_running_calls_end_with_the_version_that_they_began_with(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.serving.engines.keeper.CLOSE_SECONDS", 0.01)  # an engine is told to end when it can
    async with serving(repository, default_model=NAME, gated=True) as served:
        plain = asyncio.ensure_future(served.translate(*SENTENCES[:3]))
        stream = asyncio.ensure_future(served.stream(*SENTENCES[:3]))
        scored = pb.ScoreRequest(pairs=[pb.ScoredPair(content="the cat", translated_text="le chat")])
        score = asyncio.ensure_future(served.stub.Score(scored, timeout=PATIENCE))
        await served.held()
        await served.wait_for_metric(1, "grpc_server_started_total", grpc_method="Score")
        assert await load(served, "2") == ["1", "2"]
        unloading = asyncio.ensure_future(unload(served, "1"))

        async def is_gone() -> bool:
            return [list(model.versions) for model in served.app.registry.models] == [["2"]]

        await eventually(is_gone)
        later = asyncio.ensure_future(served.translate(SENTENCES[0]))
        await asyncio.sleep(0.1)
        assert not any(call.done() for call in (plain, stream, score, unloading))
        served.gate.open()
        assert (await plain).model_version == "1"
        assert {message.model_version for message in await stream} == {"1"}
        assert (await score).model_version == "1"
        assert (await later).model_version == "2"
        await unloading


async def test_a_call_whose_texts_are_still_read_has_begun_with_its_version(repository: Path) -> None:
    contents = [" ".join(SENTENCES[:40]) + f" {number}" for number in range(60)]
    async with serving(repository, default_model=NAME) as served:
        await load(served, "2")
        call = asyncio.ensure_future(served.translate(*contents, max_output_tokens=1))

        async def is_begun() -> bool:
            return not served.app.registry.models[NAME].main.uses.is_none

        await eventually(is_begun)
        assert await served.metric("seq2serve_rows_joined_total", model=NAME) == 0, "nothing is submitted yet"
        await unload(served, "2")
        assert (await call).model_version == "2"


@pytest.mark.parametrize(("version", "code"), [("3", "NOT_FOUND"), ("../1", "NOT_FOUND"), (".1", "NOT_FOUND")])
async def test_a_version_that_is_not_there_is_neither_loaded_nor_unloaded(
    repository: Path, version: str, code: str
) -> None:
    async with serving(repository, default_model=NAME) as served:
        for call in (load(served, version), unload(served, version), load(served, "", "other"), unload(served, "", "")):
            assert (await refusal(call))[0] == grpc.StatusCode[code]
        assert await version_of(served) == "1"


async def test_a_default_model_keeps_a_version_and_a_labelled_version_is_kept(repository: Path) -> None:
    say(repository, 'versions = "all"\nlabels = {stable = 1}')
    async with serving(repository, default_model=NAME) as served:
        code, message, _ = await refusal(unload(served, "1"))
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert f"{NAME}@1 is served as stable" in message
        code, message, _ = await refusal(unload(served))
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert f"{NAME} is a default model" in message
        assert await load(served) == ["1", "2"]
        await unload(served, "2")
        assert await load(served) == ["1", "2"], "what the folder says"


async def test_a_model_goes_as_a_whole_and_comes_back(
    repository: Path, small_model: SmallModels, tmp_path: Path
) -> None:
    write_version(small_model("rnn").bundle, repository, "other", "7")
    async with serving(repository, default_model=NAME) as served:
        assert await health_of(served, "other") == await health_of(served, "other@7") == SERVING
        await unload(served, name="other")
        assert await is_refused(served, model="other")
        await eventually(lambda: is_health(served, "other", NOT_SERVING))
        assert await health_of(served, "other@7") == NOT_SERVING
        assert await health_of(served, NAME) == SERVING
        assert await load(served, name="other") == ["7"]
        await eventually(lambda: is_health(served, "other@7", SERVING))
        shutil.rmtree(repository / "other")
        assert list((await reload(served)).unloaded) == ["other@7"]
        assert await is_refused(served, model="other")


async def test_a_load_whose_call_is_cancelled_leaves_all_as_it_was(repository: Path) -> None:
    may_load = threading.Event()

    def open_backend(bundle: Bundle, options: BackendOptions) -> Backend:
        assert bundle.manifest.version == "1" or may_load.wait(PATIENCE)
        return Backend(bundle, options)

    async with serving(repository, default_model=NAME, open_backend=open_backend) as served:
        loading = admin(served).LoadModel(admin_pb.LoadModelRequest(model=NAME, version="2"), timeout=PATIENCE)
        await served.wait_for_metric(1, "grpc_server_started_total", grpc_method="LoadModel")
        assert await version_of(served) == "1"
        loading.cancel()
        may_load.set()
        await served.wait_for_metric(1, "grpc_server_handled_total", grpc_method="LoadModel", grpc_code="Canceled")
        assert await is_refused(served, model=f"{NAME}@2")
        assert await load(served, "2") == ["1", "2"]


async def test_a_server_stops_while_a_version_is_being_loaded(repository: Path) -> None:
    may_load = threading.Event()

    def open_backend(bundle: Bundle, options: BackendOptions) -> Backend:
        assert bundle.manifest.version == "1" or may_load.wait(PATIENCE)
        return Backend(bundle, options)

    async with serving(repository, default_model=NAME, open_backend=open_backend, watch_seconds=1) as served:
        loading = asyncio.ensure_future(refusal(load(served, "2")))
        await served.wait_for_metric(1, "grpc_server_started_total", grpc_method="LoadModel")
        served.app.reload()  # as SIGHUP does; it waits for its turn
        assert await asyncio.wait_for(served.stop(), PATIENCE)
        assert (await loading)[0] in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        may_load.set()


async def test_series_say_the_version_and_go_with_it(repository: Path) -> None:
    async with serving(repository, default_model=NAME) as served:
        await load(served, "2")
        await version_of(served)
        await refusal(served.translate("a", model=NAME, decoding={"beam_size": 99}))
        for name in ("requests_total", "request_seconds_count", "rows_joined_total", "step_seconds_count"):
            assert await served.metric(f"seq2serve_{name}", model=NAME, version="2") > 0
            assert await served.metric(f"seq2serve_{name}", model=NAME, version="1") == 0
        assert await served.metric("seq2serve_model_info", model=NAME, version="2", architecture="lstm") == 1
        assert await served.num_series(version="2") == await served.num_series(version="1") > 50
        await unload(served, "1")
        assert await served.num_series(version="1") == 0
        assert await served.num_series(version="2") > 50
        assert await served.metric("seq2serve_requests_total", model=NAME, version="2", outcome="ok") == 1


async def test_nothing_is_lost_and_nothing_mixed_by_reloads_under_load(repository: Path) -> None:
    say(repository, 'versions = "all"')
    async with serving(repository, default_model=NAME) as served:
        texts = await read_texts(served.stub, NAME, ("1", "2"))
        say(repository, "versions = [1]")
        await reload(served)
        callers = [Caller(served.address, NAME, texts) for _ in range(4)]
        tasks = [asyncio.create_task(caller.call_until_stopped()) for caller in callers]
        for number in range(10):
            say(repository, f"versions = [{2 - number % 2}]")
            assert not (await reload(served)).problems
            num_answered = sum(caller.answered.total() for caller in callers)
            while sum(caller.answered.total() for caller in callers) < num_answered + 2 * len(callers):
                await asyncio.sleep(0.01)  # of which each caller may have begun one before
        for caller in callers:
            caller.stop()
        await asyncio.gather(*tasks)
        answered = sum((caller.answered for caller in callers), Counter[str]())
        assert min(answered["1"], answered["2"]) > 10
        assert [problem for caller in callers for problem in caller.problems] == []
        assert await served.metric("seq2serve_engines", model=NAME) == 1


async def test_an_unload_is_answered_though_a_stream_that_nobody_reads_goes_on(repository: Path) -> None:
    async with serving(repository, default_model=NAME, max_call_seconds=1) as served:
        await load(served, "2")
        uses = served.app.registry.models[NAME].main.uses
        with uses.one():
            await asyncio.wait_for(unload(served, "2"), 10)
            assert await served.num_series(model=NAME, version="2"), "until the stream has ended"

        async def is_forgotten() -> bool:
            return not await served.num_series(model=NAME, version="2")

        await eventually(is_forgotten)

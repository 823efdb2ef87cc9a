"""Versions of models that come and go while clients call."""

import asyncio
import math
import shutil
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from seq2serve.pb import model_admin_pb2 as admin_pb
from seq2serve.pb import model_admin_pb2_grpc as admin_grpc
from seq2serve.pb import translation_pb2 as pb
from server.bundle.manifest import MANIFEST, STEP, TOKENIZER, Bundle, BundleError, write_manifest
from server.decoding.graphs.backend import Backend, BackendOptions
from server.serving.models.watch import RepositoryWatch, follow
from tests.conftest import SmallModels
from tests.fakes import PATIENCE
from tests.integration.served import Served, eventually, refusal, serving
from tests.reloading import Caller, read_texts
from tests.small_models import SENTENCES
from tests.versions import remove_version, write_version

NAME = "versioned"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def repository(small_model: SmallModels, tmp_path: Path) -> Path:
    """A model whose versions 1 and 2 are two architectures, so that a translation says which of them wrote it. Version
    1 is served, until a test asks for more."""
    repository = tmp_path / "repository"
    for version, architecture in ("1", "rnn"), ("2", "lstm"):
        write_version(small_model(architecture).bundle, repository, NAME, version)
    say(repository, 'versions = ["1"]')
    return repository


def say(repository: Path, policy: str) -> None:
    (repository / NAME / "model.toml").write_text(policy, encoding="utf-8")


def admin(served: Served) -> Any:
    return admin_grpc.ModelAdminServiceStub(served.channel)


async def load(served: Served, version: str = "", name: str = NAME) -> list[str]:
    request = admin_pb.LoadModelRequest(model=name, version=version)
    return list((await admin(served).LoadModel(request, timeout=PATIENCE)).versions)


async def unload(served: Served, version: str = "", name: str = NAME) -> None:
    await admin(served).UnloadModel(admin_pb.UnloadModelRequest(model=name, version=version), timeout=PATIENCE)


async def reload(served: Served) -> admin_pb.ReloadModelsResponse:
    answer: admin_pb.ReloadModelsResponse = await admin(served).ReloadModels(
        admin_pb.ReloadModelsRequest(), timeout=PATIENCE
    )
    return answer


async def version_of(served: Served, model: str = NAME) -> str:
    return (await served.translate(SENTENCES[0], model=model)).model_version


async def health_of(served: Served, model: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(cast(Any, served.channel))
    status: int = (await stub.Check(health_pb2.HealthCheckRequest(service=f"model:{model}"))).status
    return status


async def is_refused(served: Served, **fields: Any) -> bool:
    return (await refusal(served.translate("a", **fields)))[0] == grpc.StatusCode.NOT_FOUND


# Versions by calls


async def test_a_version_is_loaded_and_unloaded_by_a_call(repository: Path) -> None:
    async with serving(repository, default_model=NAME) as served:
        assert await version_of(served) == "1"
        assert await is_refused(served, model=f"{NAME}@2")
        assert await load(served, "2") == ["1", "2"]
        assert [await version_of(served, model) for model in (NAME, f"{NAME}@1", f"{NAME}@2")] == ["2", "1", "2"]
        await unload(served, "1")
        assert await version_of(served) == "2"
        assert await is_refused(served, model=f"{NAME}@1")


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


async def is_health(served: Served, model: str, status: int) -> bool:
    return await health_of(served, model) == status


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


# What the folder says


async def test_a_reload_serves_what_the_folder_says_and_nothing_else(repository: Path) -> None:
    async with serving(repository, default_model=NAME) as served:
        assert await reload(served) == admin_pb.ReloadModelsResponse(), "nothing has changed"
        await load(served, "2")
        assert list((await reload(served)).unloaded) == [f"{NAME}@2"]
        say(repository, 'versions = "latest"')
        changes = await reload(served)
        assert (list(changes.loaded), list(changes.unloaded)) == ([f"{NAME}@2"], [f"{NAME}@1"])
        (repository / NAME / "model.toml").unlink()
        assert await reload(served) == admin_pb.ReloadModelsResponse(), "the default is the latest"


async def test_labels_are_names_of_versions_for_requests_lists_and_health(repository: Path) -> None:
    say(repository, '[labels]\nstable = "1"\ncanary = 2')
    async with serving(repository, default_model=NAME) as served:
        named = {label: await version_of(served, f"{NAME}@{label}") for label in ("stable", "canary")}
        assert named == {"stable": "1", "canary": "2"}
        assert await version_of(served) == "2", "the newest, without a split"
        [model] = (await served.stub.ListModels(pb.ListModelsRequest())).models
        assert (list(model.versions), model.architecture) == (["1", "2"], "lstm")
        assert dict(model.version_labels) == named
        for known in (NAME, f"{NAME}@1", f"{NAME}@2", f"{NAME}@stable", f"{NAME}@canary"):
            assert await health_of(served, known) == SERVING
        say(repository, '[labels]\nstable = "2"')
        await reload(served)
        assert await version_of(served, f"{NAME}@stable") == "2"
        await eventually(lambda: is_health(served, f"{NAME}@canary", NOT_SERVING))


async def test_requests_are_split_by_weight_where_they_name_no_version(repository: Path) -> None:
    say(repository, "[labels]\nstable = 1\ncanary = 2\n[split]\nstable = 3\ncanary = 1")
    number, share = 600, 0.25
    async with serving(repository, default_model=NAME) as served:
        answers = [await version_of(served, "" if index % 2 else NAME) for index in range(number)]
        assert {await version_of(served, f"{NAME}@canary") for _ in range(5)} == {"2"}
        [model] = (await served.stub.ListModels(pb.ListModelsRequest())).models
        assert model.architecture == "rnn", "described by what answers most"
    deviation = math.sqrt(number * share * (1 - share))
    assert abs(Counter(answers)["2"] - share * number) < 4.5 * deviation, "one run in 100,000 fails"


# Broken bundles


async def test_a_broken_bundle_is_refused_with_every_problem_and_what_runs_stays(
    repository: Path, small_model: SmallModels
) -> None:
    for version in ("3", "4"):
        write_version(small_model("lstm").bundle, repository, NAME, version)
    (repository / NAME / "3" / STEP).write_bytes(b"damaged")
    (repository / NAME / "3" / TOKENIZER).unlink()
    (repository / NAME / "4" / MANIFEST).unlink()
    async with serving(repository, default_model=NAME) as served:
        code, message, _ = await refusal(load(served, "3"))
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert f"3/{STEP}: SHA-256 is" in message
        assert f"3/{TOKENIZER}: No such file" in message
        say(repository, 'versions = "all"\nlabels = {old = 9}')
        assert "versions 9 are to be served, there are 1, 2, 3, 4" in "".join((await reload(served)).problems)
        say(repository, 'versions = "all"')
        problems = list((await reload(served)).problems)
        for part in (f"3/{STEP}: SHA-256", f"3/{TOKENIZER}: No such", f"4: {MANIFEST} is missing"):
            assert len([problem for problem in problems if part in problem]) == 1
        say(repository, 'versions = "some"\nlabel = 1\n[split]\ncanary = 1.5')
        problems = list((await reload(served)).problems)
        for part in ("label: versions, labels", "versions: 'latest'", "split.canary: one of", "split.canary: a whole"):
            assert len([problem for problem in problems if part in problem]) == 1
        assert await version_of(served) == "1"
        assert await health_of(served, NAME) == SERVING


async def test_more_problems_than_a_message_has_room_for_are_told_in_the_log(
    repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for version in range(3, 40):
        (repository / NAME / str(version)).mkdir()
    async with serving(repository, default_model=NAME) as served:
        say(repository, 'versions = "all"')
        code, message, _ = await refusal(load(served))
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert message.endswith("(37 problems, see the log)")
        assert sum("the folder is empty" in record.getMessage() for record in caplog.records) == 37


async def test_a_bundle_that_its_engine_cannot_load_is_refused_and_one_beside_it_is_not_served_either(
    repository: Path, small_model: SmallModels
) -> None:
    broken = write_version(small_model("lstm").bundle, repository, NAME, "3")
    (broken.folder / STEP).write_bytes(b"no graph")
    write_manifest(broken.folder, broken.manifest)
    say(repository, 'versions = "all"')
    with pytest.raises(BundleError, match=r"3/step\.onnx"):
        async with serving(repository, default_model=NAME):
            pass
    say(repository, 'versions = ["1"]')
    async with serving(repository, default_model=NAME) as served:
        say(repository, 'versions = "all"')
        changes = await reload(served)
        assert not changes.loaded
        assert [STEP in problem for problem in changes.problems] == [True]
        assert await served.num_series(version="2") == 0, "what was loaded of it has ended"
        assert await version_of(served) == "1"
        assert await is_refused(served, model=f"{NAME}@2")
        assert await load(served, "2") == ["1", "2"]


async def test_one_broken_model_does_not_keep_others_from_coming_and_going(
    repository: Path, small_model: SmallModels
) -> None:
    write_version(small_model("rnn").bundle, repository, "going", "1")
    async with serving(repository, default_model=NAME) as served:
        remove_version(repository, "going", "1")
        (repository / "going").rmdir()
        write_version(small_model("rnn").bundle, repository, "coming", "1")
        (repository / "broken" / "1").mkdir(parents=True)
        changes = await reload(served)
        assert (list(changes.loaded), list(changes.unloaded)) == (["coming@1"], ["going@1"])
        assert [str(repository / "broken" / "1") in problem for problem in changes.problems] == [True]
        shutil.rmtree(repository / NAME)
        assert "is a default model" in "".join((await reload(served)).problems)
        assert await version_of(served, NAME) == "1"
        repository.rename(repository.with_name("gone"))
        assert "No such file or directory" in "".join((await reload(served)).problems)
        assert await version_of(served, "coming") == "1"


# The folder itself


async def test_a_version_whose_folder_was_given_to_another_bundle_is_loaded_anew(
    repository: Path, small_model: SmallModels
) -> None:
    async with serving(repository, default_model=NAME, cache_megabytes=1) as served:
        before = (await served.translate(SENTENCES[0])).translations[0].translated_text
        remove_version(repository, NAME, "1")
        write_version(small_model("lstm").bundle, repository, NAME, "1")
        changes = await reload(served)
        assert (list(changes.loaded), list(changes.unloaded)) == ([f"{NAME}@1"], [])
        answer = await served.translate(SENTENCES[0])
        assert answer.model_version == "1"
        assert answer.translations[0].translated_text != before
        await served.wait_for_metric(1, "seq2serve_engines", model=NAME)
        assert await served.metric("seq2serve_requests_total", model=NAME, version="1", outcome="ok") == 2


async def test_a_glossary_that_was_changed_is_read_by_a_reload(repository: Path) -> None:
    glossary = repository / NAME / "glossaries" / "terms.tsv"
    glossary.parent.mkdir()
    glossary.write_text("cat\tle matou\n", encoding="utf-8")
    decoding = {"glossary": pb.Glossary(name="terms")}
    async with serving(repository, default_model=NAME) as served:
        for term in ("le matou", "un félin"):
            glossary.write_text(f"cat\t{term}\n", encoding="utf-8")
            await reload(served)
            assert term in (await served.translate("the cat", decoding=decoding)).translations[0].translated_text
        glossary.write_text("cat\n", encoding="utf-8")
        [problem] = (await reload(served)).problems
        assert str(glossary) in problem


async def test_a_watched_repository_is_served_as_its_folders_come(repository: Path, small_model: SmallModels) -> None:
    async with serving(repository, default_model=NAME, watch_seconds=1) as served:
        assert await version_of(served) == "1"
        (repository / NAME / "model.toml").unlink()
        await eventually(lambda: is_version(served, "2"))


async def test_a_watched_folder_that_is_written_slowly_is_served_when_it_is_whole_and_goes_when_it_is_renamed(
    repository: Path, small_model: SmallModels, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = write_version(small_model("rnn").bundle, tmp_path, NAME, "3").folder
    (repository / NAME / "model.toml").unlink()

    def copy_slowly(source: str, target: str) -> None:
        content = Path(source).read_bytes()
        with Path(target).open("wb") as file:
            for start in range(0, len(content), len(content) // 5 + 1):
                file.write(content[start : start + len(content) // 5 + 1])
                file.flush()
                time.sleep(0.01)

    async with serving(repository, default_model=NAME) as served:
        following = asyncio.create_task(follow(RepositoryWatch([repository]), served.app.registry, 0.1))
        assert await version_of(served) == "2"
        folder = repository / NAME / "3"
        await asyncio.to_thread(shutil.copytree, whole, folder, copy_function=copy_slowly)
        await eventually(lambda: is_version(served, "3"))
        folder.rename(folder.with_name(".3"))
        await eventually(lambda: is_version(served, "2"))
        following.cancel()
    assert "what runs stays" not in caplog.text


async def is_version(served: Served, version: str) -> bool:
    return await version_of(served) == version


async def test_a_model_folder_that_is_renamed_is_no_other_model(repository: Path, small_model: SmallModels) -> None:
    write_version(small_model("rnn").bundle, repository, "other", "1")
    async with serving(repository, default_model=NAME) as served:
        (repository / "other").rename(repository / "another")
        changes = await reload(served)
        assert (list(changes.loaded), list(changes.unloaded)) == ([], ["other@1"])
        assert ["model.json says other/1" in problem for problem in changes.problems] == [True]
        (repository / "another").rename(repository / "other@1")
        assert "a name without '@' expected" in "".join((await reload(served)).problems)
        assert await version_of(served) == "1"


async def test_a_version_may_be_a_link_that_is_moved_from_one_bundle_to_another(
    repository: Path, small_model: SmallModels, tmp_path: Path
) -> None:
    bundles = [write_version(small_model(name).bundle, tmp_path / name, NAME, "1").folder for name in ("rnn", "lstm")]
    remove_version(repository, NAME, "1")
    link, draft = repository / NAME / "1", repository / NAME / ".1"
    link.symlink_to(bundles[0])
    async with serving(repository, default_model=NAME) as served:
        before = (await served.translate(SENTENCES[0])).translations[0].translated_text
        draft.symlink_to(bundles[1])
        draft.rename(link)
        assert list((await reload(served)).loaded) == [f"{NAME}@1"]
        assert (await served.translate(SENTENCES[0])).translations[0].translated_text != before


# Series


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


# All of it under load


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

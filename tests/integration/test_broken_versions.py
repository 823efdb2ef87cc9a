"""What is broken is refused, with every problem, and what runs stays."""

import shutil
from pathlib import Path

import grpc
import pytest

from server.bundle.manifest import MANIFEST, STEP, TOKENIZER, BundleError, write_manifest
from tests.conftest import SmallModels
from tests.integration.served import refusal, serving
from tests.integration.versioned import NAME, SERVING, health_of, is_refused, load, reload, say, version_of
from tests.versions import remove_version, write_version


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

"""What is served is what the repository says when it is looked at again."""

import asyncio
import math
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

from seq2serve.pb import model_admin_pb2 as admin_pb
from seq2serve.pb import translation_pb2 as pb
from server.bundle.manifest import Bundle
from server.decoding.graphs.backend import Backend, BackendOptions
from server.serving.models.watch import RepositoryWatch, follow
from tests.conftest import SmallModels
from tests.integration.served import eventually, serving
from tests.integration.versioned import (
    NAME,
    NOT_SERVING,
    SERVING,
    health_of,
    is_health,
    is_version,
    load,
    reload,
    say,
    version_of,
)
from tests.small_models import SENTENCES
from tests.versions import remove_version, write_version


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


async def test_a_model_that_was_moved_to_another_repository_is_served_from_there(
    repository: Path, small_model: SmallModels, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    write_version(small_model("rnn").bundle, other, "beside", "1")
    glossary = other / NAME / "glossaries" / "terms.tsv"
    async with serving(repository, other, default_model=NAME) as served:
        write_version(small_model("rnn").bundle, repository, "instead", "1")  # no repository may be empty
        (repository / NAME).rename(other / NAME)
        assert f"{NAME}@1" in (await reload(served)).loaded
        glossary.parent.mkdir()
        glossary.write_text("cat\tun félin\n", encoding="utf-8")
        await load(served, "1")
        answer = await served.translate("the cat", decoding={"glossary": pb.Glossary(name="terms")})
        assert "un félin" in answer.translations[0].translated_text


async def test_a_watched_repository_is_served_as_its_folders_come(repository: Path, small_model: SmallModels) -> None:
    async with serving(repository, default_model=NAME, watch_seconds=1) as served:
        assert await version_of(served) == "1"
        (repository / NAME / "model.toml").unlink()
        await eventually(lambda: is_version(served, "2"))


async def test_a_watched_change_that_could_not_be_served_is_tried_again_without_another_one(
    repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lasts = 3
    """Attempts to load version 2 that fail."""

    def open_backend(bundle: Bundle, options: BackendOptions) -> Backend:
        nonlocal lasts
        if bundle.manifest.version == "2" and lasts > 0:
            lasts -= 1
            raise SystemExit  # as a process that finds no memory ends
        return Backend(bundle, options)

    async with serving(repository, default_model=NAME, open_backend=open_backend) as served:
        following = asyncio.create_task(follow(RepositoryWatch([repository]), served.app.registry, 0.05))
        say(repository, 'versions = "latest"')
        await eventually(lambda: is_version(served, "2"))
        following.cancel()
    assert lasts == 0
    assert len([line for line in caplog.messages if line.startswith("what runs stays as it is: ")]) == 1


async def test_a_watched_change_is_served_once_what_made_the_repository_unreadable_has_gone(
    repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(repository, default_model=NAME) as served:
        following = asyncio.create_task(follow(RepositoryWatch([repository]), served.app.registry, 0.05))
        say(repository, 'versions = "latest"')
        (repository / "tmp@x" / "1").mkdir(parents=True)  # in the same look

        async def is_told() -> bool:
            return "a name without '@' expected" in caplog.text

        await eventually(is_told)
        shutil.rmtree(repository / "tmp@x")
        await eventually(lambda: is_version(served, "2"))
        following.cancel()


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


async def test_a_model_folder_that_is_renamed_is_no_other_model(repository: Path, small_model: SmallModels) -> None:
    write_version(small_model("rnn").bundle, repository, "other", "1")
    async with serving(repository, default_model=NAME) as served:
        (repository / "other").rename(repository / "another")
        changes = await reload(served)
        assert (list(changes.loaded), list(changes.unloaded)) == ([], ["other@1"])
        assert ["model.json is of model other; move" in problem for problem in changes.problems] == [True]
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

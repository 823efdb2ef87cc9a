"""Files that change: what is handed over in the end is what is there, however they are written."""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge

from server.serving.access import watched
from server.serving.access.watched import WatchedFiles
from tests.integration.served import eventually

Pair = tuple[str, str]


class Watching:
    """Two files that have to say the same."""

    def __init__(self, folder: Path) -> None:
        self.outer_error: Exception | None = None
        """What keeps the files from being read, whatever they say."""
        self.paths = [folder / "a", folder / "b"]
        self.write("0")
        self.registry = CollectorRegistry()
        gauge = Gauge("ok", "", ("files",), registry=self.registry)
        self.files: WatchedFiles[Pair] = WatchedFiles("pair", self.paths, self.read, gauge)
        self.used = [self.files.first]

    def write(self, text: str) -> None:
        for path in self.paths:
            path.write_text(text)

    def read(self) -> Pair:
        if self.outer_error:
            raise self.outer_error
        one, other = (path.read_text() for path in self.paths)
        if one != other:
            raise ValueError(f"{one} and {other}")
        return one, other

    @property
    def is_successful(self) -> bool:
        return self.registry.get_sample_value("ok", {"files": "pair"}) == 1

    async def wait_for(self, text: str) -> None:
        async def is_used() -> bool:
            return self.used[-1] == (text, text) and self.is_successful

        await eventually(is_used)


@pytest.fixture
async def watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watching]:
    monkeypatch.setattr(watched, "INTERVAL_SECONDS", 0.02)
    made = Watching(tmp_path)
    task = asyncio.create_task(made.files.watch(made.used.append))
    yield made
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_files_written_in_any_pace_end_as_what_is_there(watching: Watching) -> None:
    draw = random.Random(1)
    for number in range(1, 100):
        for path in watching.paths:
            path.write_text(f"{number % 10}")  # of one size, and often within one tick of the clock
            await asyncio.sleep(draw.choice([0, 0, 0.001, 0.01, 0.05]))
    watching.write("9")
    await watching.wait_for("9")
    assert all(one == other for one, other in watching.used)


async def test_files_that_stay_are_read_once(watching: Watching) -> None:
    await asyncio.sleep(0.2)
    assert len(watching.used) == 1
    for path in watching.paths:  # another time, and nothing else
        os.utime(path, (1, 1))
    await watching.wait_for("0")
    await asyncio.sleep(0.1)
    assert len(watching.used) <= 3


async def test_a_file_that_goes_and_comes_again_is_used(watching: Watching, tmp_path: Path) -> None:
    watching.paths[0].unlink()

    async def is_told() -> bool:
        return not watching.is_successful

    await eventually(is_told)
    assert watching.used == [("0", "0")]
    (tmp_path / "new").write_text("1")
    (tmp_path / "new").rename(watching.paths[0])
    watching.paths[1].write_text("1")
    await watching.wait_for("1")


async def test_a_time_in_the_future_keeps_nothing_from_being_used(watching: Watching) -> None:
    watching.write("2")
    for path in watching.paths:
        os.utime(path, (2**32, 2**32))
    await watching.wait_for("2")


async def test_a_change_that_leaves_size_and_time_as_they_were_is_used(watching: Watching) -> None:
    times = [path.stat().st_mtime_ns for path in watching.paths]
    watching.write("3")
    for path, time in zip(watching.paths, times, strict=True):
        os.utime(path, ns=(time, time))
    await watching.wait_for("3")


async def test_what_could_not_be_read_is_read_later_though_no_file_changes(
    watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    def messages() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]

    watching.outer_error = OSError("too many open files")
    watching.write("4")

    async def is_told() -> bool:
        return not watching.is_successful

    await eventually(is_told)
    await asyncio.sleep(0.1)
    assert messages() == ["pair: what was read before stays in force: too many open files"], "once, however often tried"
    watching.outer_error = ValueError("another one")
    await asyncio.sleep(0.1)
    assert len(messages()) == 2
    watching.outer_error = None
    await watching.wait_for("4")
    assert watching.used == [("0", "0"), ("4", "4")]
    assert len(messages()) == 2


async def test_links_that_lead_back_to_what_is_in_force_are_well_again(watching: Watching, tmp_path: Path) -> None:
    for path in watching.paths:
        path.rename(path.with_suffix(".good"))
        path.symlink_to(path.with_suffix(".good"))
    await asyncio.sleep(0.2)
    (tmp_path / "broken").write_text("5")
    watching.paths[0].unlink()
    watching.paths[0].symlink_to(tmp_path / "broken")

    async def is_told() -> bool:
        return not watching.is_successful

    await eventually(is_told)
    watching.paths[0].unlink()
    watching.paths[0].symlink_to(watching.paths[0].with_suffix(".good"))
    await watching.wait_for("0")

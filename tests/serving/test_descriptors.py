"""How many connections the file descriptors allow."""

import asyncio
import resource
from pathlib import Path

import pytest

from server.serving.descriptors import DescriptorLimit


def test_what_is_reserved_for_other_servers_is_not_for_connections() -> None:
    assert DescriptorLimit(100).max_connections == DescriptorLimit(0).max_connections - 100


def test_a_reserve_that_leaves_none_is_refused_with_what_is_needed() -> None:
    limit = DescriptorLimit(0)
    DescriptorLimit(limit.max_connections - 1)
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    with pytest.raises(
        OSError, match=rf"at least {highest + 1} open files needed, the limit \(ulimit -n\) is {highest}"
    ):
        DescriptorLimit(limit.max_connections)


async def test_a_folder_of_descriptors_that_cannot_be_read_says_nothing_of_connections(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "fd"
    folder.symlink_to("/dev/fd")
    limit = DescriptorLimit(0, folder)
    folder.unlink()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(limit.warn_when_reached(), 1.5)  # it looks once a second
    assert caplog.text == ""


def test_without_a_folder_of_descriptors_there_is_room_for_about_as_many_connections(tmp_path: Path) -> None:
    counted = DescriptorLimit(0).max_connections
    assert DescriptorLimit(0, tmp_path / "none").max_connections == pytest.approx(counted, abs=50)

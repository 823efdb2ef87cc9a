import os
from pathlib import Path

import pytest

from server.cores import usable_cores


@pytest.fixture
def own_cgroup(tmp_path: Path) -> Path:
    """The file that names a process's group: here /service/worker."""
    path = tmp_path / "own"
    path.write_text("0::/service/worker\n")
    return path


def cgroups(folder: Path, **quotas: str) -> Path:
    """A tree of groups; "worker" lies in "service", which lies in "root"."""
    places = {"root": folder, "service": folder / "service", "worker": folder / "service" / "worker"}
    places["worker"].mkdir(parents=True)
    for name, quota in quotas.items():
        (places[name] / "cpu.max").write_text(f"{quota}\n")
    return folder


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.mark.parametrize(
    ("quotas", "expected"),
    [
        ({}, 8),
        ({"worker": "max 100000"}, 8),
        ({"worker": "300000 100000"}, 3),
        ({"worker": "150000 100000"}, 2),
        ({"worker": "20000 100000"}, 1),
        ({"worker": "max 100000", "service": "200000 100000"}, 2),
        ({"root": "400000 100000", "worker": "800000 100000"}, 4),
        ({"worker": "1600000 100000"}, 8),
        ({"worker": "nonsense"}, 8),
    ],
)
def test_cores_are_those_of_the_affinity_or_what_quotas_leave_of_them(
    tmp_path: Path, own_cgroup: Path, quotas: dict[str, str], expected: int
) -> None:
    assert usable_cores(cgroups(tmp_path / "cgroups", **quotas), own_cgroup) == expected


def test_in_a_container_the_root_is_the_own_group(tmp_path: Path, own_cgroup: Path) -> None:
    own_cgroup.write_text("0::/\n")
    assert usable_cores(cgroups(tmp_path / "cgroups", root="200000 100000"), own_cgroup) == 2


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cores(tmp_path, tmp_path / "nowhere") == 8

"""The processor cores that this process may use."""

import math
import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = _CGROUPS, own_cgroup: Path = _OWN_CGROUP) -> int:
    """Cores that the scheduler may put this process on, or fewer where a control group (a container's limit) grants
    less time: a quota of one and a half cores counts as two. At least 1."""
    cores = float(len(os.sched_getaffinity(0)))
    for folder in _groups(cgroups, own_cgroup):
        cores = min(cores, _quota(folder))
    return max(1, math.ceil(cores))


def _groups(cgroups: Path, own_cgroup: Path) -> list[Path]:
    """The folders of the process's own group and of all groups around it: each may have a quota. Of version 2, whose
    line in /proc begins with "0::"; in a container the own group is the root."""
    try:
        lines = own_cgroup.read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    inner = cgroups / own
    return [folder for folder in (inner, *inner.parents) if folder.is_relative_to(cgroups)]


def _quota(folder: Path) -> float:
    """Cores' worth of time that a group grants; infinity where it sets no limit."""
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return math.inf
    return math.inf if quota == "max" else int(quota) / int(period)

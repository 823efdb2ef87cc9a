"""A small share of the processors for a group of processes, by Linux's control groups: several servers on a machine
with few cores are then as fast as each other, and not as fast as the machine allows."""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_PERIOD_MICROSECONDS = 10_000
"""In which the share is used up at most once: a tenth of what is usual, so that nobody waits for long."""


class CpuShare:
    """A group whose processes together get so much of one core."""

    def __init__(self, name: str, cores: float) -> None:
        """Raises OSError where this user may not make one."""
        quota = round(cores * _PERIOD_MICROSECONDS)
        first_version = _GROUPS / "cpu"
        self._folder = (first_version if first_version.is_dir() else _GROUPS) / f"seq2serve-{os.getpid()}-{name}"
        self._folder.mkdir()
        try:
            if first_version.is_dir():
                self._write("cpu.cfs_period_us", str(_PERIOD_MICROSECONDS))
                self._write("cpu.cfs_quota_us", str(quota))
            else:
                self._write("cpu.max", f"{quota} {_PERIOD_MICROSECONDS}")
        except OSError:
            self._folder.rmdir()
            raise

    def take(self, pids: Iterable[int]) -> None:
        """These processes, and what they start from now on."""
        for pid in pids:
            self._write("cgroup.procs", str(pid))

    def remove(self) -> None:
        """When its processes have ended."""
        for _ in range(100):
            with contextlib.suppress(OSError):
                self._folder.rmdir()
                return
            time.sleep(0.05)

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, encoding="ascii")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time of these processes since their starts."""
    stats = (Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split() for pid in pids)
    return sum(int(ticks) for stat in stats for ticks in stat[11:13]) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def cpu_shares(names: Sequence[str], cores: float) -> Iterator[dict[str, CpuShare]]:
    """One for each name. Raises OSError."""
    shares: dict[str, CpuShare] = {}
    try:
        for name in names:
            shares[name] = CpuShare(name, cores)
        yield shares
    finally:
        for share in shares.values():
            share.remove()

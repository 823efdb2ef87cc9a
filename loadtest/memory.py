"""Memory of a process and of those that it has started, as Linux tells it in /proc."""

import contextlib
from pathlib import Path


def family(pid: int) -> list[int]:
    """A process and, to any depth, those that it has started and that still run."""
    members = [pid]
    for member in members:  # grows meanwhile
        for children in Path(f"/proc/{member}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # the thread has ended
                members += map(int, children.read_text(encoding="utf-8").split())
    return members


def memory_megabytes(pid: int) -> dict[str, float]:
    """Of a process's family, as Linux names it: VmRSS is resident now, VmHWM the most that was resident. Pages that
    several processes share are counted in each there, and once in Pss."""
    megabytes = {"VmRSS": 0.0, "VmHWM": 0.0, "Pss": 0.0}
    for member in family(pid):
        with contextlib.suppress(OSError):  # the process has ended
            lines = Path(f"/proc/{member}/status").read_text(encoding="utf-8").splitlines()
            lines += Path(f"/proc/{member}/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
            values = dict(line.split(":", 1) for line in lines)
            for name in megabytes.keys() & values.keys():  # one that has ended, and is not waited for, has none
                megabytes[name] += int(values[name].split()[0]) * 1024 / 1e6
    return megabytes


def forget_peak(pid: int) -> None:
    """Make the most memory that each process of a family has held begin with what it holds now."""
    for member in family(pid):
        with contextlib.suppress(OSError):
            Path(f"/proc/{member}/clear_refs").write_text("5", encoding="utf-8")

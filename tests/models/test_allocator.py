import subprocess
import sys
from pathlib import Path

import pytest

_USE = """
from pathlib import Path
import torch
from models.allocator import give_freed_memory_back, keep_freed_memory
def resident(): return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
keep_freed_memory()
tensors = [torch.ones(1 << 20) for _ in range(64)]
last = torch.ones(1 << 20)
full = resident()
del tensors
kept = resident()
give_freed_memory_back()
print(full, kept, resident())
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_freed_memory_is_kept_until_it_is_given_back() -> None:
    """Also what is freed before something that is still in use."""
    done = subprocess.run([sys.executable, "-c", _USE], capture_output=True, text=True, check=True)
    full, kept, left = map(int, done.stdout.split())
    assert kept > full - 32 * 2**20
    assert left < full - 192 * 2**20

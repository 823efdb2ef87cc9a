"""The shipped Transformer without its KV cache, for comparison: exported once, by the project's own export."""

import subprocess
import sys
from pathlib import Path

from loadtest.driven import WITHOUT_CACHE

_CHECKPOINT = Path("checkpoints/transformer-en-fr")
_NAME = f"transformer-{WITHOUT_CACHE}-en-fr"


class ExportFailed(Exception):
    """The model could not be exported; the message is one line."""


def without_cache_repository(folder: Path, *, quickly: bool) -> Path:
    """A model repository below a folder, with the model: int8 as the shipped ones, which takes minutes and the corpora
    that int8 is calibrated with; else, or `quickly`, fp32. Raises ExportFailed."""
    int8, fp32 = (folder / precision for precision in ("int8", "fp32"))
    error = "" if _is_made(int8) or quickly else _export(int8)
    if _is_made(int8) and not error:
        return int8
    if not _is_made(fp32):
        error = _export(fp32)
        if error:
            raise ExportFailed(f"{_NAME}: {error}")
    return fp32


def _is_made(repository: Path) -> bool:
    made = repository / _NAME / "1" / "model.json"
    return made.exists() and made.stat().st_mtime > max(file.stat().st_mtime for file in _CHECKPOINT.iterdir())


def _export(repository: Path) -> str:
    """The last line of what the export complains of; empty if it succeeds."""
    precision = repository.name
    print(f"once: exporting {_NAME} as {precision}", flush=True)
    command = [sys.executable, "-m", "export", str(_CHECKPOINT), str(repository / _NAME / "1")]
    command += [f"--precision={precision}", "--without-cache", "--replace"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stderr.strip().splitlines() or ["the export failed"])[-1] if done.returncode else ""

"""The folder of a training: what it writes there, and what it resumes from.

config.toml  tokenizer.model  model.safetensors      the finished model, which `models.checkpoint` loads
SHA256SUMS                                           of these three, when the model is finished
config.until-<step>.toml                             where the run was gone on with by another recipe: the one before
metrics.jsonl  curves.png                            how it was trained
resume.pt  snapshots/<step>.safetensors              where training goes on; a release does not have them
"""

import fcntl
import json
from pathlib import Path
from typing import Any, TextIO

import torch

from models.checkpoint import CHECKSUMS, METRICS, CheckpointError, read_metrics
from models.config import Config, load_config
from models.curves import plot_curves


class RunFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: TextIO | None = None

    def check(self, config: Config, tokenizer: Path) -> None:
        """Raises CheckpointError where the folder holds another model, or one that cannot be gone on with."""
        earlier = self.path / "config.toml"
        if earlier.exists():
            before = load_config(earlier)
            if (before.architecture, before.model) != (config.architecture, config.model):
                raise CheckpointError(f"{self.path} holds another model ({earlier}): choose another --run")
        own = self.path / "tokenizer.model"
        if own.exists() and own.read_bytes() != tokenizer.read_bytes():
            raise CheckpointError(f"{own} is not {tokenizer}: choose another --run")
        if self.model.exists() and not self.resume_point.exists():
            raise CheckpointError(f"{self.path} holds a finished model, and no resume point: choose another --run")
        if read_metrics(self.path) and not self.resume_point.exists():
            raise CheckpointError(
                f"{self.path} holds a training's {METRICS}, and no resume point: choose another --run, or remove it"
            )

    def open(self) -> None:
        """Make the folder, and keep others out: two trainings would mix their results. Raises CheckpointError."""
        (self.path / "snapshots").mkdir(parents=True, exist_ok=True)
        self._lock = (self.path / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise CheckpointError(f"{self.path}: another training is running there") from error

    def close(self) -> None:
        if self._lock:
            self._lock.close()

    def describe(self, config: Path, tokenizer: Path, step: int) -> None:
        """Keep what the model is made with, from `step` on; an earlier config that was another is kept as well."""
        own = self.path / "config.toml"
        text = config.read_bytes()
        phase = self.path / f"config.until-{step}.toml"
        if step and own.exists() and own.read_bytes() != text and not phase.exists():  # else `own` was never trained by
            own.rename(phase)
        if not own.exists() or own.read_bytes() != text:
            (self.path / CHECKSUMS).unlink(missing_ok=True)  # of a model that was finished with the earlier recipe
        own.write_bytes(text)
        (self.path / "tokenizer.model").write_bytes(tokenizer.read_bytes())

    def snapshot(self, step: int) -> Path:
        return self.path / "snapshots" / f"{step}.safetensors"

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def resume_point(self) -> Path:
        return self.path / "resume.pt"

    def save_resume_point(self, point: dict[str, Any]) -> None:
        unfinished = self.resume_point.with_suffix(".part")
        torch.save(point, unfinished)
        unfinished.replace(self.resume_point)

    def load_resume_point(self) -> dict[str, Any] | None:
        """What training resumes from; None where nothing was kept. Raises CheckpointError for a damaged file."""
        if not self.resume_point.exists():
            return None
        try:
            point: dict[str, Any] = torch.load(self.resume_point, map_location="cpu", weights_only=True)
        except OSError as error:
            raise CheckpointError(f"{self.resume_point}: {error}") from error
        except Exception as error:  # torch.load raises whatever the damaged pickle provokes, with advice on other cases
            raise CheckpointError(
                f"{self.resume_point} is damaged, and the training cannot go on from it: remove {self.path} to begin "
                "anew, or choose another --run"
            ) from error
        return point

    def check_snapshots(self, steps: list[int]) -> None:
        """Raises CheckpointError where a snapshot is missing, from which the final model would be made."""
        missing = [str(self.snapshot(step)) for step in steps if not self.snapshot(step).is_file()]
        if missing:
            raise CheckpointError(
                f"{self.resume_point} needs {', '.join(missing)}: put it back, or choose another --run"
            )

    def keep_snapshots(self, steps: list[int]) -> None:
        """Delete every snapshot but those of the given steps."""
        for path in (self.path / "snapshots").glob("*.safetensors"):
            if int(path.stem) not in steps:
                path.unlink()

    def record(self, metrics: dict[str, Any]) -> None:
        """Write one more line of metrics, and the plot of all lines."""
        path = self.path / "metrics.jsonl"
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(metrics) + "\n")
        plot_curves(path, self.path / "curves.png")

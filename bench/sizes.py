"""Models that servers are loaded with: the shipped Transformer, and one of OPUS-MT's size, also with shortlists."""

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import made
from bench.plan import Plan
from loadtest.running_server import serve_command


@dataclass(frozen=True)
class Size:
    title: str
    suffix: str
    """Of the names of ratios."""
    model: str
    repository: Callable[[Plan], Path]
    """Made where it is not there."""
    ctranslate2: Callable[[Plan], Path]
    """Folder of the same weights for CTranslate2, in int8."""
    first_rate: float
    """Calls a second that the slowest server holds."""
    searched_rate: float
    """Calls a second near what servers hold, at which settings begin to differ."""
    is_listed: bool = False
    """Whether sentences are translated with shortlists, which CTranslate2 calls a vocabulary map."""

    @property
    def is_large(self) -> bool:
        return self.model == made.OPUS_SIZE

    def our_command(self, plan: Plan, *flags: str) -> list[str]:
        return serve_command(f"--model-repository={self.repository(plan)}", f"--default-model={self.model}", *flags)

    def their_command(self, plan: Plan, *flags: str) -> list[str]:
        listed = ["--use-vmap"] * self.is_listed
        return [sys.executable, "-m", "bench.ctranslate2_server", str(self.ctranslate2(plan)), *listed, *flags]


SHIPPED = Size(
    title="our Transformer",
    suffix="",
    model="transformer-en-fr",
    repository=lambda _: Path("model_repository"),
    ctranslate2=lambda plan: made.ctranslate2(plan.folder, "int8"),
    first_rate=150.0,
    searched_rate=1000.0,
)
OPUS_SIZE = Size(
    title="OPUS-MT's size",
    suffix="_opus_size",
    model=made.OPUS_SIZE,
    repository=lambda plan: made.opus_size(plan.folder, plan.data).repository,
    ctranslate2=lambda plan: made.opus_size(plan.folder, plan.data).ctranslate2,
    first_rate=40.0,
    searched_rate=80.0,
)
OPUS_SIZE_LISTED = dataclasses.replace(
    OPUS_SIZE, title="OPUS-MT's size with shortlists", suffix="_opus_size_listed", is_listed=True
)

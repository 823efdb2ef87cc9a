"""BLEU of models, for the charts that have it beside latency."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Quality:
    """BLEU of one test set, by model and decoding."""

    source: str
    """Name of the file that it is from."""
    test_set: str
    bleu: dict[tuple[str, int], float]
    """By a model's name and its beam's size, 1 for greedy decoding."""

    def of(self, model: str, decoding: dict[str, object]) -> float | None:
        """BLEU of a model with decoding options; None where it was not measured, or options other than the beam's size
        may change it."""
        if decoding.keys() - {"beam_size"}:
            return None
        size = decoding.get("beam_size", 1)
        return self.bleu.get((model, size or 1)) if isinstance(size, int) else None


def read_quality(path: Path) -> Quality:
    """Read the Markdown table of docs/quality.md, with the columns system, test set, decoding and BLEU, which may stand
    amid other text. Of its test sets, the first is taken.

    Raises OSError, or ValueError where there is no such table.
    """
    bleu: dict[tuple[str, int], float] = {}
    test_set = system = current = ""
    columns: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            columns = []
        elif cells[:3] == ["system", "test set", "decoding"] and "BLEU" in cells:
            columns = cells
        elif columns and len(cells) == len(columns) and not set(line) <= set("|- :"):
            system, current = cells[0] or system, cells[1] or current
            test_set = test_set or current
            size = _beam_size(cells[2])
            if current == test_set and size is not None:
                bleu[system, size] = float(cells[columns.index("BLEU")].split()[0])
    if not bleu:
        raise ValueError(f"{path}: a table expected with the columns system, test set, decoding, BLEU")
    return Quality(path.name, test_set, bleu)


def _beam_size(decoding: str) -> int | None:
    """From `greedy` or `beam 5`; None of anything else."""
    name, _, size = decoding.partition(" ")
    return 1 if decoding == "greedy" else int(size) if name == "beam" and size.isdecimal() else None

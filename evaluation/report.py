"""What the measurement says: a table in Markdown, and the bars that were missed."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evaluation.measure import Row

MAX_FAULTS_SHOWN = 5
"""Of each row."""


class Finding(NamedTuple):
    """A row and what was measured."""

    model: str
    decoding: str
    test_set: str
    row: Row

    @property
    def name(self) -> str:
        return f"{self.model}, {self.decoding}, {self.test_set}, {self.row.variant}"


LEGEND = """In each cell: BLEU, and in brackets its difference from that of the same sentences as they are. Then how
many contents are wrong beyond doubt, if any; of joined sentences, how many contents are translated
exactly as their sentences alone, where not all are parted into them; of spans, how far they are from
their place, as a share of the sentence; of HTML, how many of the tagged words are aligned to tagged
words, how many of such words are tagged, and how many elements lost theirs."""


def table(findings: Sequence[Finding]) -> str:
    """A row for each variant of each test set, a column for each model and decoding."""
    systems = list(dict.fromkeys(f"{finding.model}, {finding.decoding}" for finding in findings))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for finding in findings:
        row = cells.setdefault((finding.test_set, finding.row.variant), {})
        row[f"{finding.model}, {finding.decoding}"] = _cell(finding.row)
    lines = [f"| test set | contents | {' | '.join(systems)} |", "|---" * (len(systems) + 2) + "|"]
    for (test_set, variant), row in cells.items():
        lines.append(f"| {test_set} | {variant} | {' | '.join(row.get(system, '') for system in systems)} |")
    return "\n".join([*lines, "", LEGEND])


def missed(findings: Sequence[Finding]) -> list[str]:
    """Lines that say which bars were missed, and by what contents. None where all were met."""
    return [line for finding in findings if finding.row.is_missed for line in _missed(finding)]


def html_pairs(pairs: Sequence[tuple[str, str]]) -> str:
    """Contents and their translations one below the other, numbered, for a reader who judges them."""
    return "\n".join(f"{n}.\n{content}\n{translation}\n" for n, (content, translation) in enumerate(pairs, 1))


def _missed(finding: Finding) -> Iterator[str]:
    row = finding.row
    share = f"{len(row.faults)} of {row.num_checked} wrong"
    yield f"{finding.name}: {row.difference:+z.2f} BLEU (-{row.max_loss} may be), {share}"
    for fault in row.faults[:MAX_FAULTS_SHOWN]:
        yield f"  {fault.content!r}\n  -> {fault.translation!r}\n     {fault.what}"


def _cell(row: Row) -> str:
    parts = [f"{row.bleu:.1f} ({row.difference:+z.2f})"]
    if row.faults:
        parts.append(f"{len(row.faults)} of {row.num_checked} wrong")
    return "; ".join([*parts, row.remark] if row.remark else parts)

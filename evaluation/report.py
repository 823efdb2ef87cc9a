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


def table(findings: Sequence[Finding]) -> str:
    lines = [
        "| model | decoding | test set | contents | BLEU, plain | BLEU | difference | right | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for model, decoding, test_set, row in findings:
        right = "-"
        if row.num_checked:
            right = f"{(row.num_checked - len(row.faults)) / row.num_checked:.1%} of {row.num_checked}"
        lines.append(
            f"| {model} | {decoding} | {test_set} | {row.variant} | {row.plain:.1f} | {row.bleu:.1f} "
            f"| {-row.loss:+z.2f} | {right} | {row.remark} |"
        )
    return "\n".join(lines)


def missed(findings: Sequence[Finding]) -> list[str]:
    """Lines that say which bars were missed, and by what contents. None where all were met."""
    return [line for finding in findings if finding.row.is_missed for line in _missed(finding)]


def html_pairs(pairs: Sequence[tuple[str, str]]) -> str:
    """Contents and their translations one below the other, numbered, for a reader who judges them."""
    return "\n".join(f"{n}.\n{content}\n{translation}\n" for n, (content, translation) in enumerate(pairs, 1))


def _missed(finding: Finding) -> Iterator[str]:
    row = finding.row
    share = f"{len(row.faults)} of {row.num_checked} wrong"
    yield f"{finding.name}: {-row.loss:+z.2f} BLEU (-{row.max_loss} may be), {share}"
    for fault in row.faults[:MAX_FAULTS_SHOWN]:
        yield f"  {fault.content!r}\n  -> {fault.translation!r}\n     {fault.what}"

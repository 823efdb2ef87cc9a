"""What a run has found, to be read: one HTML page, the same in Markdown with its charts beside it, and CSV files.

Everything is computed from records; nothing here knows gRPC, Locust or the server.

    findings    records, combined over rounds into points (points.py), with their knees (knees.py) and BLEU (quality.py)
    decision    which architecture to take when, in words
    *_sections  findings become sections: paragraphs, tables and charts (parts.py, charts.py, svg.py)
    *_page      sections become files
"""

from collections.abc import Sequence
from pathlib import Path

from loadtest.records import Record
from loadtest.report.cost_sections import beam_section, closed_section, engine_section, quality_section
from loadtest.report.csv_files import write_csv_files
from loadtest.report.decision import advise
from loadtest.report.findings import Findings
from loadtest.report.html_page import html_page
from loadtest.report.latency_sections import (
    distribution_section,
    knee_table,
    length_section,
    rate_charts,
    rate_section,
    stream_section,
)
from loadtest.report.markdown_page import markdown_page
from loadtest.report.parts import Section
from loadtest.report.quality import Quality, read_quality
from loadtest.report.svg import standalone
from loadtest.report.trust_sections import doubt_section, error_section, machine_section, noise_words, server_section

__all__ = ["Quality", "read_quality", "write_report"]

_TITLE = "Load: what each architecture costs, and when it breaks"
_TERMS = (
    "p50 and p99: half of the calls, and 99 of 100, are answered within that time. BLEU: how close translations come "
    "to those of people; more is better. A model holds a rate while 99 of 100 calls are answered within 250 ms "
    "and 999 of 1,000 succeed."
)
_CHARTS = "load"
"""Folder of the Markdown page's charts, beside it."""


def write_report(records: Sequence[Record], folder: Path, quality: Quality | None = None) -> None:
    """Write report.html, report.md with the folder of its charts, and the CSV files.

    Without `quality` there is no chart of BLEU, and advice goes by latency alone. Raises ValueError without records.
    """
    if not records:
        raise ValueError("a report needs at least one record")
    findings = Findings(records, quality)
    page = _TITLE, _about(findings), advise(findings), _head(findings), _sections(findings)
    (folder / _CHARTS).mkdir(parents=True, exist_ok=True)
    for section in (page[3], *page[4]):
        for chart in section.charts:
            (folder / _CHARTS / f"{chart.name}.svg").write_text(standalone(chart.svg), encoding="utf-8")
    (folder / "report.html").write_text(html_page(*page), encoding="utf-8")
    (folder / "report.md").write_text(markdown_page(*page, f"{_CHARTS}/"), encoding="utf-8")
    write_csv_files(findings, folder)


def _about(findings: Findings) -> str:
    """What was measured on, and how quiet that was."""
    machine = findings.records[0].machine
    commit = f", commit {machine.commit}" if machine.commit else ""
    one = findings.main
    compared = f"Compared: workload {one.workload}, {one.method} calls, {one.decoding_words}." if one else ""
    return f"{machine.processor}, {machine.cores} cores{commit}. {noise_words(findings)} {compared} {_TERMS}"


def _head(findings: Findings) -> Section:
    """What stands on the first screen, below the advice; without open loops there are no knees."""
    if not findings.main_knees:
        return Section("", ["No calls were offered at a rate (open loop), so that there are no knees."])
    return Section("", charts=rate_charts(findings), tables=[knee_table(findings)], tables_first=True)


def _sections(findings: Findings) -> list[Section]:
    has_rates = bool(findings.main_knees)
    sections = [
        quality_section(findings),
        rate_section(findings) if has_rates else None,
        distribution_section(findings) if has_rates else None,
        length_section(findings),
        stream_section(findings),
        beam_section(findings),
        engine_section(findings),
        closed_section(findings),
        server_section(findings),
        error_section(findings),
        doubt_section(findings),
        machine_section(findings),
    ]
    return [section for section in sections if section]

from pathlib import Path

import pytest

from bench.findings import Findings, Line, Plot, Table
from bench.goals import GOALS, Goal
from bench.html_report import goals_table, text_table, write_html


def findings(**ratios: float) -> Findings:
    plot = Plot("A < B", "x", "y", [Line("one", [1, 2], [3.0, 4.0])], limit=3.5)
    return Findings("Section", "What & how", ratios, {}, [Table("T", ["name", "value"], [["<a>", 1.0]])], [plot])


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (Goal("", 1.5, at_least=True), 1.5, True),
        (Goal("", 1.5, at_least=True), 1.49, False),
        (Goal("", 0.9, at_least=False), 0.9, True),
        (Goal("", 0.9, at_least=False), 0.91, False),
    ],
)
def test_a_goal_is_met_at_its_bound(goal: Goal, value: float, met: bool) -> None:
    assert goal.met(value) is met


def test_every_ratio_stands_beside_its_goal() -> None:
    rows = goals_table([findings(resident_mb=100.0), findings(offline_greedy_int8=1.0, other=3.0)]).rows
    assert [list(row[:4]) for row in rows] == [
        ["resident_mb", 100.0, "at most 350", "met"],
        ["offline_greedy_int8", 1.0, "at least 1.5", "missed"],
        ["other", 3.0, "", ""],
    ]


def test_the_page_has_everything_and_escapes_it(tmp_path: Path) -> None:
    write_html(tmp_path / "page.html", {"cores": 2}, [findings(resident_mb=400.0)])
    page = (tmp_path / "page.html").read_text()
    for part in ("cores: 2", "<svg", "What &amp; how", "&lt;a&gt;", "class='missed'", GOALS["resident_mb"].text):
        assert part in page
    assert "<a>" not in page


def test_columns_of_the_console_are_aligned() -> None:
    lines = text_table(Table("T", ["", "value"], [["short", 12345.6], ["much longer", 0.5]])).splitlines()
    assert lines == ["T", "             value", "short        12346", "much longer  0.500"]

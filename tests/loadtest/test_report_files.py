"""The files of a report on a whole run, synthetic but complete."""

import csv
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from loadtest.records import Record
from loadtest.report import Quality, write_report
from loadtest.report.html_page import html_page
from loadtest.report.parts import Section, Table
from loadtest.report.svg import DARK, LIGHT
from tests.loadtest.synthetic import Behaviour, case, drawn, exact

BEHAVIOURS = {
    "rnn": Behaviour(2400, 0.05),
    "transformer": Behaviour(900, 0.2, 0.001),
    "transformer-without-cache": Behaviour(300, 0.25, 0.03),
}
QUALITY = Quality("quality.md", "flickr", {("rnn-en-fr", 1): 11.0, ("transformer-en-fr", 1): 57.0})


def whole_run() -> Iterator[Record]:
    generator = np.random.default_rng(1)
    for number in range(2):
        for name, behaviour in BEHAVIOURS.items():
            for rate in (50, 400, 1900):
                yield drawn(case(name), behaviour, rate, number, generator, seconds=1.0)
            for users in (1, 4):
                yield drawn(case(name), behaviour, users, number, generator, is_closed=True, seconds=1.0)
            yield drawn(case(name, {"beam_size": 4}), behaviour, 50, number, generator)
            stream = replace(case(name), name=f"{name} stream", method="stream")
            yield drawn(stream, behaviour, 50, number, generator)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report([*whole_run()], folder, QUALITY)
    return folder


class Page(HTMLParser):
    """Ids, references to other files, and tags that were not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()


def test_the_page_needs_no_other_file_and_its_ids_are_its_own(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids)) > 100
    assert all(reference.startswith("#") and reference[1:] in page.ids for reference in page.references)
    assert "url(http" not in text
    assert "<script" not in text


def test_the_page_has_every_section_and_the_advice_stands_first(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles == [
        "What quality costs",
        "Latency against the offered rate",
        "The whole distribution",
        "Latency against source length",
        "Streams: first text, and between texts",
        "What a beam costs",
        "The engine&#x27;s work",
        "A fixed number of users",
        "The client&#x27;s numbers against the server&#x27;s",
        "Errors",
        "Not believed",
        "The machine, and how noisy it was",
    ]
    assert (
        0
        < text.index("50 sentences a second")
        < text.index("1,500 sentences a second")
        < text.index("The knee of each")
    )
    assert text.index("The knee of each") < text.index("<figure>") < text.index("<h2>")


def test_charts_take_the_page_s_colours_and_differ_without_colour(folder: Path) -> None:
    chart = (folder / "load" / "p99.svg").read_text(encoding="utf-8")
    assert "currentColor" in chart
    assert not set(re.findall(r"(?:fill|stroke): (#\w+)", chart)) - {"#ffffff"}
    assert len(set(re.findall(r"stroke-dasharray: ([^;\"]+)", chart))) >= 3  # two models and the limit
    assert {f"var(--series-{number})" for number in range(3)} <= set(re.findall(r"var\(--series-\d\)", chart))
    assert all(color in chart for color in (*LIGHT, *DARK))
    assert ">250 ms</text>" in chart


def test_every_chart_is_a_file_of_its_own_that_the_markdown_page_shows(folder: Path) -> None:
    shown = re.findall(r"!\[.+?\]\((.+?)\)", (folder / "report.md").read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(f"load/{path.name}" for path in (folder / "load").iterdir())
    assert len(shown) == 14
    for name in shown:
        root = ElementTree.parse(folder / name).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.get("aria-label")


def test_two_reports_on_the_same_records_are_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_report([*whole_run()], tmp_path, QUALITY)
    for path in folder.rglob("*.*"):
        assert (tmp_path / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_numbers_of_the_csv_files_are_those_of_the_records(tmp_path: Path) -> None:
    records = [
        exact(case("rnn"), rate, 7.0 if rate < 200 else 400.0, number) for rate in (50, 200) for number in (0, 1)
    ]
    records.append(exact(case("rnn"), 50, [7.0], 2, {"INTERNAL": 3}, saturated="late"))
    write_report(records, tmp_path)

    def rows(name: str) -> list[dict[str, str]]:
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            return [*csv.DictReader(file)]

    assert [(row["rate"], row["p99_ms"], row["rounds"], row["bleu"]) for row in rows("points.csv")] == [
        ("50", "7", "2", ""),
        ("200", "400", "2", ""),
    ]
    assert len(rows("rounds.csv")) == 5
    assert [(row["knee"], row["broken_at"]) for row in rows("knees.csv")] == [("50", "200")]
    assert {row["milliseconds"] for row in rows("distributions.csv") if row["rate"] == "50"} == {"7"}
    assert rows("errors.csv") == []


def test_without_quality_there_is_no_chart_of_it(tmp_path: Path) -> None:
    write_report([exact(case("rnn"), 50, 7.0)], tmp_path)
    assert "BLEU beside" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not (tmp_path / "load" / "quality.svg").exists()


def test_a_run_of_closed_loops_alone_is_reported_without_knees(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    write_report([drawn(case("rnn"), BEHAVIOURS["rnn"], 4, 0, generator, is_closed=True)], tmp_path)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "there are no knees" in page
    assert "| rnn: single, unary, greedy | 4 |" in page


@pytest.mark.parametrize(
    "record",
    [
        exact(case("rnn"), 50, [], 0, {"UNAVAILABLE": 9}),
        exact(case("rnn"), 50, [], 0),
        exact(case("rnn"), 50, 7.0, saturated="late"),
        exact(case("<b>&\"'"), 50, 7.0),
        exact(case("rnn", {"sampling": {"temperature": 0.5}}), 50, [3.0]),
    ],
    ids=["all calls failed", "no calls", "not believed", "a strange name", "one call of a sample"],
)
def test_a_run_that_shows_next_to_nothing_is_reported_all_the_same(record: Record, tmp_path: Path) -> None:
    write_report([record], tmp_path, QUALITY)
    assert Page((tmp_path / "report.html").read_text(encoding="utf-8")).open == []
    assert "<b>" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    for path in (tmp_path / "load").iterdir():
        ElementTree.parse(path)


def test_a_report_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one record"):
        write_report([], tmp_path)


def test_columns_of_words_are_flush_left_and_of_numbers_flush_right() -> None:
    table = Table("t", ["name", "number", "words"], [["a", "1,000", "x"], ["b", "-", "7%"]])
    page = html_page("t", "**a** < b", [], Section("", tables=[table]), [])
    assert "<th>number</th><th class='words'>words</th>" in page
    assert "<td>1,000</td><td class='words'>x</td>" in page
    assert "<strong>a</strong> &lt; b" in page

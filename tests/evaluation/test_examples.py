from pathlib import Path

from evaluation.examples import Example, read_examples, table

PAGE = Path(__file__).parents[2] / "docs/texts.md"


def test_the_page_has_the_examples_that_the_command_asks_for() -> None:
    examples = read_examples()
    expected = table(examples, [""] * len(examples)).splitlines()
    page = PAGE.read_text(encoding="utf-8").splitlines()
    found = page[page.index(expected[0]) :][: len(expected)]
    assert found[1] == expected[1]
    assert [line.split(" | ")[:3] for line in found[2:]] == [line.split(" | ")[:3] for line in expected[2:]]
    assert all(line.split(" | ")[3] not in ("", "`` |") for line in found[2:])


def test_a_cell_holds_line_breaks_and_bars() -> None:
    assert table([Example("lines", "a\nb", "c|d")], ["e"]).splitlines()[2] == "| lines | `a↵b` | `c\\|d` | `e` |"

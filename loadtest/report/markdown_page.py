"""The report as a Markdown page, with its charts as files beside it."""

from loadtest.report.parts import Chart, Section, Table


def markdown_page(
    title: str, about: str, advice: list[str], head: Section, sections: list[Section], charts: str
) -> str:
    """`charts`: the folder of the charts, relative to the page, with a slash at its end."""
    parts = [f"# {title}", about]
    parts += ["\n".join(f"- {one}" for one in advice)] if advice else []
    parts += _body(head, charts)
    for section in sections:
        parts += [f"## {section.title}", *_body(section, charts)]
    return "\n\n".join(parts) + "\n"


def _body(section: Section, charts: str) -> list[str]:
    tables = [_table(table) for table in section.tables]
    images = [_image(chart, charts) for chart in section.charts]
    return [*section.paragraphs, *(tables + images if section.tables_first else images + tables)]


def _image(chart: Chart, folder: str) -> str:
    return f"![{chart.title}]({folder}{chart.name}.svg)"


def _table(table: Table) -> str:
    lines = [_row(table.columns), "|---" * len(table.columns) + "|", *map(_row, table.rows)]
    text = "\n".join(lines)
    if table.is_long:
        return f"<details><summary>{table.title}</summary>\n\n{text}\n\n</details>"
    return f"**{table.title}**\n\n{text}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

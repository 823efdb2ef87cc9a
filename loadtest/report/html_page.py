"""The report as one HTML file that needs no other."""

import html
import re

from loadtest.report.parts import Chart, Section, Table
from loadtest.report.svg import DARK, LIGHT, variables

_STYLE = f"""
:root {{ color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --line: #ccc; --shade: #f3f5f7; {variables(LIGHT)} }}
@media screen and (prefers-color-scheme: dark) {{
  :root {{ --ink: #e4e4e4; --paper: #15181c; --line: #444; --shade: #20252b; {variables(DARK)} }}
}}
* {{ box-sizing: border-box }}
body {{ font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 72rem; padding: 1rem }}
h1 {{ font-size: 1.6rem; margin: .2rem 0 }} h2 {{ font-size: 1.25rem; margin: 2.2rem 0 .4rem }}
p {{ max-width: 48rem; margin: .4rem 0 }} .about {{ font-size: .9rem; max-width: none }}
.advice {{ background: var(--shade); border-left: 4px solid currentColor; padding: .6rem 1rem; margin: .8rem 0 }}
.advice ul {{ margin: 0; padding-left: 1.1rem }} li {{ margin: .3rem 0 }}
.charts {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: .5rem 1rem }}
figure {{ margin: .5rem 0; break-inside: avoid }} figcaption {{ font-weight: 600; font-size: .95rem }}
svg {{ display: block; width: 100%; height: auto }} svg text {{ font-family: system-ui, sans-serif !important }}
.wide {{ overflow-x: auto; margin: .5rem 0 }} summary {{ cursor: pointer }}
table {{ border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums }}
.caption, summary {{ font-size: .95rem; font-weight: 600; padding: .3rem 0; margin: .4rem 0 0 }}
th, td {{ border-bottom: 1px solid var(--line); padding: .2rem .6rem; text-align: right; vertical-align: top }}
th:first-child, td:first-child, td.words, th.words {{ text-align: left }} td.words {{ min-width: 11rem }}
thead th {{ vertical-align: bottom }} tbody th {{ font-weight: 500 }}
@media print {{ body {{ max-width: none; font-size: 11pt }} .advice {{ border: 1px solid }} }}
"""

_NUMBER = re.compile(r"[-+]?[\d.,]+%?|-|")


def html_page(title: str, about: str, advice: list[str], head: Section, sections: list[Section]) -> str:
    parts = [
        "<!doctype html>",
        f"<html lang='en'><head><meta charset='utf-8'><title>{html.escape(title)}</title>",
        f"<meta name='viewport' content='width=device-width, initial-scale=1'><style>{_STYLE}</style></head><body>",
        f"<h1>{html.escape(title)}</h1><p class='about'>{_text(about)}</p>",
        f"<div class='advice'><ul>{''.join(f'<li>{_text(one)}</li>' for one in advice)}</ul></div>" if advice else "",
        _body(head),
    ]
    parts += [f"<section><h2>{html.escape(section.title)}</h2>{_body(section)}</section>" for section in sections]
    return "\n".join([*filter(None, parts), "</body></html>"]) + "\n"


def _body(section: Section) -> str:
    paragraphs = "".join(f"<p>{_text(paragraph)}</p>" for paragraph in section.paragraphs)
    tables = [*map(_table, section.tables)]
    charts = f"<div class='charts'>{''.join(map(_figure, section.charts))}</div>" if section.charts else ""
    return "\n".join([paragraphs, *([*tables, charts] if section.tables_first else [charts, *tables])])


def _figure(chart: Chart) -> str:
    return f"<figure><figcaption>{html.escape(chart.title)}</figcaption>{chart.svg}</figure>"


def _table(table: Table) -> str:
    words = [any(not _NUMBER.fullmatch(row[column]) for row in table.rows) for column in range(len(table.columns))]
    head = "".join(
        f"<th{_class(is_words)}>{html.escape(name)}</th>" for name, is_words in zip(table.columns, words, strict=True)
    )
    body = "".join(f"<tr>{_row(row, words)}</tr>" for row in table.rows)
    head = f"<thead><tr>{head}</tr></thead>" if any(table.columns) else ""
    if table.is_long:
        rows = f"<table>{head}<tbody>{body}</tbody></table>"
        return f"<details class='wide'><summary>{html.escape(table.title)}</summary>{rows}</details>"
    title = html.escape(table.title)
    rows = f"<table aria-label='{title}'>{head}<tbody>{body}</tbody></table>"
    return f"<p class='caption'>{title}</p><div class='wide'>{rows}</div>"


def _row(cells: list[str], words: list[bool]) -> str:
    first = f"<th scope='row'>{html.escape(cells[0])}</th>"
    rest = zip(cells[1:], words[1:], strict=True)
    return first + "".join(f"<td{_class(is_words)}>{html.escape(cell)}</td>" for cell, is_words in rest)


def _class(is_words: bool) -> str:
    return " class='words'" if is_words else ""


def _text(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(text))

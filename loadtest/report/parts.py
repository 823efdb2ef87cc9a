"""What a report consists of, whatever it is written as."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    title: str
    columns: list[str]
    rows: list[list[str]]
    """The first cell names the row."""
    is_long: bool = False
    """Whether it is for those who look something up: pages show it folded."""


@dataclass(frozen=True)
class Chart:
    name: str
    """Stem of its file's name."""
    title: str
    svg: str
    """An `<svg>` element with the page's colours: `currentColor`, and the variables `--series-0` and following."""


@dataclass(frozen=True)
class Section:
    """Texts are plain, but for `**` around what matters."""

    title: str
    paragraphs: list[str] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    tables_first: bool = False
    """Whether tables stand above the charts."""

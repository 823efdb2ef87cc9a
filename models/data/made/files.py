"""The text files of the package: one entry a line, columns between ` | `, blank lines and lines with `#` skipped."""

from pathlib import Path

FOLDER = Path(__file__).parent


def read_rows(name: str) -> list[list[str]]:
    """The rows of one file, or of all files of a folder in the order of their names; `name` is in this package."""
    path = FOLDER / name
    paths = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    lines = [line for each in paths for line in each.read_text(encoding="utf-8").splitlines()]
    return [[column.strip() for column in line.split("|")] for line in lines if line.strip() and line[0] != "#"]


def read_pairs(name: str) -> list[tuple[str, str]]:
    """The English-French rows of a file or folder, without doubles. Raises ValueError for a row not of two columns."""
    pairs = []
    for row in read_rows(name):
        if len(row) != 2 or not all(row):
            raise ValueError(f"{name}: English | French expected, got {' | '.join(row)!r}")
        pairs.append((row[0], row[1]))
    return list(dict.fromkeys(pairs))

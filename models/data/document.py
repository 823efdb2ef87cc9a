"""The table of all corpora in docs/data.md, made from `sources.toml`.

python -m models.data.document      # writes it again
"""

from pathlib import Path

from models.data.corpora import Source, all_sources

DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"
START, END = "<!-- made by models.data.document -->\n", "<!-- end -->\n"

_SHORT_COMMIT = 10
"""Digits of a commit that are shown."""


def main() -> None:
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8"), all_sources()), encoding="utf-8")
    print(f"wrote {DOCUMENT}")


def with_table(document: str, sources: dict[str, Source]) -> str:
    """The document with the table between its two marks made anew."""
    before, _, rest = document.partition(START)
    return f"{before}{START}{make_table(sources)}{END}{rest.partition(END)[2]}"


def make_table(sources: dict[str, Source]) -> str:
    rows: list[tuple[str, ...]] = [("corpus", "what", "domain", "parts", "licence", "asks for", "to be named", "from")]
    rows.append(("---",) * len(rows[0]))
    rows += [_row(name, source) for name, source in sources.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(name: str, source: Source) -> tuple[str, ...]:
    return (
        name,
        source.title,
        source.domain,
        ", ".join(source.parts),
        source.licence,
        ", ".join(source.terms) or "-",
        source.attribution or "-",
        _origin(source),
    )


def _origin(source: Source) -> str:
    if source.origin is None:
        return f"a local folder only: {source.local_only}"
    origin = source.origin
    places = [(origin.url, origin.commit)]
    if origin.english_url:
        places.append((origin.english_url, origin.english_commit))
    return ", ".join(_link(url, commit) for url, commit in places) + f" ({origin.format})"


def _link(url: str, commit: str) -> str:
    name = url.partition("://")[2].removeprefix("github.com/")
    return f"[{name}@{commit[:_SHORT_COMMIT]}]({url}/tree/{commit})" if commit else f"[{name}]({url})"


if __name__ == "__main__":
    main()

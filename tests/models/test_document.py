from models.data.corpora import all_sources
from models.data.document import DOCUMENT, END, START, make_table, with_table


def test_the_document_is_current() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert with_table(document, all_sources()) == document, "run: python -m models.data.document"


def test_every_corpus_has_a_row_of_as_many_cells_as_the_head() -> None:
    head, _, *rows = make_table(all_sources()).splitlines()
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [*all_sources()]
    assert {row.count("|") for row in rows} == {head.count("|")}


def test_only_the_table_is_written_again() -> None:
    document = f"# Title\n\n{START}| old |\n{END}\nText\n"
    made = with_table(document, {})
    assert made.startswith(f"# Title\n\n{START}| corpus |")
    assert made.endswith(f"{END}\nText\n")
    assert "old" not in made
    assert with_table(made, {}) == made

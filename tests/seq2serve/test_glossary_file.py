"""Glossary files, as the command line and the server's model repository read them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2serve.glossary_file import MAX_TERM_CHARACTERS, parse_glossary, read_glossary_file


def test_a_file_has_a_term_and_its_translation_in_each_line(tmp_path: Path) -> None:
    path = tmp_path / "glossary.tsv"
    path.write_bytes(b"black cat\tchat noir\n dog \t chien \n")
    assert read_glossary_file(path) == [("black cat", "chat noir"), ("dog", "chien")]


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        read_glossary_file(tmp_path / "glossary.tsv")


@pytest.mark.parametrize(
    "data",
    [
        b"cat\tchat\ndog\tchien",
        b"cat\tchat\r\ndog\tchien\r\n",
        b"cat\tchat\rdog\tchien\r",
        b"\xef\xbb\xbfcat\tchat\ndog\tchien\n",
        b"# animals\twith a tab\n\n  \n \t \ncat\tchat\n#\ndog\tchien\n\n",
        b"\xef\xbb\xbf# animals\ncat\tchat\ndog\tchien\n",
        "\u00a0cat \t\u3000chat\ndog\tchien".encode(),
    ],
    ids=["no last line end", "CRLF", "CR", "byte order mark", "comments and blank lines", "mark and comment", "spaces"],
)
def test_lines_are_read_whatever_stands_around_them(data: bytes) -> None:
    assert parse_glossary(data) == [("cat", "chat"), ("dog", "chien")]


@pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf", b"# nothing"])
def test_a_file_without_terms_is_a_glossary_without_terms(data: bytes) -> None:
    assert parse_glossary(data) == []


def test_only_line_ends_end_a_line() -> None:
    assert parse_glossary("a\u2028b\tc\x0cd\u0085e\n".encode()) == [("a\u2028b", "c\x0cd\u0085e")]


def test_quotation_marks_and_number_signs_are_text() -> None:
    assert parse_glossary(b'"cat"\t"chat"\nC#\tC# 2\n') == [('"cat"', '"chat"'), ("C#", "C# 2")]


def test_of_lines_with_the_same_source_term_the_last_one_counts() -> None:
    assert parse_glossary(b"cat\tchat\ndog\tchien\n cat\tminou\n") == [("cat", "minou"), ("dog", "chien")]


@pytest.mark.parametrize(
    "line",
    [
        "cat",
        "cat chat",
        "cat\t",
        "\tchat",
        "cat\tchat\tnoun",
        " \tchat",
        "cat\t ",
        "cat,chat",
        "\u200b\tchat",
        "cat\t\u00ad",
    ],
)
def test_a_line_of_another_form_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(ValueError, match=r"^line 4: a source term, a tab and a target term expected, got ") as refused:
        parse_glossary(f"# animals\r\n\r\ndog\tchien\r\n{line}\r\nbird\toiseau\r\n".encode())
    assert repr(line) in str(refused.value)


@pytest.mark.parametrize("line", ["{}\tchat", "cat\t{}"])
def test_a_term_that_is_too_long_is_refused_by_its_line_s_number(line: str) -> None:
    longest = "é" * MAX_TERM_CHARACTERS
    assert parse_glossary(line.format(longest).encode())
    with pytest.raises(ValueError, match=r"^line 2: terms of at most 200 characters expected, got one of 201$"):
        parse_glossary(("dog\tchien\n" + line.format(longest + "é")).encode())


def test_no_more_of_a_line_is_quoted_than_can_be_read() -> None:
    with pytest.raises(ValueError, match=r"^line 1: ") as refused:
        parse_glossary(b"x" * 5000)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_line_that_is_not_utf_8_is_refused_by_its_number(encoding: str) -> None:
    with pytest.raises(ValueError, match=r"^line [12]: UTF-8 expected, got ") as refused:
        parse_glossary("cat\tchat\nchild\tbébé\n".encode(encoding))
    assert str(refused.value).startswith("line 2" if encoding == "latin-1" else "line 1")


terms = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=9).filter(
    lambda term: term[0] != "#"
)


@given(st.dictionaries(terms, terms), st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_is_read_again(entries: dict[str, str], line_end: str) -> None:
    lines = "".join(f"{source}\t{target}{line_end}" for source, target in entries.items())
    assert dict(parse_glossary(lines.encode())) == entries

import os
from collections.abc import Iterator
from itertools import chain, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2serve.lines import (
    HTML_CUTS,
    BadLine,
    Batch,
    Line,
    argument_lines,
    calls_of,
    chunks,
    cut,
    read_lines,
    whole_texts,
)

BOM = b"\xef\xbb\xbf"
few_examples = settings(max_examples=60, deadline=None)
file_contents = st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b"a b. ", b"\xff", BOM, b" ", "é".encode()])).map(
    b"".join
)
texts = st.lists(st.sampled_from(["\n", ". ", " ", "\t", "a", "bcdef", "é😊", "\r\n", "</p>", "。"])).map("".join)


def lines_of(data: bytes) -> list[Line]:
    return list(chain.from_iterable(batches_of(data)))


def batches_of(*parts: bytes) -> Iterator[Batch]:
    """What is read where the parts are written one after the other, each when the one before has been read."""
    reader, writer = os.pipe()
    batches = read_lines(reader, "pipe")
    try:
        for part in parts[:-1]:
            os.write(writer, part)
            yield next(batches)
        os.write(writer, parts[-1])
        os.close(writer)
        yield from batches
    finally:
        os.close(reader)


@few_examples
@given(file_contents)
def test_lines_put_together_are_the_file_and_each_ends_with_the_only_newline_in_it(data: bytes) -> None:
    lines = lines_of(data)
    assert b"".join(line.raw for line in lines) == data
    assert all(line.raw.endswith(b"\n") and line.raw.count(b"\n") == 1 for line in lines[:-1])
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))


@pytest.mark.parametrize("separator", ["\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\0"])
def test_only_a_newline_ends_a_line(separator: str) -> None:
    [line] = lines_of(f"one{separator}two\n".encode())
    assert (line.text, line.end) == (f"one{separator}two", b"\n")


def test_what_is_around_a_line_s_text_is_kept_apart_from_it() -> None:
    first, second, last = lines_of(BOM + b"one\r\n" + BOM + b"two\nthree")
    assert first == Line("pipe", 1, BOM, b"one", b"\r\n")
    assert second == Line("pipe", 2, b"", BOM + b"two", b"\n")
    assert last == Line("pipe", 3, b"", b"three", b"")


def test_lines_that_are_ready_do_not_wait_for_others_nor_for_the_rest_of_one() -> None:
    batches = list(batches_of(b"one\ntwo\nthr", b"ee\n", b"four"))
    assert [[line.body for line in batch] for batch in batches] == [[b"one", b"two"], [b"three"], [b"four"]]


def test_a_line_may_be_longer_than_what_is_read_at_a_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("long") / "long"
    path.write_bytes(b"x" * 1_000_000 + b"\nshort\n")
    descriptor = os.open(path, os.O_RDONLY)
    lines = list(chain.from_iterable(read_lines(descriptor, "long")))
    os.close(descriptor)
    assert [len(line.body) for line in lines] == [1_000_000, 5]


def test_what_cannot_be_read_is_named() -> None:
    descriptor = os.open("/", os.O_RDONLY)
    with pytest.raises(IsADirectoryError) as error:
        next(read_lines(descriptor, "the root"))
    os.close(descriptor)
    assert error.value.filename == "the root"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"caf\xe9 au lait", "UTF-8 expected, got 0xe9 at byte 4: invalid continuation byte"),
        (b"\xed\xa0\x80", "UTF-8 expected, got 0xed at byte 1: invalid continuation byte"),
        (b"cut off \xe2\x82", "UTF-8 expected, got 0xe2 at byte 9: unexpected end of data"),
    ],
)
def test_a_line_that_is_not_utf_8_says_where(body: bytes, reason: str) -> None:
    with pytest.raises(BadLine, match=f"^{reason}$"):
        _ = Line("file", 1, b"", body, b"\n").text


def test_arguments_are_bytes_again() -> None:
    first, second = argument_lines(["café\nnoir", "caf\udce9"])
    assert (first.text, first.end, first.place) == ("café\nnoir", b"\n", "argument:1")
    assert (second.body, second.place) == (b"caf\xe9", "argument:2")


def test_a_chunk_has_so_many_lines_or_so_many_bytes() -> None:
    short = [Line("file", number, b"", b"x", b"\n") for number in range(1, 151)]
    assert [len(chunk) for chunk in chunks([short], 64)] == [64, 64, 22]
    long = [line._replace(body=b"x" * 9000) for line in short[:5]]
    assert [len(chunk) for chunk in chunks([long, short[:1]], 64)] == [2, 2, 1, 1]
    assert list(calls_of([30_000, 1], 64, int)) == [[30_000], [1]]


@few_examples
@given(file_contents, st.integers(1, 30))
def test_whole_texts_put_together_are_the_file_and_none_is_longer_than_it_may_be(data: bytes, most: int) -> None:
    wholes = list(whole_texts(batches_of(data), most))
    assert all(len(whole) == 1 for whole in wholes)
    assert b"".join(whole.raw for [whole] in wholes) == data
    for [whole] in wholes:
        assert whole.body.count(b"\n") == 0 or len(whole.text) <= most
    assert all(before.last_number + 1 == after.number for [before], [after] in pairwise(wholes))


def test_a_text_is_whole_where_it_may_be_but_for_lines_that_are_not_utf_8() -> None:
    data = BOM + b"one\r\ntwo\n\xff\nthree\nfour"
    wholes = [whole for [whole] in whole_texts(batches_of(data), 100)]
    assert [(whole.number, whole.start, whole.body, whole.end) for whole in wholes] == [
        (1, BOM, b"one\r\ntwo", b"\n"),
        (3, b"", b"\xff", b"\n"),
        (4, b"", b"three\nfour", b""),
    ]


@few_examples
@given(texts, st.integers(1, 20))
def test_pieces_put_together_are_the_text_and_none_but_blank_ones_is_longer_than_it_may_be(
    text: str, most: int
) -> None:
    for pieces in (cut(text, most), cut(text, most, HTML_CUTS)):
        assert "".join(pieces) == text
        assert all(len(piece) <= most or not piece.strip() for piece in pieces)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("A dog runs.", ["A dog runs."]),
        ("A dog runs. A cat", ["A dog runs.", " ", "A cat"]),
        ("Dogs run fast! Cats", ["Dogs run fast!", " ", "Cats"]),
        ("one two three four", ["one two three", " ", "four"]),
        ("one two\t  threefour five", ["one two", "\t  ", "threefour five"]),
        ("one\ntwo. three\nfour five", ["one\ntwo. three", "\n", "four five"]),
        ("x" * 40, ["x" * 16, "x" * 16, "x" * 8]),
        (" " * 40, [" " * 40]),
    ],
)
def test_a_text_is_cut_at_the_end_of_a_line_or_of_a_sentence_or_between_words(text: str, pieces: list[str]) -> None:
    assert cut(text, 16) == pieces


def test_html_is_cut_between_blocks_or_tags() -> None:
    assert cut("<p>One. Two.</p><p>Three.</p>", 22, HTML_CUTS) == ["<p>One. Two.</p>", "<p>Three.</p>"]
    assert cut('<a href="one two">One. Two</a>', 22, HTML_CUTS) == ['<a href="one two">', "One. Two</a>"]


def test_a_long_text_is_cut_in_time_that_grows_with_its_length() -> None:
    assert len(cut("word " * 400_000, 10_000)) == 399

"""Vocabulary files of Marian mean what Marian reads in them, however their pieces are spelled."""

import json
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.checkpoints.imported import ImportProblem
from export.checkpoints.marian_vocabulary import Vocabulary, read_vocabulary
from tests.examples import examples


def read(folder: Path, text: str, num_rows: int = 100, name: str = "vocab.yml") -> Vocabulary:
    path = folder / name
    path.write_bytes(text.encode())
    return read_vocabulary(path, num_rows)


def problems_of(folder: Path, text: str, num_rows: int = 100, name: str = "vocab.yml") -> list[str]:
    with pytest.raises(ImportProblem) as caught:
        read(folder, text, num_rows, name)
    return list(caught.value.problems)


SPECIAL = '"</s>": 0\n<unk>: 1\n'


@pytest.mark.parametrize(
    ("line", "piece"),
    [
        ("~: 2", "~"),
        ("yes: 2", "yes"),
        ("no: 2", "no"),
        ("NULL: 2", "NULL"),
        ("1.0: 2", "1.0"),
        ("007: 2", "007"),
        ("0x1F: 2", "0x1F"),
        ("1_000: 2", "1_000"),
        ("12:30: 2", "12:30"),
        (".inf: 2", ".inf"),
        ("2001-12-14: 2", "2001-12-14"),
        ('"\\x84": 2', "\x84"),
        ('"\\u2028": 2', "\u2028"),
        ('"\\U0001F600": 2', "\U0001f600"),
        ('"\\ud83d\\ude00": 2', "\U0001f600"),
        ('"\\"": 2', '"'),
        ('"\\\\": 2', "\\"),
        ('"\\\\n": 2', "\\n"),
        ('"\\t": 2', "\t"),
        ('"\\_": 2', "\xa0"),
        ('": ": 2', ": "),
        ("'it''s': 2", "it's"),
        ("'\"': 2", '"'),
        ('"\'": 2', "'"),
        ('""": 2', '"'),
        ('": 2', '"'),
        ("': 2", "'"),
        (":: 2", ":"),
        ("-: 2", "-"),
        ("---: 2", "---"),
        ("?: 2", "?"),
        ("? : 2", "?"),
        ('"?": 2', "?"),
        ("#: 2", "#"),
        ("&amp;: 2", "&amp;"),
        ("*: 2", "*"),
        ("!: 2", "!"),
        ("@@: 2", "@@"),
        ("%: 2", "%"),
        ("[: 2", "["),
        ("{: 2", "{"),
        ("▁: 2", "▁"),
        ("▁the: 2", "▁the"),
        (">>fra<<: 2", ">>fra<<"),
        ("\u2028: 2", "\u2028"),
        ("a\x85b: 2", "a\x85b"),
        ("piece:   2  ", "piece"),
        ("piece: 2\r", "piece"),
        ('? "a: b"\n: 2', "a: b"),
        ("? long\n: 2\r", "long"),
        ("? '?'\n:  2", "?"),
    ],
)
def test_a_piece_is_what_it_is_spelled(line: str, piece: str, tmp_path: Path) -> None:
    vocabulary = read(tmp_path, f"{SPECIAL}{line}\nnext: 3\n")
    assert vocabulary.ids == {"</s>": 0, "<unk>": 1, piece: 2, "next": 3}


_SHORT = {"\0": "0", "\t": "t", "\n": "n", "\r": "r", '"': '"', "\\": "\\", "\x85": "N", "\xa0": "_", "\u2028": "L"}


def _double_quoted(piece: str) -> str:
    """As yaml-cpp writes a piece that it quotes."""
    escaped = (
        f"\\{_SHORT[c]}" if c in _SHORT else f"\\x{ord(c):02x}" if ord(c) < 32 or 127 <= ord(c) < 160 else c
        for c in piece
    )
    return f'"{"".join(escaped)}"'


_PIECES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6), unique=True, max_size=8)


@settings(max_examples=60)
@given(_PIECES, st.randoms(use_true_random=False))
def test_quoted_pieces_come_back_whatever_they_are_and_in_any_order(pieces: list[str], random: Random) -> None:
    entries = {"</s>": 0, "<unk>": 1}
    for piece in pieces:
        entries.setdefault(piece, len(entries))
    lines = [f"{_double_quoted(piece)}: {index}" for piece, index in entries.items()]
    random.shuffle(lines)
    with TemporaryDirectory() as folder:
        assert read(Path(folder), "\n".join(lines)).ids == entries
        assert read(Path(folder), json.dumps(entries), name="vocab.json").ids == entries


@examples(2)
@given(st.text(st.sampled_from("ab:\"'\\?#-~ \n\t01{}[],x\u2028"), max_size=30))
def test_whatever_a_file_holds_it_is_read_or_refused(text: str) -> None:
    with TemporaryDirectory() as folder, suppress(ImportProblem):
        assert all(0 <= index < 100 for index in read(Path(folder), text).ids.values())


def test_pieces_beyond_the_models_rows_are_unknown_to_it_and_rows_without_a_piece_stay_empty(tmp_path: Path) -> None:
    vocabulary = read(tmp_path, SPECIAL + "a: 3\nb: 7\nc: 8\n", num_rows=8)
    assert vocabulary.ids == {"</s>": 0, "<unk>": 1, "a": 3, "b": 7}


def test_of_a_piece_that_is_there_twice_the_first_id_counts(tmp_path: Path) -> None:
    assert read(tmp_path, SPECIAL + '</s>: 2\na: 3\n"a": 4\n').ids == {"</s>": 0, "<unk>": 1, "a": 3}


def test_special_pieces_may_have_any_id(tmp_path: Path) -> None:
    vocabulary = read(tmp_path, "a: 0\nb: 1\n</s>: 2\n<unk>: 3\n")
    assert (vocabulary.eos_id, vocabulary.unknown_id) == (2, 3)


@pytest.mark.parametrize("text", ["eos: 0\nUNK: 1\na: 2\n", '{"eos": 0, "UNK": 1, "a": 2}', "a: 2\n"])
def test_special_pieces_may_be_named_as_nematus_does_or_not_at_all(text: str, tmp_path: Path) -> None:
    vocabulary = read(tmp_path, text)
    assert (vocabulary.eos_id, vocabulary.unknown_id) == (0, 1)


def test_a_vocabulary_without_special_pieces_is_refused(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "a: 0\nb: 1\n") == ["vocab.yml: no piece '</s>'", "vocab.yml: no piece '<unk>'"]


def test_comments_blank_lines_marks_of_documents_and_a_byte_order_mark_are_no_pieces(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff---\n# pieces\n\n" + SPECIAL + "\n...\n").ids == {"</s>": 0, "<unk>": 1}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("no id", "line 3: `piece: id` expected, got 'no id'"),
        ("a: b", "line 3: `piece: id` expected, got 'a: b'"),
        ("a: -1", "'a': an id of at least 0 expected, got -1"),
        ("a: 1", "id 1 is given to '<unk>' and to 'a'"),
        ('"\\q": 2', "line 3: an escape of YAML expected, got '\\\\q'"),
        ('"\\x8": 2', "line 3: an escape of YAML expected, got '\\\\x'"),
        ("? a\nb: 2", "line 4: `piece: id` expected, got 'b: 2'"),
        ("? a\n? b\n: 2", "line 4: `piece: id` expected, got '? b'"),
    ],
)
def test_a_line_that_is_no_entry_is_named(line: str, problem: str, tmp_path: Path) -> None:
    assert f"vocab.yml: {problem}" in problems_of(tmp_path, SPECIAL + line + "\n")


def test_of_many_problems_the_first_are_listed(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, SPECIAL + "broken\n" * 1000)
    assert len(problems) == 6
    assert problems[-1] == "vocab.yml: ... and 995 more"


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.yml").write_bytes(b"a: 0\n\xff: 1\n")
    with pytest.raises(ImportProblem, match=r"vocab\.yml: not UTF-8 at byte 5"):
        read_vocabulary(tmp_path / "vocab.yml", 10)


@pytest.mark.parametrize("text", ['{"a": "b"}', '{"a": 1.5}', '{"a": true}', '{"a": {"b": 2}}', '{"a": 1', "{]"])
def test_json_that_is_no_vocabulary_is_refused(text: str, tmp_path: Path) -> None:
    assert problems_of(tmp_path, text, name="vocab.json")[0].startswith("vocab.json: ")


def test_a_text_file_has_one_piece_a_line(tmp_path: Path) -> None:
    vocabulary = read(tmp_path, "<unk>\n</s>\na: 1\n\u2028\r\n", name="vocab.txt")
    assert vocabulary.ids == {"<unk>": 0, "</s>": 1, "a: 1": 2, "\u2028": 3}
    assert (vocabulary.eos_id, vocabulary.unknown_id) == (1, 0)
    assert "vocab.txt: line 2: a piece expected, got nothing" in problems_of(tmp_path, "a\n\nb\n", name="vocab.txt")

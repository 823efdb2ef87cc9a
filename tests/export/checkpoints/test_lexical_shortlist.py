"""Binary shortlists are read as Marian writes them, and refused where they are damaged or another model's."""

import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.checkpoints.imported import ImportProblem
from export.checkpoints.lexical_shortlist import MAGIC, lexical_checksum, read_lexical_shortlist

LISTS = [[], [3, 7], [9], [], [0, 1, 2]]


def shortlist_bytes(lists: list[list[int]], first: int = 4) -> bytes:
    offsets = np.cumsum([0, *map(len, lists)], dtype="<u8")
    ids = np.array([token for each in lists for token in each], "<u4")
    rest = struct.pack("<4Q", first, 3, len(offsets), len(ids)) + offsets.tobytes() + ids.tobytes()
    checksum = lexical_checksum(b"\0" * 16 + rest)
    return struct.pack("<2Q", MAGIC, checksum) + rest


def write(folder: Path, content: bytes) -> Path:
    path = folder / "lex.50.50.enfr.s2t.bin"
    path.write_bytes(content)
    return path


def test_lists_are_read_as_they_are(tmp_path: Path) -> None:
    shortlist = read_lexical_shortlist(write(tmp_path, shortlist_bytes(LISTS)), 5, 10)
    assert shortlist.frequent.tolist() == [0, 1, 2, 3]
    assert shortlist.candidates.tolist() == [[-1, -1, -1], [3, 7, -1], [9, -1, -1], [-1, -1, -1], [0, 1, 2]]


def test_the_checksum_is_marians(tmp_path: Path) -> None:
    """Of the file that `pymarian convert --shortlist lex.s2t 4 2 0` wrote for a vocabulary of 500 pieces, of which one
    has two candidates, and two have one."""
    lengths, ids = np.zeros(501, int), [51, 66, 30, 91]
    lengths[[21, 23, 29]] = [2, 1, 1]
    offsets = np.cumsum(lengths)
    rest = struct.pack("<4Q", 4, 2, 501, len(ids)) + offsets.astype("<u8").tobytes() + np.array(ids, "<u4").tobytes()
    shortlist = read_lexical_shortlist(write(tmp_path, struct.pack("<2Q", MAGIC, 0x640985A642E09061) + rest), 500, 500)
    assert (shortlist.candidates[:, 0] >= 0).sum() == 3


def test_no_candidates_at_all(tmp_path: Path) -> None:
    shortlist = read_lexical_shortlist(write(tmp_path, shortlist_bytes([[], []], first=50)), 2, 10)
    assert shortlist.frequent.tolist() == list(range(10))
    assert shortlist.candidates.tolist() == [[-1], [-1]]


@given(st.lists(st.lists(st.integers(0, 19), unique=True, max_size=5), min_size=1, max_size=6), st.integers(0, 999))
def test_a_damaged_byte_or_a_lost_end_is_refused(lists: list[list[int]], at: int) -> None:
    content = bytearray(shortlist_bytes(lists))
    whole_words = len(content) // 8 * 8  # the checksum does not see half a word behind them
    with TemporaryDirectory() as folder:
        assert read_lexical_shortlist(write(Path(folder), bytes(content)), len(lists), 20)
        for damaged in (bytes(content[: at % len(content)]), bytes(content) + b"\0" * 4):
            with pytest.raises(ImportProblem, match=r"^lex\.50"):
                read_lexical_shortlist(write(Path(folder), damaged), len(lists), 20)
        content[at % whole_words] ^= 1 + at % 255
        with pytest.raises(ImportProblem, match=r"^lex\.50"):
            read_lexical_shortlist(write(Path(folder), bytes(content)), len(lists), 20)


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [((4, 10), "4 source tokens expected, got 5"), ((5, 9), "target ids below 9 expected, got 9")],
)
def test_a_list_of_other_vocabularies_is_refused(sizes: tuple[int, int], problem: str, tmp_path: Path) -> None:
    with pytest.raises(ImportProblem, match=problem):
        read_lexical_shortlist(write(tmp_path, shortlist_bytes(LISTS)), *sizes)


def test_a_list_that_would_take_all_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportProblem, match="at most 1000 candidates of a token expected, got 1001"):
        read_lexical_shortlist(write(tmp_path, shortlist_bytes([[], list(range(1001))])), 2, 2000)

"""SentencePiece models and tables of pieces: what belongs together, and what does not."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor

from export.checkpoints.json_files import pointer_problem

MIN_COVERAGE = 0.9
"""Share of a SentencePiece model's normal pieces that have to have an id. A few without one are usual; with the
vocabulary of another language most have none."""

FILLER = "<unused{}>"
"""Name of a row of the table that no piece has."""


def load_pieces(path: Path, problems: list[str]) -> SentencePieceProcessor | None:
    """The SentencePiece model of a file; None, and a problem, where there is none."""
    if not path.is_file():
        problems.append(f"{path.name} is missing: it is in the folder of the checkpoint that this one was made from")
        return None
    try:
        return SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        problems.append(pointer_problem(path) or f"{path.name}: no SentencePiece model: {error}")
        return None


def piece_names(pieces: SentencePieceProcessor) -> list[str]:
    return [pieces.id_to_piece(index) for index in range(pieces.get_piece_size())]


def check_coverage(
    pieces: SentencePieceProcessor, file: str, ids: Collection[str], table: str, problems: list[str]
) -> float:
    """The share of the normal pieces of `file` that have an id in `table`; below `MIN_COVERAGE` it is a problem."""
    normal = [
        pieces.id_to_piece(index)
        for index in range(pieces.get_piece_size())
        if not any(kind(index) for kind in (pieces.is_control, pieces.is_unknown, pieces.is_unused, pieces.is_byte))
    ]
    share = sum(piece in ids for piece in normal) / max(len(normal), 1)
    if share < MIN_COVERAGE:
        problems.append(
            f"{table} has {share:.0%} of the pieces of {file}, at least {MIN_COVERAGE:.0%} expected: does it belong to "
            "another language or checkpoint?"
        )
    return share


def check_ids(vocabulary: Mapping[str, Any], num_rows: int, table: str, problems: list[str]) -> dict[str, int]:
    """A table of pieces, name -> id, without what is wrong in it: ids that are no rows of the embedding, or another
    piece's."""
    ids: dict[str, int] = {}
    taken: dict[int, str] = {}
    wrong = []
    for name, index in vocabulary.items():
        if type(index) is not int or not 0 <= index < num_rows:
            wrong.append(f"{name!r} has id {index!r}, 0 to {num_rows - 1} expected")
        elif index in taken:
            wrong.append(f"{name!r} has id {index}, which is that of {taken[index]!r}")
        else:
            ids[name] = index
            taken[index] = name
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        problems.append(f"{table}: {', '.join(wrong[:3])}{more}")
    return ids


def names_by_id(ids: Mapping[str, int], num_rows: int) -> tuple[str, ...]:
    """The name of every row; rows that no piece has get a name of their own."""
    names = {index: name for name, index in ids.items()}
    return tuple(names.get(index, FILLER.format(index)) for index in range(num_rows))


def filler_rows(ids: Mapping[str, int], num_rows: int) -> set[int]:
    """Rows that no piece has."""
    return set(range(num_rows)) - set(ids.values())

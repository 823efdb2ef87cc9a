"""One side's text of a Marian model: the file that cuts it into pieces, and the piece of every row."""

from dataclasses import dataclass
from pathlib import Path

from sentencepiece import SentencePieceProcessor

from export.checkpoints.imported import ImportProblem, PieceTable
from export.checkpoints.languages import LanguageToken
from export.checkpoints.marian_vocabulary import read_vocabulary
from export.checkpoints.pieces import check_coverage, load_pieces, names_by_id, piece_names

_CONTROL_BYTES = frozenset(f"<0x{byte:02X}>" for byte in range(0x20))
"""Pieces that SentencePiece falls back to, and that Marian never writes: a newline would begin another sentence."""


@dataclass(frozen=True, kw_only=True)
class Side:
    table: PieceTable
    """With the row of the decoder's first input, which is the last one."""
    eos_id: int
    unknown_id: int
    never_written: frozenset[int]
    """Ids that this side, as a target, has no text for."""
    language_tokens: tuple[LanguageToken, ...]
    """>>xxx<<, the tokens that say what to translate into."""


def read_side(vocabulary: Path, pieces: Path, num_rows: int) -> Side:
    """Read one side of a model of `num_rows` rows, to which the row of the first input is added.

    vocabulary: what Marian calls a vocabulary: a SentencePiece model, whose ids are then the rows, or names of pieces.
    pieces: the SentencePiece model that cuts the text, the same file in the first case. Raises ImportProblem.
    """
    problems: list[str] = []
    processor = load_pieces(pieces, problems)
    if vocabulary.suffix == ".spm":
        if processor is None:
            raise ImportProblem(*problems)
        ids, eos_id, unknown_id = _sentencepiece_ids(processor, pieces, num_rows, problems)
    else:
        try:
            named = read_vocabulary(vocabulary, num_rows)
        except ImportProblem as problem:
            raise ImportProblem(*problems, *problem.problems) from None
        ids, eos_id, unknown_id = dict(named.ids), named.eos_id, named.unknown_id
        if processor is not None:
            check_coverage(processor, pieces.name, ids.keys(), vocabulary.name, problems)
    if problems:
        raise ImportProblem(*problems)
    languages = tuple(
        LanguageToken(name[2:-2], index) for name, index in ids.items() if name.startswith(">>") and name.endswith("<<")
    )
    unwritten = {unknown_id, num_rows, *(set(range(num_rows)) - set(ids.values()) - {eos_id})}
    unwritten |= {ids[name] for name in _CONTROL_BYTES & ids.keys()} | {token.id for token in languages}
    return Side(
        table=PieceTable(sentencepiece=pieces, names=names_by_id(ids, num_rows + 1)),
        eos_id=eos_id,
        unknown_id=unknown_id,
        never_written=frozenset(unwritten),
        language_tokens=languages,
    )


def _sentencepiece_ids(
    processor: SentencePieceProcessor, file: Path, num_rows: int, problems: list[str]
) -> tuple[dict[str, int], int, int]:
    """Ids of pieces, of the end of a sentence, and of what has no piece."""
    names = piece_names(processor)
    if len(names) > num_rows:
        problems.append(f"{file.name}: at most {num_rows} pieces expected, the model's rows, got {len(names)}")
    if processor.eos_id() < 0:
        problems.append(f"{file.name}: a piece that ends a sentence expected, got none")
    return {name: index for index, name in enumerate(names)}, processor.eos_id(), processor.unk_id()

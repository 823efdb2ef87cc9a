"""Vocabulary files of Marian that are no SentencePiece models: `vocab.yml`, JSON, and one piece a line.

`vocab.yml` is read line by line and not as YAML: pieces such as `~`, `yes` or `1.0` are written without quotation
marks and mean themselves, and readers of YAML make something else of them.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from export.checkpoints.imported import ImportProblem
from export.checkpoints.quoting import unquote

MAX_LISTED = 5
"""Problems of one vocabulary that are listed one by one."""

_ENTRY = re.compile(r"(.*):\s+(-?[0-9]{1,10})", re.DOTALL)
_YAML = (".yml", ".yaml", ".json")
_EOS_NAMES, _UNKNOWN_NAMES = ("</s>", "eos"), ("<unk>", "UNK")
"""Marian's name of a special piece, and that of Nematus, which Marian knows at its place, 0 or 1, alone."""


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of one side."""

    ids: Mapping[str, int]
    """Of every piece that the model has a row for; rows may be without a piece."""
    eos_id: int
    unknown_id: int


def read_vocabulary(path: Path, num_rows: int) -> Vocabulary:
    """Read the vocabulary of a model with `num_rows` rows, as Marian does: pieces with a higher id are unknown to it.
    Raises ImportProblem."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImportProblem(f"{path.name}: not UTF-8 at byte {error.start}") from None
    problems: list[str] = []
    if path.suffix not in _YAML:
        entries = _numbered(text, problems)
    elif text.lstrip().startswith("{"):
        entries = _json_entries(text, problems)
    else:
        entries = _yaml_entries(text, problems)
    ids = _by_piece(entries, num_rows, problems)
    eos_id = _special(ids, _EOS_NAMES, 0, path.suffix in _YAML, problems)
    unknown_id = _special(ids, _UNKNOWN_NAMES, 1, path.suffix in _YAML, problems)
    if problems:
        more = [f"... and {len(problems) - MAX_LISTED} more"] if len(problems) > MAX_LISTED else []
        raise ImportProblem(*(f"{path.name}: {problem}" for problem in problems[:MAX_LISTED] + more))
    return Vocabulary(ids, eos_id, unknown_id)


def _numbered(text: str, problems: list[str]) -> list[tuple[str, int]]:
    lines = text.removesuffix("\n").split("\n")
    problems += [f"line {number}: a piece expected, got nothing" for number, line in enumerate(lines, 1) if not line]
    return [(line.removesuffix("\r"), number) for number, line in enumerate(lines)]


def _json_entries(text: str, problems: list[str]) -> list[tuple[str, int]]:
    pairs: list[tuple[str, object]] = []
    try:
        json.loads(text, object_pairs_hook=pairs.extend)
    except (ValueError, RecursionError) as error:
        problems.append(f"not JSON: {error}")
    entries = []
    for piece, token_id in pairs:
        if isinstance(token_id, int) and not isinstance(token_id, bool):
            entries.append((piece, token_id))
        else:
            problems.append(f"{piece!r}: an id expected, got {token_id!r}")
    return entries


def _yaml_entries(text: str, problems: list[str]) -> list[tuple[str, int]]:
    entries = []
    question: str | None = None  # what follows `? `, until the next line, which begins with `: `
    for number, raw in enumerate(text.split("\n"), start=1):  # other line separators are pieces' characters
        line = raw.removesuffix("\r")
        match = _ENTRY.fullmatch(line.rstrip() if question is None else question + line.strip())
        is_answer, question = question is not None, None
        if match is not None and (not is_answer or line.lstrip().startswith(":")):
            try:
                entries.append((unquote(match[1].strip(" \t")), int(match[2])))
            except ValueError as error:
                problems.append(f"line {number}: {error}")
        elif line.startswith("? ") and not is_answer:
            question = line[2:]
        elif is_answer or (line.strip() not in ("", "---", "...") and not line.startswith("#")):
            problems.append(f"line {number}: `piece: id` expected, got {line[:80]!r}")
    return entries


def _by_piece(entries: Iterable[tuple[str, int]], num_rows: int, problems: list[str]) -> dict[str, int]:
    ids: dict[str, int] = {}
    taken: dict[int, str] = {}
    for piece, token_id in entries:
        if token_id < 0:
            problems.append(f"{piece!r}: an id of at least 0 expected, got {token_id}")
        elif piece in ids or token_id >= num_rows:
            continue  # of a piece that is there twice, the first id counts
        elif token_id in taken:
            problems.append(f"id {token_id} is given to {taken[token_id]!r} and to {piece!r}")
        else:
            ids[piece] = token_id
            taken[token_id] = piece
    return ids


def _special(ids: dict[str, int], names: tuple[str, str], place: int, is_yaml: bool, problems: list[str]) -> int:
    """The id of a special piece: by its name, or, in the formats of Nematus, at its place where nothing else is."""
    name, nematus = names
    if is_yaml and (ids.get(nematus) == place or place not in ids.values()):
        return place
    if name not in ids:
        problems.append(f"no piece {name!r}")
    return ids.get(name, place)

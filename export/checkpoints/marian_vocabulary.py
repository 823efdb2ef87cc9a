"""Vocabulary files of Marian that are no SentencePiece models: `vocab.yml`, JSON, and one piece a line.

`vocab.yml` is read line by line and not as YAML: pieces such as `~`, `yes` or `1.0` are written without quotation
marks and mean themselves, and readers of YAML make something else of them.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from export.checkpoints.imported import ImportProblem
from export.checkpoints.quoting import unquote

MAX_LISTED = 5
"""Problems of one vocabulary that are listed one by one."""

_ENTRY = re.compile(r"(.*):\s+(-?[0-9]{1,10})", re.DOTALL)
_EOS_NAMES, _UNKNOWN_NAMES = ("</s>", "eos"), ("<unk>", "UNK")
"""Marian's name of a special piece, and the one of Nematus, which Marian knows at its place, 0 or 1, alone."""


@dataclass(frozen=True)
class Vocabulary:
    """Pieces of one side, by their ids."""

    names: tuple[str, ...]
    """Every id's piece. An id that the file leaves out has a name that no piece can have: `is_filler`."""
    eos_id: int
    unknown_id: int


def filler(token_id: int) -> str:
    """The name of an id that is no piece's: SentencePiece's pieces have no spaces."""
    return f"<id {token_id}>"


def is_filler(name: str) -> bool:
    return name.startswith("<id ")


def read_vocabulary(path: Path, size: int) -> Vocabulary:
    """Read a vocabulary file of which the model has the first `size` ids, as Marian does: pieces beyond are unknown to
    it, and ids without a piece stay empty. Raises ImportProblem."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ImportProblem(f"{path.name}: not UTF-8 at byte {error.start}") from None
    problems: list[str] = []
    if path.suffix not in (".yml", ".yaml", ".json"):
        entries = _numbered(text, problems)
    elif text.lstrip().startswith("{"):
        entries = _json_entries(text, problems)
    else:
        entries = _yaml_entries(text, problems)
    names = _by_id(entries, size, problems)
    is_yaml = path.suffix in (".yml", ".yaml", ".json")
    eos_id = _special(names, _EOS_NAMES, 0, is_yaml, problems)
    unknown_id = _special(names, _UNKNOWN_NAMES, 1, is_yaml, problems)
    if problems:
        more = [f"... and {len(problems) - MAX_LISTED} more"] if len(problems) > MAX_LISTED else []
        raise ImportProblem(*(f"{path.name}: {problem}" for problem in problems[:MAX_LISTED] + more))
    return Vocabulary(names, eos_id, unknown_id)


def _numbered(text: str, problems: list[str]) -> list[tuple[str, int]]:
    lines = text.removesuffix("\n").split("\n")
    problems += [f"line {number}: a piece expected, got an empty line" for number, line in enumerate(lines, 1) if not line]
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
    question = None  # what follows `? `, until the line that begins with `: `
    for number, raw in enumerate(text.split("\n"), start=1):  # other line separators are pieces' characters
        line = raw.removesuffix("\r")
        if question is None and line.startswith("? ") and not _ENTRY.fullmatch(line.rstrip()):
            question = line[2:]
            continue
        match = _ENTRY.fullmatch((question or "") + line.rstrip()) if question is None or line[:1] == ":" else None
        question = None
        if match is None:
            if line.strip() and not line.startswith("#") and line.strip() not in ("---", "..."):
                problems.append(f"line {number}: `piece: id` expected, got {line[:80]!r}")
            continue
        try:
            entries.append((unquote(match[1].strip(" \t")), int(match[2])))
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    return entries


def _by_id(entries: Iterable[tuple[str, int]], size: int, problems: list[str]) -> tuple[str, ...]:
    names: list[str | None] = [None] * size
    seen: set[str] = set()
    for piece, token_id in entries:
        if token_id < 0:
            problems.append(f"{piece!r}: an id of at least 0 expected, got {token_id}")
        elif piece in seen or token_id >= size:
            continue  # of a piece that is there twice, the first id counts
        elif names[token_id] is not None:
            problems.append(f"id {token_id} is given to {names[token_id]!r} and to {piece!r}")
        else:
            names[token_id] = piece
        seen.add(piece)
    return tuple(filler(token_id) if name is None else name for token_id, name in enumerate(names))


def _special(names: tuple[str, ...], known: tuple[str, str], place: int, is_yaml: bool, problems: list[str]) -> int:
    name, nematus = known
    if is_yaml and place < len(names) and (names[place] == nematus or is_filler(names[place])):
        return place
    if name not in names:
        problems.append(f"no piece {name!r}")
        return place
    return names.index(name)

"""Marian's lexical shortlists in binary, `lex.*.bin`: which target tokens are likely beside each source token.

All integers are little-endian: u64 magic, u64 checksum, u64 number of frequent tokens, u64 largest number of
candidates of a token, u64 number of offsets, u64 number of ids; the offsets, u64, of every source token's candidates
and of their end; the ids, u32. The frequent tokens are those of the lowest ids.
"""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np

from export.checkpoints.imported import Imported, ImportProblem, LexicalShortlist

MAGIC = 0xF11A48D5013417F5
_HEADER = struct.Struct("<6Q")
_NUM_BITS = 64
_MOST_CANDIDATES = 1000
"""More than any recipe asks for (50 to 100): every token of the vocabulary gets room for as many as the longest has."""


def with_shortlist(folder: Path, imported: Imported) -> Imported:
    """An imported model with the shortlist `lex.*.bin` beside it, if there is one. Raises ImportProblem."""
    found = sorted(folder.glob("lex*.bin"))
    packed = sorted(path for pattern in ("lex*.bin.gz", "lex*.bin.zst") for path in folder.glob(pattern))
    if not found and packed:
        raise ImportProblem(f"{packed[0].name}: a shortlist that is not packed expected: unpack it, or take it away")
    if not found:
        return imported
    if len(found) > 1:
        raise ImportProblem(f"lex*.bin: one expected, got {', '.join(path.name for path in found)}")
    settings = imported.settings
    shortlist = read_lexical_shortlist(found[0], settings.source_vocabulary - 1, settings.target_vocabulary - 1)
    return replace(imported, shortlist=shortlist)


def read_lexical_shortlist(path: Path, source_vocabulary: int, target_vocabulary: int) -> LexicalShortlist:
    """Read the shortlist of a model with vocabularies of these sizes, the decoder's first input not counted. Raises
    ImportProblem for a damaged file, or one of other vocabularies."""
    content = path.read_bytes()
    if len(content) < _HEADER.size:
        raise ImportProblem(f"{path.name}: at least {_HEADER.size} bytes expected, got {len(content)}")
    magic, checksum, num_frequent, _, num_offsets, num_ids = _HEADER.unpack_from(content)
    size = _HEADER.size + 8 * num_offsets + 4 * num_ids
    if magic != MAGIC:
        raise ImportProblem(f"{path.name}: a binary shortlist expected, which begins with {MAGIC:#x}, got {magic:#x}")
    if len(content) != size:
        raise ImportProblem(f"{path.name}: {size} bytes expected, got {len(content)}")
    if lexical_checksum(content) != checksum:
        raise ImportProblem(f"{path.name}: damaged, its checksum is another than {checksum:#x}")
    offsets = np.frombuffer(content, "<u8", num_offsets, _HEADER.size).astype(np.int64)
    ids = np.frombuffer(content, "<u4", num_ids, _HEADER.size + 8 * num_offsets).astype(np.int64)
    if num_offsets != source_vocabulary + 1:
        raise ImportProblem(f"{path.name}: {source_vocabulary} source tokens expected, got {num_offsets - 1}")
    lengths = np.diff(offsets)
    if lengths.max(initial=0) > _MOST_CANDIDATES:
        problem = f"at most {_MOST_CANDIDATES} candidates of a token expected, got {lengths.max()}"
        raise ImportProblem(f"{path.name}: {problem}")
    if offsets[0] != 0 or (lengths < 0).any() or offsets[-1] != num_ids:
        raise ImportProblem(f"{path.name}: ascending offsets from 0 to {num_ids} expected")
    if num_ids and ids.max() >= target_vocabulary:
        raise ImportProblem(f"{path.name}: target ids below {target_vocabulary} expected, got {ids.max()}")
    candidates = np.full((source_vocabulary, max(1, int(lengths.max()))), -1)
    columns = np.arange(num_ids) - np.repeat(offsets[:-1], lengths)
    candidates[np.repeat(np.arange(source_vocabulary), lengths), columns] = ids
    return LexicalShortlist(np.arange(min(num_frequent, target_vocabulary)), candidates)


def lexical_checksum(content: bytes) -> int:
    """The checksum that Marian writes: of everything behind it, in words of 64 bits, a half word at the end left out
    (boost's `hash_combine`, of which every hash is the word itself)."""
    mask = (1 << _NUM_BITS) - 1
    seed = 0
    for word in np.frombuffer(content, "<u8", (len(content) - 16) // 8, 16).tolist():
        seed ^= (word + 0x9E3779B9 + (seed << 6) + (seed >> 2)) & mask
    return seed

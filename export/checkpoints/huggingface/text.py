"""What all tokenizers of Hugging Face checkpoints have in common: special tokens, and what is never written."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.checkpoints.huggingface.config import CONFIG, GENERATION_CONFIG, Keys
from export.checkpoints.imported import Language, PieceTable
from export.checkpoints.json_files import read_object
from models.encoder_decoder import EncoderDecoderConfig

TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"


@dataclass(frozen=True, kw_only=True)
class Text:
    """How texts become ids and ids texts: the fields of `Imported` of the same names."""

    family: str
    source: PieceTable
    target: PieceTable
    shares_vocabulary: bool
    unknown_id: int | None
    never_written: tuple[int, ...]
    source_template: tuple[str | int, ...]
    forced_target: tuple[str, ...]
    languages: tuple[Language, ...]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A checkpoint that is being read, and what was found to be wrong with it so far."""

    folder: Path
    keys: Keys
    settings: EncoderDecoderConfig
    start_id: int
    eos_id: int
    pad_id: int
    languages: tuple[str, str] | None
    """Source and target, as whoever imports the checkpoint names them; `mul`: all of one side."""
    problems: list[str]
    warnings: list[str]


class SpecialTokens:
    """How a checkpoint spells its special tokens: not all have <pad> and <unk>."""

    def __init__(self, folder: Path, problems: list[str]) -> None:
        self.config = read_object(folder / TOKENIZER_CONFIG, problems, required=False)
        self._map = read_object(folder / SPECIAL_TOKENS, problems, required=False)

    def spelled(self, name: str, default: str) -> str:
        """name: eos_token, say."""
        for file in (self.config, self._map):
            value: Any = file.get(name)
            if isinstance(value, dict):
                value = value.get("content")
            if isinstance(value, str):
                return value
        return default


def check_id(ids: dict[str, int], token: str, expected: int, table: str, key: str, problems: list[str]) -> None:
    """A problem where the vocabulary has a special token under another id than the configuration says."""
    if token in ids and ids[token] != expected:
        problems.append(f"{table} has {token} as {ids[token]}, {CONFIG} says {key}={expected}")


def never_written(reading: Reading, others: Iterable[int | None]) -> tuple[int, ...]:
    """Ids that no translation has: `others`, start, padding, and what the checkpoint itself forbids as single tokens.
    The end is none of them, even if it is also the start."""
    forbidden: list[Any] = [reading.start_id, reading.pad_id, *others]
    for words in _list(reading.keys.generation("bad_words_ids")):
        if isinstance(words, list) and len(words) == 1:
            forbidden += words
        else:
            reading.warnings.append(f"{GENERATION_CONFIG}: bad_words_ids has a sequence that is not forbidden: {words}")
    forbidden += _list(reading.keys.generation("suppress_tokens"))
    known = range(reading.settings.target_vocabulary)
    return tuple(sorted({index for index in forbidden if type(index) is int and index in known} - {reading.eos_id}))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

"""What a reader makes of somebody's checkpoint: weights by our names, and everything else as data."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from models.encoder_decoder import EncoderDecoderConfig

TEXT, SOURCE_TOKEN, TARGET_TOKEN = "{text}", "{source_token}", "{target_token}"
"""Places in a template of ids: the pieces of the text, and the tokens of its two languages."""


class ImportProblem(Exception):
    """A checkpoint that cannot be imported; the message lists every problem, each with its file, name and value."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class PieceTable:
    """How one side's text becomes ids."""

    sentencepiece: Path
    """The SentencePiece model that cuts a text into pieces."""
    names: tuple[str, ...] | None
    """The piece of every id; None: the ids are those of the SentencePiece model itself."""


@dataclass(frozen=True, kw_only=True)
class Language:
    """One language of a model, and the tokens that name it."""

    code: str
    """BCP 47 where it is known, else as the checkpoint spells it."""
    source_id: int | None = None
    """Token that says what the source is written in; None: none is needed."""
    target_id: int | None = None
    """Token that says what to translate into; None: none is needed."""
    is_source: bool = True
    is_target: bool = True


@dataclass(frozen=True)
class LexicalShortlist:
    """The vocabulary shortlist that a checkpoint came with."""

    frequent: npt.NDArray[np.int64]
    """Target ids that are on every list."""
    candidates: npt.NDArray[np.int64]
    """Target ids that each source id puts on the list, [source vocabulary, candidates], filled up with -1."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A checkpoint as its reader understood it."""

    family: str
    """marian, marian-npz, m2m100, nllb, mbart50 or firefox."""
    settings: EncoderDecoderConfig
    weights: dict[str, Tensor]
    """float32, by the names of the `EncoderDecoder`'s state dict, its tables of positions included."""
    source: PieceTable
    target: PieceTable
    """The same object as `source` where one vocabulary is shared."""
    shares_vocabulary: bool
    start_id: int
    """First input of the decoder."""
    eos_id: int
    pad_id: int
    """Any valid source id: padding is never read, lengths are explicit."""
    unknown_id: int | None
    never_written: tuple[int, ...]
    """Ids that no translation may have: pad, start, unknown, language tokens, filler rows; sorted."""
    source_template: tuple[str | int, ...]
    """What the encoder reads: ids, and the places TEXT, SOURCE_TOKEN and TARGET_TOKEN."""
    forced_target: tuple[str, ...]
    """What every translation begins with, after `start_id`; () for Marian."""
    languages: tuple[Language, ...]
    max_source_tokens: int
    """With template and end; bounded by the table of positions."""
    max_output_tokens: int
    alignment_heads: tuple[int, ...] | None
    """Heads of the last decoder layer's cross attention that align; None: all of them."""
    provenance: dict[str, str]
    warnings: tuple[str, ...]
    shortlist: LexicalShortlist | None = None

    @property
    def encodes_start(self) -> bool:
        """Whether the encoder's graph is to read the start token: where another token is forced behind it, that would
        take a sentence one step more."""
        return bool(self.forced_target)

"""What is asked of the decoding of one sentence: valid, in token ids and texts as pieces write them, and plain data."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, NamedTuple


class RequiredTerm(NamedTuple):
    """A term that a translation has to contain."""

    ids: tuple[int, ...]
    source: range
    """Positions of the source tokens that it translates."""


@dataclass(frozen=True, kw_only=True)
class DecodingOptions:
    """`translation.proto` says what each option means. Equal options have the same `repr`."""

    max_output_tokens: int
    min_output_tokens: int = 0
    beam_size: int = 1
    patience: float = 1.0
    length_penalty: float = 0.0
    coverage_penalty: float = 0.0
    num_samples: int = 0
    """Sampled hypotheses, each with a row; 0 is no sampling."""
    temperature: float = 1.0
    top_k: int = 0
    """0: all."""
    top_p: float = 1.0
    seed: int = 0
    start_ids: tuple[int, ...] = ()
    """What the decoder reads behind its start token before the translation begins, as the token of the language to
    translate into; no part of a hypothesis."""
    prefix: tuple[int, ...] = ()
    """What every hypothesis begins with."""
    no_repeat_ngram_size: int = 0
    """0: whatever repeats."""
    repetition_penalty: float = 1.0
    forbidden_phrases: tuple[str, ...] = ()
    """With SentencePiece's sign for their spaces, and none before them; none is empty."""
    required_terms: tuple[RequiredTerm, ...] = ()
    """A term that is required twice is there twice."""
    forced_ids: tuple[int, ...] | None = None
    """The translation that is to be scored, without EOS; no other is searched for."""
    use_shortlist: bool = False
    """Write only what is likely for the source, of models that can say so."""
    token_log_probs: bool = False
    alignment: bool = False
    alignment_heads: bool = False
    """Of each head as well; only with `alignment`."""
    guided: bool = False
    """Whether required terms are written where the model attends to their source."""

    @property
    def num_rows(self) -> int:
        """Rows of the running batch that the sentence may come to hold."""
        return max(self.beam_size, self.num_samples)

    def cost(self, num_source_tokens: int) -> int:
        """What decoding a sentence costs, in source tokens: for each of its rows as many as it has, for a translation
        has about as many tokens as its source; or as many as its translation is made to have, where those are more."""
        num_forced = max(self.min_output_tokens, len(self.prefix), len(self.forced_ids or ()))
        return self.num_rows * max(num_source_tokens, num_forced)

    @property
    def num_enough(self) -> float:
        """Finished hypotheses with which a beam search ends; a beam of one has no patience: it is greedy decoding."""
        return self.patience * self.beam_size if self.beam_size > 1 else 1

    @property
    def max_finished(self) -> int:
        """Hypotheses that a search may end with, at most: up to `beam_size` of them finish in its last step."""
        return self.num_samples or math.ceil(self.num_enough) + self.beam_size - 1

    @property
    def demanded_ids(self) -> list[int]:
        """Tokens that have to be written."""
        return [*self.prefix, *(id_ for term in self.required_terms for id_ in term.ids)]

    @property
    def needs_attention(self) -> bool:
        return self.alignment or self.guided or self.coverage_penalty > 0

    @property
    def is_plain_greedy(self) -> bool:
        """The most probable token at each step and nothing else, so that a loop over rows can do it."""
        return _suits_greedy(self)

    @property
    def is_plain_beam(self) -> bool:
        """A beam without constraints, so that arrays of beams can do it."""
        return _suits_beam(self) and not self.is_plain_greedy


def _asks_only_for(*names: str) -> Callable[[DecodingOptions], bool]:
    """Whether options are the default in all but these. All are compared at once: every sentence that joins a batch is
    looked at."""
    others = [field for field in fields(DecodingOptions) if field.name not in names]
    values: Callable[[DecodingOptions], tuple[Any, ...]] = attrgetter(*(field.name for field in others))
    defaults = tuple(field.default for field in others)
    return lambda options: values(options) == defaults


_suits_greedy = _asks_only_for("max_output_tokens", "length_penalty", "patience", "use_shortlist", "seed", "start_ids")
_suits_beam = _asks_only_for(
    "max_output_tokens",
    "beam_size",
    "length_penalty",
    "patience",
    "use_shortlist",
    "seed",
    "token_log_probs",
    "start_ids",
)

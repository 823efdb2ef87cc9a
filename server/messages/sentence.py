"""What the serving process submits to an engine, and what the engine tells of each sentence."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from server.errors import TranslationError
from server.messages.hypothesis import Hypothesis
from server.messages.options import DecodingOptions


class Written(NamedTuple):
    """More tokens of a streaming sentence have become certain."""

    part: Hypothesis
    """The new tokens alone, with the scores and the attention that were asked for."""


class Times(NamedTuple):
    """When a sentence went from one phase to the next, in seconds on the engine's clock, which all processes share."""

    submitted: float
    chosen: float
    """When it was its turn to join."""
    encode_start: float
    """Start of the encoder run that it was in, which may have been ahead of its turn."""
    encode_end: float
    joined: float
    """When it was given rows."""
    ended: float


@dataclass(frozen=True, slots=True)
class Finished:
    hypotheses: list[Hypothesis]
    """The sentence's translations, at least one, the best first."""
    times: Times | None = field(default=None, compare=False)
    """None for a translation that was made before. What was translated is the same whenever it was."""


class Failed(NamedTuple):
    error: TranslationError


Event = Written | Finished | Failed
Listener = Callable[[Event], None]
"""Takes the events of one sentence. Must not raise: the events behind them belong to other sentences."""


@dataclass(frozen=True)
class Sentence:
    source_ids: list[int]
    """Token ids, ending with EOS."""
    options: DecodingOptions
    listener: Any
    """Whom the events are for: a `Listener`, or the number of one in another process. The engine hands it on with
    them."""
    deadline: float = math.inf
    """When nobody waits any more, in seconds on the engine's clock."""
    streams: bool = False
    """Whether the listener wants `Written` events."""
    submitted: float = 0.0
    """When another process submitted the sentence, in seconds on the engine's clock; 0: when the engine gets it."""
    caller: str = ""
    """Who asks, as the serving process tells callers apart (set by `OpenRequest`); rows and places in the queue are
    shared between callers."""
    request: int = 0
    """Number of the request that the sentence is part of (set by `OpenRequest`); a caller's share is shared between
    its requests."""
    is_bulk: bool = False
    """Whether sentences that somebody waits for are given more."""


class SentenceDecoder(Protocol):
    """An engine, in this process or in another."""

    def submit(self, sentences: Sequence[Sentence], num_following: int = 0) -> list[int]:
        """Queue all of the sentences, or none; returns their ids, for `cancel`. `num_following`: sentences of the same
        request that will be submitted next, for which the queue has to have places as well; they are kept for them
        until `release`."""

    def release(self, request: int) -> None:
        """Keep no more places for sentences of a request (`Sentence.request`) that have not been submitted."""

    def cancel(self, ids: Sequence[int]) -> None:
        """Drop sentences, by id, that nobody waits for any more."""

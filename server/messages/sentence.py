"""What a client submits to an engine, and what it is told of it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from server.errors import TranslationError
from server.messages.hypothesis import Hypothesis
from server.messages.options import DecodingOptions


class Written(NamedTuple):
    """More tokens of a streaming sentence have become certain."""

    part: Hypothesis
    """Those tokens alone, with what was asked for of each."""


class Finished(NamedTuple):
    hypotheses: list[Hypothesis]
    """At least one; the best first."""


class Failed(NamedTuple):
    error: TranslationError


Event = Written | Finished | Failed
Listener = Callable[[Event], None]
"""Must not raise: the events behind its own are of other sentences."""


@dataclass(frozen=True)
class Sentence:
    source_ids: list[int]
    """Ends with EOS."""
    options: DecodingOptions
    listener: Any
    """Whom the events are for: a `Listener`, or the number of one in another process. The engine hands it on with
    them."""
    deadline: float = math.inf
    """On the engine's clock."""
    streams: bool = False
    """Whether the listener wants `Written` events."""
    submitted: float = 0.0
    """When it was, on the engine's clock, where that was in another process; 0: when the engine gets it."""
    caller: str = ""
    """Who asks, as the serving process tells callers apart (set by `OpenRequest`); rows and places in the queue are
    shared between callers."""
    request: int = 0
    """Number of the request that the sentence is part of (set by `OpenRequest`); a caller's share is shared between
    its requests."""


class SentenceDecoder(Protocol):
    """An engine, in this process or in another."""

    def submit(self, sentences: Sequence[Sentence]) -> list[int]:
        """Queue all of a request's sentences, or none; returns ids, for `cancel`."""

    def cancel(self, ids: Sequence[int]) -> None:
        """Nobody waits for these any more."""

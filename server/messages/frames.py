"""What the serving process and an engine, in a process of its own, tell each other, over a socket that only they have.

Each message is pickled, behind its length: both ends run the same code, and trust each other.
"""

import pickle
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from prometheus_client import Metric

from server.bundle.manifest import Bundle
from server.config import ServerConfig
from server.messages.batch_state import BatchState
from server.messages.hypothesis import Hypothesis
from server.messages.sentence import Event, Failed, Finished, Sentence

_LENGTH_BYTES = 4

_MAX_BYTES = 1 << 29
"""Of one message; a length beyond it is not the start of one."""


_MANY_BYTES = 1 << 26
"""Of attention in events, which are told in several messages then; all else that they have is little beside it."""


# To the engine.


class Load(NamedTuple):
    """The first message: which bundle to load, and how; answered by `Loaded`."""

    config: ServerConfig
    bundle: Bundle


class Submit(NamedTuple):
    """Sentences to decode; the listener of each is a number, by which the serving process knows and cancels it."""

    sentences: list[Sentence]


class Cancel(NamedTuple):
    numbers: list[int]


class Collect(NamedTuple):
    """Asks for the engine's metrics; answered by `Collected`."""


class Ping(NamedTuple):
    """Answered by `Pong` between two steps."""


class Look(NamedTuple):
    """Asks what the running batch is; answered by `Seen` between two steps."""


class Close(NamedTuple):
    """Asks the engine to finish what it has, and to end."""


ToEngine = Load | Submit | Cancel | Collect | Ping | Look | Close


# From it.


class Loaded(NamedTuple):
    problem: str = ""
    """Why the bundle cannot be served; empty where it can."""


class Told(NamedTuple):
    events: list[tuple[int, Event]]


class Collected(NamedTuple):
    series: list[Metric]


class Pong(NamedTuple):
    """The decode loop turns."""


class Seen(NamedTuple):
    state: BatchState


FromEngine = Loaded | Told | Collected | Pong | Seen


def framed(message: ToEngine | FromEngine) -> bytes:
    """A message as bytes, behind their number, as `Unframed` takes them."""
    payload = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return len(payload).to_bytes(_LENGTH_BYTES, "little") + payload


def framed_events(events: list[tuple[int, Event]]) -> Iterator[bytes]:
    """`Told` as bytes, in several messages where one would have very many: sentences that end in one step may bring
    the attention of every head. One sentence's has a limit, that of a request's weights."""
    told: list[tuple[int, Event]] = []
    num_bytes = 0
    for number, event in events:
        size = sum(hypothesis.num_attention_bytes for hypothesis in _hypotheses(event))
        if told and num_bytes + size > _MANY_BYTES:
            yield framed(Told(told))
            told, num_bytes = [], 0
        told.append((number, event))
        num_bytes += size
    yield framed(Told(told))


def _hypotheses(event: Event) -> Sequence[Hypothesis]:
    if isinstance(event, Failed):
        return ()
    return event.hypotheses if isinstance(event, Finished) else (event.part,)


class Unframed:
    """Puts messages together from bytes that come in pieces of any size."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, received: bytes) -> list[Any]:
        """Take more bytes; returns the messages that are complete now, in order. Raises an exception of any kind where
        the bytes are no messages."""
        self._bytes += received
        messages = []
        start = 0
        while len(self._bytes) >= start + _LENGTH_BYTES:
            first = start + _LENGTH_BYTES
            length = int.from_bytes(self._bytes[start:first], "little")
            if length > _MAX_BYTES:
                raise ValueError(f"a message of {length} bytes, where at most {_MAX_BYTES} are expected")
            end = first + length
            if len(self._bytes) < end:
                break
            messages.append(pickle.loads(self._bytes[first:end]))
            start = end
        del self._bytes[:start]
        return messages

"""When a request is sent again, and until when: one clock, no waiting. Whoever sends asks here how long to wait."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from seq2serve.errors import TranslationError

MAX_ATTEMPTS = 8
"""Times that a request is sent, gRPC's own retries not counted, without anything new being answered."""

_MAX_UNAVAILABLE = 2
"""Times that a request is handed to gRPC while nobody answers, refusals of a busy server not counted. gRPC itself makes
five attempts at most, and ends after three seconds: for longer, its pauses would be longer, too."""

_PAUSE = 0.1
"""Seconds before a stream is begun again for the first time, if the server does not say when."""
_LONGEST_PAUSE = 3.0
"""Seconds to which pauses grow, twofold each time; the server may ask for more."""


@dataclass
class Attempts:
    """Times that one request is sent. What is UNAVAILABLE before it is answered is sent again by gRPC itself, below
    this, and once more by this."""

    deadline: float
    """Of them all, on `clock`."""
    retries: bool
    """Whether there is more than one."""
    clock: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random
    """From 0 to 1: clients that were refused together do not come back together."""
    num_failed: int = 0
    """Since something new was answered."""
    num_unavailable: int = 0
    """Of these, how many had no answer."""
    repeats_refused: bool = True
    """Whether an overloaded server is asked again after the time that it gives."""

    @property
    def seconds_left(self) -> float:
        """Time that the next attempt may take."""
        return max(0.0, self.deadline - self.clock())

    def delay_after(self, error: TranslationError, was_broken: bool = False) -> float:
        """Seconds after which the request may be sent again. Raises the error where it may not: the server has not said
        when to come back, the deadline would have passed by then, or it has failed too often.

        `was_broken`: it had been answered in part, and the rest can be asked for.
        """
        self.num_failed += 1
        is_overloaded = error.code is grpc.StatusCode.RESOURCE_EXHAUSTED and error.retry_after is not None
        is_repeated = is_overloaded and self.repeats_refused
        # What a proxy has to tell of a server that it lost is the reset of a stream, INTERNAL to gRPC; the server's own
        # INTERNAL has the id of the request.
        was_reset = error.code is grpc.StatusCode.INTERNAL and not error.request_id
        is_unavailable = error.code is grpc.StatusCode.UNAVAILABLE
        self.num_unavailable += is_unavailable
        is_broken = was_broken and (is_unavailable or was_reset)
        is_missed = is_unavailable and self.num_unavailable < _MAX_UNAVAILABLE
        if not self.retries or self.num_failed >= MAX_ATTEMPTS or not (is_repeated or is_broken or is_missed):
            raise error
        pause = _PAUSE if error.retry_after is None else error.retry_after
        delay = max(pause, min(pause * 2.0 ** (self.num_failed - 1), _LONGEST_PAUSE)) * (1 + self.draw() / 2)
        if delay >= self.seconds_left:
            raise error
        return delay

    def succeed(self) -> None:
        """Something new was answered."""
        self.num_failed = self.num_unavailable = 0

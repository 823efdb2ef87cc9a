"""What an attack is: its declaration, what it is aimed at, and what it tells when it has ended."""

import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from loadtest.driven import read_sentences

SENTENCES = read_sentences("en")


class Target(NamedTuple):
    """The server that is attacked."""

    host: str
    port: int
    pid: int

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass
class Outcome:
    """How an attack went, as the attacker saw it. Of an attack from several processes, the sum of theirs."""

    statuses: Counter[str] = field(default_factory=Counter)
    """The attacker's calls, streams or connections by how they ended: names of gRPC's status codes, or what else
    happened, in lower case."""

    answered_ms: list[float] = field(default_factory=list)
    """Latencies of calls that ended with OK, in milliseconds."""

    refused_ms: list[float] = field(default_factory=list)
    """Latencies of calls that ended with RESOURCE_EXHAUSTED, in milliseconds."""

    evidence: dict[str, float] = field(default_factory=dict)
    """That the attack did what it says, in numbers that add up over processes: frames sent, connections answered."""

    complaints: list[str] = field(default_factory=list)
    """What the attacker itself saw go wrong: an attack that did not take place, an answer against the contract."""

    last_sent: float = 0.0
    """When the attacker stopped to send, in seconds of the monotonic clock; 0: when the attack ended."""

    def count(self, name: str, number: float = 1) -> None:
        """Add to the evidence."""
        self.evidence[name] = self.evidence.get(name, 0) + number

    def check(self, holds: bool, complaint: str) -> None:
        """Complain, once about each thing, where something does not hold."""
        if not holds and complaint not in self.complaints:
            self.complaints.append(complaint)

    def stop_sending(self) -> None:
        self.last_sent = time.monotonic()

    def add(self, other: "Outcome") -> None:
        self.statuses += other.statuses
        self.answered_ms += other.answered_ms
        self.refused_ms += other.refused_ms
        for name, number in other.evidence.items():
            self.count(name, number)
        for complaint in other.complaints:
            self.check(False, complaint)
        self.last_sent = max(self.last_sent, other.last_sent)


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What must hold, over and above what must hold always: no call of the honest client fails, none of the attacker's
    ends with CANCELLED, UNKNOWN or INTERNAL, and the server lives. None: no bound."""

    honest_ms: float | None = None
    """Longest that a single sentence of the honest client takes, in milliseconds."""

    begin_ms: float | None = None
    """Longest that ListModels takes, which waits for nothing but to be begun, in milliseconds."""

    back_seconds: float | None = 1.0
    """Until the honest client's calls take as long as usual again, from when the attacker stopped to send."""

    memory_mb: float | None = None
    """That the server's memory grows by at its peak, in MB."""

    statuses: frozenset[str] | None = None
    """How the attacker's calls may end."""

    answered_ms: float | None = None
    """p99 of the attacker's calls that are answered with OK, in milliseconds."""

    refused_ms: float | None = None
    """p99 of the attacker's calls that are refused, in milliseconds."""

    goodput: float | None = None
    """Least share of the knee's answers a second that is left (evidence: "goodput/s" and "knee/s")."""

    all_counted: bool = False
    """Whether every call that the server has answered, with whatever status, has to be in its metrics."""

    log_lines: int | None = None
    """That the server writes."""

    may_refuse_honest: bool = False
    """Whether the honest client may be told RESOURCE_EXHAUSTED, where the server has more to do than it can."""

    ends_server: bool = False
    """Whether the attack is to stop the server, and the honest client with it."""


@dataclass(frozen=True)
class Attack:
    name: str
    what: str
    """What is done, for a reader of the table."""

    run: Callable[[Target], Coroutine[Any, Any, Outcome]]
    """Does it, within a few seconds, in a process of its own."""

    bounds: Bounds
    num_processes: int = 1
    """That do it at the same time, where one interpreter would be slower than the server."""

"""Whether what clients were told was right, by what happened while they were told it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.serving.models.policy import Policy
from tests.reloading import Texts

ANY = ""
"""The name of no version: the split, or the newest, decides."""

LIMITED_CLIENT = "seq2serve, beyond its limits"
"""The client whose key has limits that it does not keep."""

Served = Mapping[str, frozenset[str]]
"""Versions that may answer, by what a request may name behind the model: a number, a label, or `ANY`."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """One call, or one request of a stream, and what came of it. Times are on the clock of `time.monotonic`."""

    client: str
    named: str
    """A version's number or label, or `ANY`."""
    sentences: Sequence[str]
    began: float
    ended: float
    texts: Sequence[str] = ()
    """Translations; empty for what was refused."""
    version: str | None = None
    """That the answer names; None where the protocol names none."""
    code: str = "OK"
    message: str = ""
    retry_seconds: float | None = None
    """That the refusal names."""


class Span(NamedTuple):
    """The time in which something may show: from before it was begun to after it was known to be done."""

    start: float
    end: float

    def meets(self, asked: Asked) -> bool:
        return asked.began <= self.end and asked.ended >= self.start


@dataclasses.dataclass
class Chronicle:
    """What was done to the server, and when."""

    served: list[tuple[Span, Served]] = dataclasses.field(default_factory=list)
    kills: list[Span] = dataclasses.field(default_factory=list)
    """From a kill until all versions were seen to answer again."""
    rotations: list[Span] = dataclasses.field(default_factory=list)
    """From when clients were given another key until the old one was removed."""

    def serve(self, served: Served, begins: float, is_done: float) -> None:
        """Note what is served from now on: from `begins` on it may be, and what was before may be until `is_done`."""
        if self.served:
            before, versions = self.served[-1]
            self.served[-1] = (Span(before.start, is_done), versions)
        self.served.append((Span(begins, float("inf")), served))


def served_by(policy: Policy, present: Sequence[str]) -> Served:
    """What may answer under a policy."""
    versions = policy.choose(present)
    names = {version: frozenset([version]) for version in versions}
    names |= {label: frozenset([version]) for label, version in policy.labels.items()}
    drawn = frozenset(policy.labels[label] for label in policy.split)
    return names | {ANY: drawn or frozenset(versions[-1:])}


def problem_of(asked: Asked, chronicle: Chronicle, texts: Texts) -> str:
    """What is wrong with an answer or a refusal; empty for a right answer, and for a refusal that is explained by what
    was done to the server."""
    if asked.code != "OK":
        if _is_explained(asked, chronicle):
            return ""
        return f"{asked.client} asked for {asked.named or 'any version'}: {asked.code}: {asked.message}"
    writers = writers_of(asked, texts)
    if not writers or (asked.version is not None and asked.version not in writers):
        return f"{asked.client}: version {asked.version} answered {list(asked.texts)} to {list(asked.sentences)}"
    if not writers & may_answer(asked, chronicle):
        return f"{asked.client} asked for {asked.named or 'any version'}: version {writers} is not served by that name"
    return ""


def _is_explained(asked: Asked, chronicle: Chronicle) -> bool:
    if asked.code == "UNAVAILABLE":
        return any(kill.meets(asked) for kill in chronicle.kills)
    if asked.code == "NOT_FOUND":
        return any(span.meets(asked) and asked.named not in served for span, served in chronicle.served)
    if asked.code == "UNAUTHENTICATED":
        return any(asked.began <= one.start and asked.ended >= one.end for one in chronicle.rotations)
    if asked.code == "RESOURCE_EXHAUSTED":
        return asked.client == LIMITED_CLIENT and bool(asked.retry_seconds and asked.retry_seconds > 0)
    return False


def writers_of(asked: Asked, texts: Texts) -> frozenset[str]:
    """Versions that translate what was asked for to what was answered."""
    return frozenset(
        version
        for version, translated in texts.items()
        if list(asked.texts) == [translated[sentence] for sentence in asked.sentences]
    )


def may_answer(asked: Asked, chronicle: Chronicle) -> frozenset[str]:
    """Versions that were served at some moment of a call by the name that it asked for."""
    possible = (served.get(asked.named, frozenset()) for span, served in chronicle.served if span.meets(asked))
    return frozenset[str]().union(*possible)

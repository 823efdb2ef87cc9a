"""How clients ask: again and again, with the key that they are to use, by all names that versions have."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple

from tests.together.judgement import ANY, Asked
from tests.together.site import MODEL

NAMES = (ANY, "stable", "1", "canary", ANY, "3", "2")
"""What requests ask for, in turn."""

_PAUSE_SECONDS = 0.1
"""Between two requests of a client: the machine is not to be full."""

_RETRY_SECONDS = 0.3
TIMEOUT = 60.0
"""Seconds that a request may take; none comes near."""


class Target(NamedTuple):
    """What a client has to know, in whatever process it is."""

    address: str
    roots: Path
    secret: Path
    """File of the key that it is to use."""
    sentences: Sequence[str]
    running: Path
    """A file that is there as long as it is to ask."""

    @property
    def goes_on(self) -> bool:
        return self.running.exists()

    def read_secret(self) -> str:
        return self.secret.read_text(encoding="utf-8")


class Answer(NamedTuple):
    texts: Sequence[str]
    version: str | None = None


class Refusal(Exception):
    """What a client's library has raised, in words that all of them share."""

    def __init__(self, code: str, message: str, retry_seconds: float | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.retry_seconds = retry_seconds


Ask = Callable[[str, Sequence[str]], Awaitable[Answer]]
"""Translates sentences by a version that is named; raises Refusal."""
Open = Callable[[Target, str], AbstractAsyncContextManager[Ask]]
"""Connects with a key."""


def full_name(named: str) -> str:
    """The model, with the version's number or label where there is one."""
    return f"{MODEL}@{named}" if named else MODEL


def requests(sentences: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """A name and sentences, for ever."""
    for number in itertools.count():
        first = number * 5 % (len(sentences) - 3)
        yield NAMES[number % len(NAMES)], sentences[first : first + 1 + number % 3]


async def ask_on(client: str, open_client: Open, target: Target) -> list[Asked]:
    """Ask as long as it is to go on; what is refused as UNAVAILABLE is asked again. Returns all that was asked."""
    asked: list[Asked] = []
    todo = requests(target.sentences)
    request = next(todo)
    while target.goes_on:
        secret = target.read_secret()
        async with open_client(target, secret) as ask:
            while target.goes_on and secret == target.read_secret():
                began = time.monotonic()
                try:
                    result: Answer | Refusal = await ask(*request)
                except Refusal as refusal:
                    result = refusal
                asked.append(note(client, request, began, result))
                is_lost = asked[-1].code == "UNAVAILABLE"
                request = request if is_lost else next(todo)
                await asyncio.sleep(_RETRY_SECONDS if is_lost else _PAUSE_SECONDS)
    return asked


def note(client: str, request: tuple[str, Sequence[str]], began: float, result: Answer | Refusal) -> Asked:
    """What was asked, and what came of it just now."""
    named, sentences = request
    ended = time.monotonic()
    if isinstance(result, Refusal):
        told = {"code": result.code, "message": result.message}
        return Asked(client, named, sentences, began, ended, **told, retry_seconds=result.retry_seconds)
    return Asked(client, named, sentences, began, ended, tuple(result.texts), result.version)

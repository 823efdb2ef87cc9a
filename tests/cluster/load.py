"""Calls of every kind at random times, each with what it is answered when it is alone."""

import asyncio
import dataclasses
import itertools
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from seq2serve import AsyncClient, DecodingOptions, TranslationError
from tests.cluster.nodes import MODEL

_SENTENCES = [
    line
    for line in (Path(__file__).parents[1] / "sentences.txt").read_text(encoding="utf-8").splitlines()
    if line.strip()
]
_TIMEOUT = 60.0
_NUM_REQUESTS = 24
"""Of each kind, which are asked for again and again."""
_KINDS = ("sentence", "sentence", "stream", "sentence", "sentence", "text", "sentence", "sentence", "stream")
"""In turn."""
_STREAMED = (
    DecodingOptions(),
    DecodingOptions(beam_size=2),
    DecodingOptions(temperature=1.0, seed=7),
)


@dataclasses.dataclass(frozen=True)
class Request:
    kind: str
    """`sentence`: one, answered at once; `stream`: four, as they are decoded; `text`: one of many sentences."""
    number: int

    @property
    def contents(self) -> list[str]:
        count = {"sentence": 1, "stream": 4, "text": 10}[self.kind]
        some = [_SENTENCES[(7 * self.number + index) % len(_SENTENCES)] for index in range(count)]
        return [" ".join(some)] if self.kind == "text" else some

    @property
    def decoding(self) -> DecodingOptions:
        return _STREAMED[self.number % len(_STREAMED)] if self.kind == "stream" else DecodingOptions()


Answers = Mapping[Request, Sequence[list[str]]]
"""What each request may be answered with: one answer of each version."""


@dataclasses.dataclass(frozen=True)
class Call:
    request: Request
    due: float
    """When it was meant to begin, on the clock of `time.monotonic`."""
    ended: float
    lost: str = ""
    """What it failed with."""
    versions: frozenset[int] = frozenset()
    """Those that answer so when the request is alone, by their places in `Answers`; none of a wrong answer, and of a
    stream whose pieces are not its whole."""

    @property
    def seconds(self) -> float:
        return self.ended - self.due


async def ask(client: AsyncClient, request: Request) -> list[str] | None:
    """The translations; None where a stream's pieces are not its whole. Raises TranslationError."""
    contents = request.contents
    if request.kind != "stream":
        answers = await client.translate(contents, model=MODEL, timeout=_TIMEOUT)
        return [answer.translated_text for answer in answers]
    told, whole = [""] * len(contents), [""] * len(contents)
    async for message in client.stream(contents, model=MODEL, decoding=request.decoding, timeout=_TIMEOUT):
        told[message.content_index] += message.text_delta
        whole[message.content_index] += message.translation.translated_text
    return whole if told == whole else None


async def answers_alone(addresses: Sequence[str]) -> Answers:
    """What each request is answered by each server, one after the other, with nothing beside it."""
    every = [Request(kind, number) for kind in dict.fromkeys(_KINDS) for number in range(_NUM_REQUESTS)]
    found: dict[Request, list[list[str]]] = {request: [] for request in every}
    for address in addresses:
        async with AsyncClient(address) as client:
            for request in every:
                answer = await ask(client, request)
                assert answer is not None
                found[request].append(answer)
    return found


class Load:
    """Calls that are due at random times, so many a second (a Poisson process), whether or not others have ended."""

    def __init__(self, clients: Sequence[AsyncClient], answers: Answers, rate: float, seed: int = 1) -> None:
        self._clients = itertools.cycle(clients)
        self._answers = answers
        self._rate = rate
        self._draw = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopped = False
        self.calls: list[Call] = []

    async def run(self) -> None:
        """Until it is stopped and all calls have ended."""
        due = time.monotonic()
        for number in itertools.count():
            due += self._draw.expovariate(self._rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if self._is_stopped:
                break
            kind = _KINDS[number % len(_KINDS)]
            request = Request(kind, number // len(_KINDS) % _NUM_REQUESTS)
            task = asyncio.create_task(self._call(next(self._clients), request, due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await asyncio.gather(*self._tasks)

    def stop(self) -> None:
        self._is_stopped = True

    async def _call(self, client: AsyncClient, request: Request, due: float) -> None:
        try:
            answer = await ask(client, request)
        except TranslationError as error:
            self.calls.append(Call(request, due, time.monotonic(), lost=str(error)))
            return
        versions = (version for version, alone in enumerate(self._answers[request]) if alone == answer)
        self.calls.append(Call(request, due, time.monotonic(), versions=frozenset(versions)))

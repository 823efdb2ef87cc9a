"""One run: all clients and all changes at once, and what is to be said of it."""

import asyncio
import dataclasses
import math
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import grpc

from loadtest.memory import memory_megabytes
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from tests.reloading import Texts, read_texts
from tests.together.asking import Target, ask_on
from tests.together.changes import VERSIONS, Changes
from tests.together.foreign_clients import IN_PROCESSES_OF_THEIR_OWN, IN_THIS_PROCESS, ask_in_process
from tests.together.judgement import (
    ANY,
    LIMITED_CLIENT,
    Asked,
    Chronicle,
    may_answer,
    problem_of,
    writers_of,
)
from tests.together.own_clients import OWN_CLIENTS, stream_of_requests, without_retries
from tests.together.site import LIMITED, MODEL, POLICIES, ROTATED, STANDING, Site

STREAM_CLIENT = "seq2serve, one stream"

_NUM_BEYOND_LIMITS = 6
"""Callers at a time with the key that may have one call."""

_MAX_GROWTH = 0.10
_MIN_DRAWN = 20
_DEVIATIONS = 5.0
"""That a share of the split may be off, in standard deviations."""


@dataclasses.dataclass
class Outcome:
    seconds: float
    asked: Sequence[Asked]
    wrong: Sequence[Asked]
    """Those of them with a wrong answer, or a refusal that nothing explains."""
    changes: Changes
    megabytes: tuple[float, float]
    """Resident memory of all processes of the server, before and after."""
    problems: list[str]
    """What did not hold."""


async def run(site: Site, address: str, pid: int, seconds: float) -> Outcome:
    """Let every client call the server `pid` for so long at least, while everything about it changes."""
    async with grpc.aio.secure_channel(address, site.credentials(site.secret(STANDING))) as channel:
        texts = await read_texts(pb_grpc.TranslationServiceStub(channel), MODEL, VERSIONS)
    changes = Changes(site, address, pid)
    before = memory_megabytes(pid)["VmRSS"]
    started = time.monotonic()
    asked = await _ask_beside(changes, site, address, list(texts["1"]), seconds)
    took = time.monotonic() - started
    megabytes = before, memory_megabytes(pid)["VmRSS"]
    found = {
        index: problem for index, one in enumerate(asked) if (problem := problem_of(one, changes.chronicle, texts))
    }
    problems = [*changes.problems, *found.values()]
    problems += [*_silent(asked), *_odd_shares(asked, changes.chronicle, texts)]
    if megabytes[1] > (1 + _MAX_GROWTH) * megabytes[0]:
        problems.append(f"memory: {megabytes[0]:.0f} MB before, {megabytes[1]:.0f} MB after")
    return Outcome(took, asked, [asked[index] for index in found], changes, megabytes, problems)


async def _ask_beside(
    changes: Changes, site: Site, address: str, sentences: Sequence[str], seconds: float
) -> list[Asked]:
    """All that clients ask while the changes are made."""

    def target(key: str) -> Target:
        return Target(address, site.roots, site.secret_file(key), sentences, site.running)

    loop = asyncio.get_running_loop()
    site.running.touch()
    with ProcessPoolExecutor(len(IN_PROCESSES_OF_THEIR_OWN), multiprocessing.get_context("spawn")) as pool:
        try:
            clients = [
                loop.run_in_executor(pool, ask_in_process, client, target(ROTATED))
                for client in IN_PROCESSES_OF_THEIR_OWN
            ]
            for client, opens in OWN_CLIENTS.items():
                clients.append(asyncio.ensure_future(ask_on(client, opens, target(ROTATED))))
            # What takes long to call, and what calls on one stream, keeps its key.
            for client, opens in {**IN_THIS_PROCESS, STREAM_CLIENT: stream_of_requests}.items():
                clients.append(asyncio.ensure_future(ask_on(client, opens, target(STANDING))))
            for _ in range(_NUM_BEYOND_LIMITS):
                clients.append(asyncio.ensure_future(ask_on(LIMITED_CLIENT, without_retries, target(LIMITED))))
            await changes.make_until(time.monotonic() + seconds)
        finally:
            site.running.unlink()
        return [one for asked in await asyncio.gather(*clients) for one in asked]


def _silent(asked: Sequence[Asked]) -> Iterator[str]:
    """Clients that were told too little to have shown anything."""
    codes: defaultdict[str, set[str]] = defaultdict(set)
    for one in asked:
        codes[one.client].add(one.code)
    for client, told in codes.items():
        if "OK" not in told:
            yield f"{client}: no answer"
    if "RESOURCE_EXHAUSTED" not in codes[LIMITED_CLIENT]:
        yield f"{LIMITED_CLIENT}: nothing was refused"


def _odd_shares(asked: Sequence[Asked], chronicle: Chronicle, texts: Texts) -> Iterator[str]:
    """Whether the first policy's split has drawn a version much too often or too rarely. What was asked beside other
    changes does not count."""
    policy = POLICIES[0]
    drawn = frozenset(policy.labels[label] for label in policy.split)
    writers = [
        writers_of(one, texts)
        for one in asked
        if one.named == ANY and one.code == "OK" and may_answer(one, chronicle) == drawn
        if not any(kill.meets(one) for kill in chronicle.kills)
    ]
    number, whole = len(writers), sum(policy.split.values())
    for label, weight in policy.split.items() if number >= _MIN_DRAWN else ():
        expected = weight / whole
        share = sum(policy.labels[label] in one for one in writers) / number
        if abs(share - expected) > _DEVIATIONS * math.sqrt(expected * (1 - expected) / number):
            yield f"split: {expected:.0%} for {label} expected, got {share:.0%} of {number} answers"

"""Cases by the dozen, and what is wrong with the first that fails."""

import asyncio
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import grpc
from hypothesis import HealthCheck, Phase, given, seed, settings

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from server.serving.models.repository import read_repository
from tests.fuzz.attempt import Attempt
from tests.fuzz.cases import Case, cases
from tests.fuzz.checks import Readable
from tests.fuzz.reduction import reduced

_NUM_CONTENTS = 8
"""Of a request, at most."""

_NUM_EXAMPLES = 25
"""Of one round."""


class Failure(NamedTuple):
    problem: str
    line: str

    @property
    def kind(self) -> str:
        return kind_of(self.problem)


class Round(NamedTuple):
    num_cases: int
    failure: Failure | None


class Server:
    """As one process sees it: with one event loop, as a channel keeps to its own."""

    def __init__(self, address: str, repository: Path) -> None:
        self._runner = asyncio.Runner()
        stub = pb_grpc.TranslationServiceStub(self._runner.run(_connected(address)))
        self.models: list[pb.Model] = list(self._runner.run(_listed(stub)).models)
        readable = {bundle.manifest.name: Readable(bundle) for bundle in read_repository(repository)}
        self._attempt = Attempt(stub, readable)

    def problem(self, case: Case) -> str:
        """What is wrong with a case; empty if nothing is."""
        try:
            self._runner.run(self._attempt.check(case))
        except AssertionError as error:
            return str(error) or repr(error)
        return ""


async def _connected(address: str) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(address)


async def _listed(stub: pb_grpc.TranslationServiceStub) -> pb.ListModelsResponse:
    return await stub.ListModels(pb.ListModelsRequest())


connected = cache(Server)


def kind_of(problem: str) -> str:
    """The same for problems that probably have one cause."""
    return re.split(r"['\"{(<0-9]", problem, maxsplit=1)[0].strip()


class _Failed(Exception):
    pass


def run_round(address: str, repository: Path, number: int) -> Round:
    """New cases, all of which follow from the round's number; one that fails ends it."""
    server = connected(address, repository)
    num_cases = 0
    failed: list[tuple[str, Case]] = []

    @seed(number)
    @settings(
        max_examples=_NUM_EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(server.models, _NUM_CONTENTS))
    def check(case: Case) -> None:
        nonlocal num_cases
        if failed:
            raise _Failed
        num_cases += case.size
        if problem := server.problem(case):
            failed.append((problem, case))
            raise _Failed

    try:
        check()
    except _Failed:
        problem, case = failed[0]
        smaller = reduced(case, lambda candidate: kind_of(server.problem(candidate)) == kind_of(problem))
        return Round(num_cases, Failure(server.problem(smaller) or problem, smaller.line()))
    return Round(num_cases, None)

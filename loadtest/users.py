"""The simulated users, which Locust runs: a closed loop, or an open one of Poisson arrivals.

In a closed loop a user has one call in flight: the next one begins when the last has ended, so that a slow server is
asked less. In an open loop a user is a source of calls, which arrive whether or not earlier ones have ended, a greenlet
each; several users add up to one Poisson process. A latency counts from when the call was meant to start, so that
neither a slow server nor a late generator can hide a queue.
"""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import gevent
import grpc
from gevent.pool import Group
from grpc.experimental import gevent as grpc_gevent
from locust import User, task
from locust.env import Environment

from loadtest.calls import Answer, Caller
from loadtest.records import Method

grpc_gevent.init_gevent()  # before any channel: a call would block all users otherwise


@dataclass(kw_only=True)
class Job:
    """What the users of a process do."""

    name: str
    """Of the calls, in Locust's statistics."""
    caller: Caller
    method: Method
    requests: Sequence[bytes]
    rate: float
    """Arrivals a second of each user; 0 for a closed loop."""
    chooser: random.Random
    """Of requests and of the times between arrivals."""
    since: float | None = None
    """When the arrivals begin, by `time.perf_counter`; None for as soon as a user starts."""
    until: float = math.inf
    """When they end."""
    calls: Group = field(default_factory=Group)
    """Those of an open loop that are under way."""


class TranslationUser(User):
    """Does the class's job until it is stopped."""

    job: ClassVar[Job]
    """To be set before a user starts."""

    def on_start(self) -> None:
        self._due = time.perf_counter() if self.job.since is None else self.job.since
        if self.job.rate:
            self._next()
            gevent.sleep(self.wait_time())

    def wait_time(self) -> float:
        """Seconds until the next call is due; none in a closed loop."""
        return max(0.0, self._due - time.perf_counter()) if self.job.rate else 0.0

    @task
    def translate(self) -> None:
        if self.job.rate:
            self._arrive()
        else:
            call(self.environment, self.job, self.job.chooser.choice(self.job.requests), time.perf_counter())

    def on_stop(self) -> None:
        """A generator that is behind when it is stopped still makes the calls that were due before: they are those that
        have waited longest."""
        while self.job.rate and self._due < min(self.job.until, time.perf_counter()):
            self._arrive()

    def _arrive(self) -> None:
        job = self.job
        if self._due < job.until:
            job.calls.add(gevent.spawn(call, self.environment, job, job.chooser.choice(job.requests), self._due))
        self._next()

    def _next(self) -> None:
        self._due += self.job.chooser.expovariate(self.job.rate)


def call(environment: Environment, job: Job, request: bytes, due: float) -> None:
    """Make one call, and fire Locust's event of it; `due`: when it was meant to start, by `time.perf_counter`."""
    began = time.perf_counter()
    answer: Answer | None = None
    error: grpc.RpcError | None = None
    try:
        answer = job.caller.call(job.method, request)
    except grpc.RpcError as raised:
        error = raised
    ended = time.perf_counter()
    environment.events.request.fire(
        request_type=job.method,
        name=job.name,
        response_time=(ended - due) * 1e3,
        response_length=answer.size if answer else 0,
        response=answer,
        exception=error,
        context={"due": due, "began": began},
        start_time=time.time() - (ended - due),
    )

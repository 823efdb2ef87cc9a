"""A call that has ended, or one of the requests of a stream, as the log has it and as traces have it."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from server.serving.requests.record import DECODE, DETOKENISE, ENCODE, QUEUE
from server.serving.rpc.call import Call

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EndedCall:
    call: Call
    code: grpc.StatusCode
    ended: float = field(default_factory=time.monotonic)
    """On the clock of `time.monotonic`."""

    @property
    def seconds(self) -> float:
        return self.ended - self.call.started


Observe = Callable[[EndedCall], None]
"""Takes every call that has ended; must not raise."""


def each_of(observers: Sequence[Observe]) -> Observe:
    """All of them as one."""

    def observe(ended: EndedCall) -> None:
        for observer in observers:
            observer(ended)

    return observe


class CallLog:
    """One line for each call: for all of them, or for the slow ones alone."""

    def __init__(self, logs_all: bool, slow_seconds: float) -> None:
        """`slow_seconds`: calls that took longer are logged as warnings; 0: none are."""
        self._logs_all = logs_all
        self._slow_seconds = slow_seconds

    def __call__(self, ended: EndedCall) -> None:
        is_slow = 0 < self._slow_seconds < ended.seconds
        if not (is_slow or self._logs_all):
            return
        level, what = (logging.WARNING, "slow call") if is_slow else (logging.INFO, "call")
        _logger.log(level, what, extra={"fields": _fields(ended)})


def _fields(ended: EndedCall) -> dict[str, Any]:
    """Names and numbers; milliseconds have three digits behind the point."""
    call, record = ended.call, ended.call.record
    fields: dict[str, Any] = {
        "request_id": call.request_id,
        "caller": call.caller.name,
        "method": call.method,
        "code": ended.code.name,
        "total_ms": _milliseconds(ended.seconds),
        **record.numbers,
    }
    for name in (QUEUE, ENCODE, DECODE, DETOKENISE):
        if phase := record.phases.get(name):
            fields[f"{name}_ms"] = _milliseconds(phase.seconds)
    return fields


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 3)

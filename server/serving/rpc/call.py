"""The call that the running code answers: its request id, its caller and its deadline."""

import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from server.serving.access.caller import Caller
from server.serving.requests.record import RequestRecord


@dataclass(frozen=True, slots=True, eq=False)
class TraceContext:
    """Where a call stands among what led to it. Each call has its own, which the requests of its stream share."""

    metadata: Sequence[tuple[str, str | bytes]] = ()
    """What the client sent of it, under the names that W3C Trace Context has."""


@dataclass(frozen=True, slots=True)
class Call:
    request_id: str
    """The id that the client sent, or a new one. It stands in logs, and is sent back with every status."""
    caller: Caller
    """Whose key the call came with; the connection that it came by where no keys are needed."""
    deadline: float
    """On the clock of `time.monotonic`: the client's, or else the server's own; infinity where there is none."""
    role: str
    """The role that its method needs, or `roles.OPEN`. Streams ask for it at every request, as it may be taken away
    while they are open."""
    method: str = ""
    """The method's full name: `translation.v1.TranslationService/Translate`."""
    record: RequestRecord = field(default_factory=RequestRecord)
    """What becomes of the request."""
    started: float = field(default_factory=time.monotonic)
    """On the clock of `time.monotonic`."""
    trace: TraceContext = field(default_factory=TraceContext)
    stream: "Call | None" = None
    """The call whose stream brought the request; None for a call that is none of a stream's requests."""


current_call: ContextVar[Call] = ContextVar("current_call")
"""The call that a method of a service answers; set before the method is called."""


def allow_seconds(seconds: float) -> None:
    """Bring the deadline of the running code's call forward, if it is later than so many seconds from now."""
    call = current_call.get()
    current_call.set(replace(call, deadline=min(call.deadline, time.monotonic() + seconds)))

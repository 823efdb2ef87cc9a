"""The call that the running code answers: who calls, under which name, and until when."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    request_id: str
    """The client's, or a new one; in logs, and sent back with every status."""
    caller: str
    """The connection that the call came by, as gRPC names its peer. Port included: two clients behind one address share
    no connection, and each is a caller."""
    deadline: float
    """On the clock of `time.monotonic`; where the client brought none, the server's own."""


current_call: ContextVar[Call] = ContextVar("current_call")
"""Set before a method of a service is called."""

"""What becomes of an error, whether a call ends with it or one of the requests of a stream is answered with it: what it
means to the client, and what the log and the metrics have of it."""

import logging
import time

from server.errors import (
    DeadlineExceeded,
    RoleMissing,
    TranslationError,
    Unauthenticated,
    Unreadable,
)
from server.serving.access.refusals import RefusalLog
from server.serving.metrics import Metrics
from server.serving.rpc.call import Call

_logger = logging.getLogger(__name__)


class Failures:
    """The record of all errors that clients are told, in the log and in the metrics."""

    def __init__(self, metrics: Metrics, refusals: RefusalLog) -> None:
        self._metrics = metrics
        self._refusals = refusals

    def tell(self, error: Exception, call: Call) -> Exception:
        """Record an error that a call or a request has failed with. Returns the project's own error that means the
        same, or else this one, which is logged."""
        error = _own_error(error, call)
        if isinstance(error, Unauthenticated | RoleMissing | Unreadable):
            self._refusals.note(call.request_id, call.caller, error)
        elif not isinstance(error, TranslationError):
            _logger.error("request %s failed", call.request_id, exc_info=error)
        if isinstance(error, TranslationError) and (refused := self._metrics.refused.get(error.reason)):
            refused.inc()
        return error


def _own_error(error: Exception, call: Call) -> Exception:
    if isinstance(error, TimeoutError) and time.monotonic() >= call.deadline:
        return DeadlineExceeded("that the server sets for calls that bring none")
    return error

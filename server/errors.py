"""What can go wrong with a request, one tree.

    TranslationError
    |- InvalidRequest     the request is wrong, whatever the server's state
    |  '- Unreadable      its bytes are no message of the contract
    |- Unauthenticated    no key was sent, or one that is not known
    |- RoleMissing        the caller's key may not do this
    |- UnknownMethod      the contract has no such method
    |- NotOffered         the contract has the method, and this server does not do it
    |- UnknownModel       no model of that name is served, or no such version of it
    |- NotFound           no model of that name, or no such version of it, is in a repository
    |- Refused            what runs stays as it is: a bundle that cannot be served, or a version that is needed
    |- Overloaded         more is asked of the server than it can do now
    |  |- QueueFull       as many of the caller's sentences wait as may wait
    |  |- RateLimited     the caller's key has had as many source tokens as it may
    |  '- TooManyCalls    as many calls of the caller's key run as may run
    |- NotServing         the server is draining
    |- DeadlineExceeded   the deadline passed, in the queue or while decoding
    |- EngineLost         the process that decoded has ended or hangs; asking again may help
    |- SentenceFailed     decoding it raised, or gave scores that are none; the engine goes on
    '- EngineFailed       the sentence cannot be decoded; the message says nothing of the engine's inside

Each class says with which status a call ends, and why, so that nobody else keeps a table of them.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

_MOST_QUOTED = 50
"""Characters of a client's text in a message: gRPC carries messages as metadata, which have to be short."""

_MOST_LISTED = 1200
"""Bytes of names in a message, which has to have room in a header, twice."""


def shown(text: str) -> str:
    """A client's text as a message shows it: in quotation marks, and cut where it is long."""
    return repr(text if len(text) <= _MOST_QUOTED else f"{text[:_MOST_QUOTED]}…")


def listed(names: Sequence[str]) -> str:
    """Names of what is served, as many as a message has room for."""
    room = _MOST_LISTED
    for index, name in enumerate(names):
        room -= len(name.encode()) + 2
        if room < 0:
            return ", ".join(names[:index]) + f" and {len(names) - index} more, see ListModels"
    return ", ".join(names)


class TranslationError(Exception):
    """The message is for the client."""

    status: ClassVar[str] = "INTERNAL"
    """Name of the gRPC status code that the call ends with."""
    reason: ClassVar[str] = "INTERNAL"
    """One word a class, for programs and metrics: `google.rpc.ErrorInfo.reason`."""
    retry_seconds: float | None = None
    """After which the same request may succeed here; None where it will not, or elsewhere."""

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, without a second call of `__init__`: it goes from one process to another."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[TranslationError], args: tuple[Any, ...], fields: dict[str, Any]) -> TranslationError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class InvalidRequest(TranslationError):
    """Names the field, the limit and the value received."""

    status = "INVALID_ARGUMENT"
    reason = "INVALID_REQUEST"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Unreadable(InvalidRequest):
    reason = "UNREADABLE_MESSAGE"

    def __init__(self, received: str) -> None:
        super().__init__("request", f"a message of the contract expected, got {received}")


class Unauthenticated(TranslationError):
    """Says nothing of what was sent in the place of a key."""

    status = "UNAUTHENTICATED"
    reason = "UNAUTHENTICATED"

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; send a key as `authorization: Bearer <key>` or `x-api-key: <key>`")


class RoleMissing(TranslationError):
    status = "PERMISSION_DENIED"
    reason = "ROLE_MISSING"

    def __init__(self, key: str, role: str) -> None:
        """`key`: its name."""
        super().__init__(f"key {key} does not have the role {role}, which this method needs")


class UnknownMethod(TranslationError):
    status = "UNIMPLEMENTED"
    reason = "UNKNOWN_METHOD"

    def __init__(self, method: str) -> None:
        super().__init__(f"no method {shown(method)} is served here")


class NotOffered(TranslationError):
    """Says what this server does not do, and what is there instead."""

    status = "UNIMPLEMENTED"
    reason = "NOT_OFFERED"


class UnknownModel(TranslationError):
    status = "NOT_FOUND"
    reason = "UNKNOWN_MODEL"

    def __init__(self, name: str, served: list[str]) -> None:
        super().__init__(f"model: no model {shown(name)} is served here; served: {listed(served)}")


class NotFound(TranslationError):
    status = "NOT_FOUND"
    reason = "NOT_IN_REPOSITORY"


class Refused(TranslationError):
    """Names every problem."""

    status = "FAILED_PRECONDITION"
    reason = "REFUSED"


class Overloaded(TranslationError):
    """Names what there is too much of, the limit and the value."""

    status = "RESOURCE_EXHAUSTED"
    reason = "OVERLOADED"

    def __init__(self, problem: str, retry_seconds: float = 1.0, limit: int | None = None) -> None:
        """`limit`: of what a caller's key may have, where that is exceeded."""
        super().__init__(problem)
        self.retry_seconds = retry_seconds
        self.limit = limit


class QueueFull(Overloaded):
    reason = "QUEUE_FULL"

    def __init__(self, num_waiting: int, num_submitted: int, limit: int, num_others: int = 0) -> None:
        """`num_waiting` sentences of the caller wait, of which `limit` may, as `num_others` of other callers do."""
        who = f"{num_waiting} of the caller's sentences wait beside {num_others} of others"
        super().__init__(
            f"queue is full: {who if num_others else f'{num_waiting} sentences wait'}, "
            f"{num_submitted} more would exceed the limit of {limit}"
        )


class RateLimited(Overloaded):
    reason = "RATE_LIMITED"

    def __init__(self, key: str, limit: int, retry_seconds: float) -> None:
        """`key`: its name; `limit`: source tokens a second."""
        super().__init__(f"key {key} has had the {limit} source tokens a second that it may have", retry_seconds, limit)


class TooManyCalls(Overloaded):
    reason = "TOO_MANY_CALLS"

    def __init__(self, key: str, limit: int, retry_seconds: float) -> None:
        """`key`: its name."""
        super().__init__(f"key {key} has {limit} calls running, which is its limit", retry_seconds, limit)


class NotServing(TranslationError):
    status = "UNAVAILABLE"
    reason = "NOT_SERVING"
    retry_seconds = 1.0

    def __init__(self) -> None:
        super().__init__("the server is shutting down")


class DeadlineExceeded(TranslationError):
    status = "DEADLINE_EXCEEDED"
    reason = "DEADLINE_EXCEEDED"

    def __init__(self, where: str) -> None:
        super().__init__(f"deadline passed {where}")


class EngineLost(TranslationError):
    status = "UNAVAILABLE"
    reason = "ENGINE_LOST"
    retry_seconds = 1.0

    def __init__(self) -> None:
        super().__init__("the model's engine was lost and is started again; try again")


class SentenceFailed(TranslationError):
    """The message says nothing of the engine's inside."""

    reason = "SENTENCE_FAILED"

    def __init__(self) -> None:
        super().__init__("decoding this sentence failed")


class EngineFailed(TranslationError):
    reason = "ENGINE_FAILED"

    def __init__(self) -> None:
        super().__init__("decoding failed")

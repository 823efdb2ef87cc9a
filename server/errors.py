"""What can go wrong with a request, one tree.

    TranslationError
    |- InvalidRequest     the request is wrong, whatever the server's state
    |- UnknownModel       no model of that name is served
    |- QueueFull          as many of the caller's sentences wait as may wait
    |- NotServing         the server is draining
    |- DeadlineExceeded   the client's deadline passed, in the queue or while decoding
    '- EngineFailed       the decode loop broke, or its process ended; the message says nothing of its inside

`serving/rpc/status.py` maps them to gRPC status codes.
"""

from typing import Any

_MOST_SHOWN = 50
"""Characters of a client's text in a message: gRPC carries messages as metadata, which have to be short."""


def shown(text: str) -> str:
    """A client's text as a message shows it: in quotation marks, and cut where it is long."""
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…")


class TranslationError(Exception):
    """The message is for the client."""

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, without a second call of `__init__`: it goes from one process to another."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[TranslationError], args: tuple[Any, ...], fields: dict[str, Any]) -> TranslationError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class InvalidRequest(TranslationError):
    """Names the field, the limit and the value received."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class UnknownModel(TranslationError):
    def __init__(self, name: str, served: list[str]) -> None:
        super().__init__(f"model: no model {shown(name)} is served here; served: {', '.join(served)}")


class QueueFull(TranslationError):
    def __init__(self, num_waiting: int, num_submitted: int, limit: int, num_others: int = 0) -> None:
        """`num_waiting` sentences of the caller wait, of which `limit` may, as `num_others` of other callers do."""
        who = f"{num_waiting} of the caller's sentences wait beside {num_others} of others"
        super().__init__(
            f"queue is full: {who if num_others else f'{num_waiting} sentences wait'}, "
            f"{num_submitted} more would exceed the limit of {limit}"
        )


class NotServing(TranslationError):
    def __init__(self) -> None:
        super().__init__("the server is shutting down")


class DeadlineExceeded(TranslationError):
    def __init__(self, where: str) -> None:
        super().__init__(f"deadline passed {where}")


class EngineFailed(TranslationError):
    def __init__(self) -> None:
        super().__init__("decoding failed")

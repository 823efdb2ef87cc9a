"""Calls of a server's methods without a socket: the bytes of messages go in, and an answer or a status comes out."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import grpc
from google.protobuf.message_factory import GetMessageClass

from seq2serve.pb import translation_pb2
from server.serving.rpc.calls import Calls
from tests.fuzz.wire_messages import METHODS, Made

CANONICAL = frozenset(
    ("INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED", "DEADLINE_EXCEEDED")
)
"""Statuses that a request may earn by itself; all others are faults of the server."""

_SECONDS = 30.0
"""After which a call counts as hanging."""

_WATCHING = frozenset(("/operations.v1.OperationsService/WatchBatches",))
"""Methods that answer until their caller leaves, which it does here at the first answer."""


class _Details(NamedTuple):
    method: str


class Context:
    """What gRPC gives to a method: the messages of one call, and how it ended."""

    def __init__(self, messages: Sequence[bytes], leaves: bool) -> None:
        """`leaves`: whether the caller does, at the first answer."""
        self._leaves = leaves
        self._messages = list(reversed(messages))
        self.answers: list[bytes] = []
        self.code = "OK"
        self.message = ""

    async def read(self) -> Any:
        return self._messages.pop() if self._messages else grpc.aio.EOF

    async def write(self, answer: bytes) -> None:
        self.answers.append(answer)
        if self._leaves:
            raise asyncio.CancelledError  # as gRPC does it

    async def abort(self, code: grpc.StatusCode, message: str, _: object) -> None:
        self.code, self.message = code.name, message
        raise grpc.aio.AbortError

    def time_remaining(self) -> float:
        return _SECONDS

    def invocation_metadata(self) -> tuple[()]:
        return ()

    def set_trailing_metadata(self, _: object) -> None: ...

    def peer(self) -> str:
        return "ipv4:127.0.0.1:40000"

    def done(self) -> bool:
        return False


async def problem_with(calls: Calls, made: Made) -> tuple[str, str]:
    """Call a method. Returns the status that it ended with, and what is wrong with that; empty for nothing."""
    context = Context(made.messages, leaves=made.method in _WATCHING)
    handler = cast(Any, calls.service(cast(Any, _Details(made.method))))
    try:
        async with asyncio.timeout(_SECONDS):
            answer = await (handler.stream_unary or handler.stream_stream)(None, context)
            context.answers += [answer] if handler.stream_unary else []
    except (grpc.aio.AbortError, asyncio.CancelledError):
        pass  # the context has the status and the answers, which are judged below
    except TimeoutError:
        return "HANGS", f"no end within {_SECONDS:g} s"
    except Exception as error:
        return "RAISES", repr(error)
    if context.code != "OK":
        return context.code, "" if context.code in CANONICAL else context.message
    kind = GetMessageClass(METHODS[made.method].output_type)
    return "OK", "; ".join(filter(None, (_problem_of(kind.FromString(answer)) for answer in context.answers)))


def _problem_of(answer: Any) -> str:
    """What is wrong with a message that may tell how one request of a stream has failed."""
    if isinstance(answer, translation_pb2.TranslateStreamResponse) and answer.HasField("error"):
        name = next((code.name for code in grpc.StatusCode if code.value[0] == answer.error.code), "")
        return "" if name in CANONICAL else f"in the stream: {answer.error}"
    told = getattr(answer, "error_message", "")
    return f"in the stream: {told}" if told and told.partition(":")[0] not in CANONICAL else ""

"""Messages as JSON. Attention makes some of them very large: what takes seconds is done beside the event loop, so that
other requests go on."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from seq2serve import InvalidRequest

MANY_BYTES = 1 << 14
"""Of a message; fewer are written within some milliseconds."""

MOST_BYTES = 4_000_000
"""Of a message that is written at all. As many of attention, a million weights, take four seconds and 115 MB meanwhile;
an answer may have five times as many, and two are written at a time."""

_threads = ThreadPoolExecutor(2, "json")

Written = TypeVar("Written", bound=Message)


def is_large(message: Message) -> bool:
    """Whether a message takes so long to write that others have to go on meanwhile."""
    return message.ByteSize() > MANY_BYTES


async def write_json(message: Written, read: Callable[[Written], dict[str, Any]] = MessageToDict) -> str:
    """A message as one line of JSON in ASCII. `read`: what is written of it; all that it has in protobuf's own JSON
    form, by default. Raises InvalidRequest for one of more than `MOST_BYTES`."""
    if not is_large(message):
        return json.dumps(read(message))
    if message.ByteSize() > MOST_BYTES:
        raise _too_large(message.ByteSize())

    def write() -> str:
        # In pieces, as `json.dumps` lets no other thread run before all is written.
        return "".join(json.JSONEncoder().iterencode(read(message)))

    return await asyncio.get_running_loop().run_in_executor(_threads, write)


def _too_large(num_bytes: int) -> InvalidRequest:
    return InvalidRequest(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"decoding.return_alignment_heads, return_alignment: an answer of at most {MOST_BYTES} bytes expected where it "
        f"is JSON, got one of {num_bytes}; gRPC and Connect's binary form have it whole, and fewer or shorter contents "
        "or fewer hypotheses make it smaller",
    )

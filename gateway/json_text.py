"""Messages as JSON. Attention makes some of them very large: what takes seconds is done beside the event loop, so that
other requests go on."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

MANY_BYTES = 1 << 14
"""Of a message; fewer are written within some milliseconds."""

_threads = ThreadPoolExecutor(2, "json")

Written = TypeVar("Written", bound=Message)


def is_large(message: Message) -> bool:
    """Whether a message takes so long to write that others have to go on meanwhile."""
    return message.ByteSize() > MANY_BYTES


async def write_json(
    message: Written, read: Callable[[Written], dict[str, Any]] = MessageToDict, indent: int | None = None
) -> str:
    """A message as JSON in ASCII. `read`: what is written of it; all that it has in protobuf's own JSON form, by
    default. `indent`: of its lines; None for one line."""
    if not is_large(message):
        return json.dumps(read(message), indent=indent)

    def write() -> str:
        # In pieces, as `json.dumps` lets no other thread run before all is written.
        return "".join(json.JSONEncoder(indent=indent).iterencode(read(message)))

    return await asyncio.get_running_loop().run_in_executor(_threads, write)

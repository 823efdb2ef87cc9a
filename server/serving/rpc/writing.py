"""How the messages of an answer are written."""

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import grpc

    _Context = grpc.aio.ServicerContext[Any, Any]


class Writing:
    """A call's context, to which messages are written as they are; they are serialised on the way."""

    def __init__(self, context: "_Context", serialize: Any) -> None:
        self._context = context
        self._serialize = serialize

    async def write(self, message: Any) -> None:
        """Raises CancelledError where the call is over: gRPC's own error may come before it cancels the call."""
        serialized = self._serialize(message)
        try:
            await self._context.write(serialized)
        except Exception:
            raise asyncio.CancelledError from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

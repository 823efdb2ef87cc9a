"""Whether any server of a channel can be reached, so that a call need not find out by itself. For asyncio."""

import asyncio
import time

import grpc

from seq2serve.errors import Unavailable

RESTART_SECONDS = 4.0
"""Time that a server may be away and have its calls wait for it: it may only restart."""

WAIT_SECONDS = 1.5
"""That a call waits for one that is away for longer. A channel looks for its servers every second."""


class Reachability:
    """Watches the channel from now on, and keeps it connected. Needs a running event loop."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._lost_at: float | None = None
        """When the last server was lost, or the first one was looked for, on the clock of `time.monotonic`."""
        self._reached = asyncio.Event()
        self._watching = asyncio.get_running_loop().create_task(self._watch(channel))

    async def wait(self, seconds: float) -> None:
        """Return at once, unless no server could be reached for longer than a restart takes; then when one is. Raises
        Unavailable if none is soon, or within so many seconds."""
        seconds_lost = 0.0 if self._lost_at is None else time.monotonic() - self._lost_at
        if seconds_lost < RESTART_SECONDS:
            return
        try:
            async with asyncio.timeout(min(seconds, WAIT_SECONDS)):
                await self._reached.wait()
        except TimeoutError:
            reason = f"no server could be reached for {seconds_lost:.0f} s"
            raise Unavailable(grpc.StatusCode.UNAVAILABLE, reason) from None

    def close(self) -> None:
        """Those who wait go on at once, and find the channel closed."""
        self._watching.cancel()
        self._reached.set()

    async def _watch(self, channel: grpc.aio.Channel) -> None:
        while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.SHUTDOWN:
            if state is grpc.ChannelConnectivity.READY:
                self._lost_at = None
                self._reached.set()
            elif self._lost_at is None:
                self._lost_at = time.monotonic()
                self._reached.clear()
            await channel.wait_for_state_change(state)

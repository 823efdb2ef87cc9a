"""Signals that end the server: the first lets it drain, a second one ends it at once."""

import asyncio
import os
import signal
from collections.abc import Callable
from types import FrameType

_ONE_REQUEST_SECONDS = 0.5
"""`timeout`, and others that end both a process and its group, send a signal twice and mean it once."""


def drain_on_signals(request_stop: Callable[[], None]) -> None:
    """SIGTERM, Ctrl-C and a hangup request a stop; SIGTERM and Ctrl-C end the process at once if they come again.

    What the process has started ends with it, once its sockets have.
    """
    loop = asyncio.get_running_loop()

    def begin() -> None:
        request_stop()
        loop.call_later(_ONE_REQUEST_SECONDS, end_next_time)

    def end_next_time() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, _end)  # not the loop's, which a busy loop would come to late

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, begin)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` asks that it be ignored
        loop.add_signal_handler(signal.SIGHUP, request_stop)


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)  # as a shell shows a process that the signal has ended

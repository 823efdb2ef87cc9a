"""Signals that end the server, where the first lets it drain and a second one ends it at once; and the one that has it
reload its models."""

import asyncio
import os
import signal
from collections.abc import Callable
from types import FrameType

_ONE_REQUEST_SECONDS = 0.5
"""`timeout`, and others that end both a process and its group, send a signal twice and mean it once."""


def handle_signals(request_stop: Callable[[], None], reload: Callable[[], None]) -> None:
    """SIGTERM and Ctrl-C request a stop, and end the process at once if they come again. SIGHUP lets it reload; where
    it says that the process's terminal was closed, it requests a stop.

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
        had_terminal = _has_terminal()

        def hang_up() -> None:
            (request_stop if had_terminal and not _has_terminal() else reload)()

        loop.add_signal_handler(signal.SIGHUP, hang_up)


def _has_terminal() -> bool:
    """Whether the process belongs to a terminal's session; no longer, once the terminal was closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)  # as a shell shows a process that the signal has ended

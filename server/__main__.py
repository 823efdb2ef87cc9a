"""python -m server [--listen ADDRESS] [--model-repository FOLDER]... [--default-model NAME] ..."""

import asyncio
import contextlib
import ctypes
import os
import sys

from log_format import configure_logging
from server.config import LOG_FORMAT_VARIABLE, parse_config
from server.serving.app import serve
from server.serving.output import drop_unwritten

_M_ARENA_MAX = -8


def _keep_one_heap() -> None:
    """By default glibc gives every thread a heap of its own, and each keeps the room of the largest messages that its
    thread has received. Other C libraries have one heap, and no such call."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


if __name__ == "__main__":
    _keep_one_heap()
    config = parse_config()
    configure_logging(config.log_format)
    os.environ[LOG_FORMAT_VARIABLE] = config.log_format  # which engines have from here
    code = asyncio.run(serve(config))
    drop_unwritten()
    sys.exit(code)

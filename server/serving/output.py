"""What the server writes for people. None of it is worth its life: a full disk or a closed pipe behind standard output
or standard error stops neither the start nor the service, nor does it change the exit code.

Logging needs no care: `logging` itself goes on where a line cannot be written.
"""

import logging
import os
import sys
from typing import TextIO

_logger = logging.getLogger(__name__)


def write_line(text: str, stream: TextIO | None = None) -> None:
    """On standard output, unless told otherwise."""
    try:
        print(text, file=stream, flush=True)
    except OSError as error:
        _logger.warning("cannot write to standard output or standard error: %s", error)


def drop_unwritten() -> None:
    """The last thing before the interpreter ends: it writes what its streams still hold, and would complain."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # it was closed from the start
            continue
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

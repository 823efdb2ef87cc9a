"""What the command line writes: bytes on standard output; on standard error the lines that were left as they were, and
for a file how far it is."""

import errno
import os
import sys
import time
from types import TracebackType
from typing import Self

from seq2serve.lines import BadLine, Line

_SECONDS_BETWEEN_UPDATES = 0.2
_ERASE = "\r\x1b[K"


class Output:
    """Standard output in UTF-8, whatever the locale is. Everything that writes raises OSError with its name,
    BrokenPipeError where nobody reads it any more."""

    def __init__(self) -> None:
        self.num_bad = 0
        """Lines that were left as they were."""
        if sys.stdout is None:
            raise _output_error(OSError(errno.EBADF, os.strerror(errno.EBADF)))
        # Not the bytes below sys.stdout: where Python is told not to buffer, they may take a part of what is written.
        self._bytes = open(sys.stdout.fileno(), "wb", closefd=False)  # noqa: SIM115  # open as long as the process is
        self._progress: _Progress | None = None

    def show_progress(self) -> None:
        """If standard error is a terminal, and standard output is not."""
        if sys.stderr is not None and sys.stderr.isatty() and not sys.stdout.isatty():
            self._progress = _Progress()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._progress:
            self._progress.erase()

    def write(self, text: str | bytes) -> None:
        try:
            self._bytes.write(text.encode() if isinstance(text, str) else text)
        except OSError as error:
            raise _output_error(error) from error

    def flush(self) -> None:
        try:
            self._bytes.flush()
        except OSError as error:
            raise _output_error(error) from error

    def write_line(self, line: Line, answers: list[str] | BadLine) -> None:
        """Lines in the place of one, which end as it does; or itself where it is bad, and the reason."""
        if isinstance(answers, BadLine):
            self.complain(line, answers)
            self.write(line.raw)
        else:
            line_break = line.end or b"\n"
            self.write(line.start + line_break.join(answer.encode() for answer in answers) + line.end)
        if self._progress:
            self._progress.show(line.last_number)

    def complain(self, line: Line, problem: BadLine) -> None:
        """Say why a line is left as it was."""
        self.num_bad += 1
        if self._progress:
            self._progress.erase()
        if sys.stderr is not None:  # None is standard output for `print`
            print(f"{line.place}: error: {problem}", file=sys.stderr, flush=True)


def abandon_output() -> None:
    """Nothing more is written, nor what could not be written before, which the interpreter would try again at its
    end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Progress:
    """One line of a terminal."""

    def __init__(self) -> None:
        self._started = self._shown = time.monotonic()
        self._is_shown = False

    def show(self, num_lines: int) -> None:
        now = time.monotonic()
        if now - self._shown >= _SECONDS_BETWEEN_UPDATES:
            rate = num_lines / (now - self._started)
            print(f"{_ERASE}{num_lines} lines, {rate:.0f} lines/s", end="", file=sys.stderr, flush=True)
            self._shown = now
            self._is_shown = True

    def erase(self) -> None:
        if self._is_shown:
            print(_ERASE, end="", file=sys.stderr, flush=True)
            self._is_shown = False


def _output_error(error: OSError) -> OSError:
    return OSError(error.errno, error.strerror, "standard output")

"""What the C library's allocator does with memory that is freed. Nothing is done where it is not glibc's."""

import contextlib
import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Of glibc's mallopt(3)."""


def keep_freed_memory() -> None:
    """Tell glibc to keep what is freed. Every step frees and takes again the same megabytes, of which the kernel would
    clear each page anew: a quarter of a step's time."""
    with contextlib.suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def give_freed_memory_back() -> None:
    """Give the kernel back what is free now, once in a while: between what is in use, holes come about that nothing
    fits into, and a process that keeps them all grows for hours."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)

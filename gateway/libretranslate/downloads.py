"""Translated files, kept in memory until they are fetched or forgotten."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

_LIFETIME_SECONDS = 1800.0


@dataclass(frozen=True)
class Download:
    content: bytes
    media_type: str
    expires: float
    """On the clock of the `Downloads` that keeps it."""


class Downloads:
    """Files by names that nobody can guess. At most `max_bytes` are kept: the oldest go first."""

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._kept: dict[str, Download] = {}
        self._num_bytes = 0

    def keep(self, name: str, content: bytes, media_type: str) -> str:
        """The name that the file has from now on: the one given, behind what nobody can guess."""
        kept_name = f"{secrets.token_urlsafe(24)}.{name}"
        self._kept[kept_name] = Download(content, media_type, self._clock() + _LIFETIME_SECONDS)
        self._num_bytes += len(content)
        for old in list(self._kept):
            is_over = self._num_bytes > self._max_bytes and old != kept_name
            if not is_over and self._kept[old].expires > self._clock():
                break
            self._num_bytes -= len(self._kept.pop(old).content)
        return kept_name

    def get(self, name: str) -> Download | None:
        kept = self._kept.get(name)
        return kept if kept and kept.expires > self._clock() else None

"""Sees which models have changed in their repositories, by looking at the folders again and again."""

import asyncio
import logging
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from server.serving.models.registry import Changes, ModelRegistry

_logger = logging.getLogger(__name__)

_DEPTH = 3
"""Levels of a repository that are looked at: models, what is in them, and the files of versions and glossaries."""

_LONGEST_PAUSE = 60
"""Looks from one attempt to load what could not be loaded to the next, at the most."""


class _Entry(NamedTuple):
    """What tells one state of a file from another."""

    path: str
    inode: int
    modified: int
    size: int


_Models = Mapping[str, frozenset[_Entry] | None]
"""All that is in the folders of a model, by the model's name; None for one that is not there any more."""


class RepositoryWatch:
    """Remembers how the repositories were when it was made, and when it was last asked."""

    def __init__(self, repositories: Sequence[Path]) -> None:
        self._repositories = repositories
        self._told = dict(self._look())
        """Models as they were when a change of them was last told."""
        self._seen: _Models = self._told

    def changes(self) -> list[str]:
        """Look, and return the names of models that have changed since they were last returned, and have not since the
        last look: a folder that is being written is left alone until it has come to rest."""
        seen, now = self._seen, self._look()
        self._seen = now
        at_rest = [name for name in {*now, *seen, *self._told} if now.get(name) == seen.get(name)]
        changed = sorted(name for name in at_rest if now.get(name) != self._told.get(name))
        for name in changed:
            self._told[name] = now.get(name)
        return changed

    def _look(self) -> _Models:
        found: dict[str, set[_Entry]] = defaultdict(set)
        for repository in self._repositories:
            for entry in _entries(str(repository), _DEPTH):
                name = Path(entry.path).relative_to(repository).parts[0]
                found[name].add(entry)
        return {name: frozenset(entries) for name, entries in found.items()}


def _entries(folder: str, depth: int) -> Iterator[_Entry]:
    """Files, and folders without their times, which a file in them changes as well; hidden ones are passed over. What
    cannot be read is not there."""
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError:
        return
    for entry in entries:
        try:
            status = entry.stat()
            is_folder = entry.is_dir()
        except OSError:
            continue
        if not is_folder:
            yield _Entry(entry.path, status.st_ino, status.st_mtime_ns, status.st_size)
        elif depth > 1:
            yield _Entry(entry.path, status.st_ino, 0, 0)
            yield from _entries(entry.path, depth - 1)


async def follow(watch: RepositoryWatch, registry: ModelRegistry, seconds: float) -> None:
    """Serve what the repositories say whenever they have changed, looking every `seconds`. Never ends by itself.

    A model that could not be reloaded is tried again when anything else has changed, which may have been the reason,
    and now and then without a change, ever more seldom: a broken bundle costs a start of its engines each time.
    """
    left: set[str] = set()
    """Models that have changed, and are not served so yet."""
    logged: list[str] = []
    """Why they are not."""
    looks = pause = 1
    while True:
        await asyncio.sleep(seconds)
        looks -= 1
        if names := await asyncio.to_thread(watch.changes):
            looks, pause = 0, 1
        if looks > 0 or not left | set(names):
            continue
        changes = await reload_or_log(registry, sorted(left | set(names)), logged)
        left, logged = (set(changes.left), changes.problems) if changes else (left | set(names), logged)
        looks, pause = pause, min(2 * pause, _LONGEST_PAUSE)


async def reload_or_log(
    registry: ModelRegistry, names: Collection[str] | None = None, logged: Collection[str] = ()
) -> Changes | None:
    """Reload where nobody waits for the outcome, which is None where it raised. The next reload may go well, whatever
    this one has come upon."""
    try:
        return await registry.reload(names, logged)
    except Exception:
        _logger.exception("models could not be reloaded")
        return None

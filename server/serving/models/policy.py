"""Which versions of a model are served, and which of them answers: `model.toml` beside the model's versions.

versions = ["1", "2"]   # or "latest", the default, or "all"

[labels]                # other names of versions, each of which is served
stable = "1"
canary = "2"

[split]                 # of requests that name no version: weights of labels; without it the newest version answers
stable = 95
canary = 5
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.bundle.manifest import BundleError

POLICY = "model.toml"
LATEST, ALL = "latest", "all"

_LABEL = re.compile("[a-z][a-z0-9_-]{0,31}")
_MAX_LABELS = 8
"""Of a model: each is a name in the health service."""
_MAX_WEIGHT = 1_000_000


@dataclass(frozen=True)
class Policy:
    """What `model.toml` says; without one, its defaults."""

    versions: str | tuple[str, ...] = LATEST
    """`latest`, `all`, or the versions by name."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Versions by label."""
    split: Mapping[str, int] = field(default_factory=dict)
    """Weights by label; empty where the newest version answers whoever names none."""

    def choose(self, present: Sequence[str]) -> list[str]:
        """The versions to serve, oldest first, of those that are `present`, one at least. Raises ValueError with all
        versions that are wanted and are not there, or where none is."""
        if not present:  # any more: the folder was found for its versions
            raise ValueError("a version expected, a folder named by a number beside this file; there is none")
        if isinstance(self.versions, tuple):
            wanted = set(self.versions)
        else:
            wanted = set(present) if self.versions == ALL else {max(present, key=int)}
        wanted |= set(self.labels.values())
        if missing := sorted(wanted - set(present), key=int):
            raise ValueError(f"versions {', '.join(missing)} are to be served, there are {', '.join(present)}")
        return sorted(wanted, key=int)


def read_policy(path: Path) -> Policy:
    """The policy of a file; the default one where there is no such file. Raises BundleError with every problem."""
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Policy()
    except (OSError, ValueError) as error:  # TOML's and Unicode's errors are ValueErrors
        raise BundleError(f"{path}: {error}") from error
    if problems := list(_problems(fields)):
        raise BundleError(*(f"{path}: {problem}" for problem in problems))
    versions = fields.get("versions", LATEST)
    return Policy(
        versions if isinstance(versions, str) else tuple(map(str, versions)),
        {label: str(version) for label, version in fields.get("labels", {}).items()},
        fields.get("split", {}),
    )


def _problems(fields: dict[str, Any]) -> Iterator[str]:
    for name in sorted(fields.keys() - {"versions", "labels", "split"}):
        yield f"{name}: versions, labels or split expected"
    versions = fields.get("versions", LATEST)
    if versions not in (LATEST, ALL):
        if not isinstance(versions, list) or not versions:
            yield f"versions: {LATEST!r}, {ALL!r} or a list of versions expected, got {versions!r}"
        else:
            for index, version in enumerate(versions):
                yield from _version_problems(f"versions[{index}]", version)
    labels, split = (fields.get(name, {}) for name in ("labels", "split"))
    for name, table in ("labels", labels), ("split", split):
        if not isinstance(table, dict):
            yield f"{name}: a table expected, got {table!r}"
            return
    if len(labels) > _MAX_LABELS:
        yield f"labels: at most {_MAX_LABELS} expected, got {len(labels)}"
    for label, version in labels.items():
        if not _LABEL.fullmatch(label):
            yield f"labels: up to 32 of a-z, 0-9, - and _, a letter first, expected, got {label!r}"
        yield from _version_problems(f"labels.{label}", version)
    for label, weight in split.items():
        if label not in labels:
            yield f"split.{label}: one of the labels expected ({', '.join(labels) or 'there are none'})"
        if type(weight) is not int or not 0 <= weight <= _MAX_WEIGHT:
            yield f"split.{label}: a whole number from 0 to {_MAX_WEIGHT} expected, got {weight!r}"
    if split and not any(split.values()):
        yield "split: a weight above 0 expected, got none"


def _version_problems(name: str, version: object) -> Iterator[str]:
    text = str(version) if type(version) in (int, str) else ""
    if not (text.isascii() and text.isdecimal()):
        yield f"{name}: a version, the number that its folder is named by, expected, got {version!r}"

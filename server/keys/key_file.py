"""The file of API keys: who may call the server, what each may do, and how much of it.

A TOML file with a table for each key, by its name:

    [web]
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    roles = ["translate", "read"]
    max_calls = 16
    source_tokens_per_second = 2000
    burst_source_tokens = 20000

A sentence counts as its source tokens for a greedy translation, and as more where it costs more, see `Key`.

The file holds no key, only digests. A key is 256 random bits, which nobody finds by trying: so a plain SHA-256 protects
it, where a password would need a slow hash.
"""

import hashlib
import json
import re
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRANSLATE, SCORE, READ, WATCH, ADMIN = "translate", "score", "read", "watch", "admin"

ROLES = {
    TRANSLATE: "translate texts",
    SCORE: "score translations",
    READ: "ask what is served: models, languages, the contract",
    WATCH: "see the running batches: lengths and times of everybody's sentences, no texts",
    ADMIN: "change what is served, and everything else; has the other roles as well",
}
"""What each role may do."""

PREFIX = "s2s_"
"""Beginning of every key, by which people and secret scanners recognise one."""

_RANDOM_BYTES = 32

MAX_KEYS = 1000
"""Keys of one file. Each has series of its own among the metrics."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST = 10**12

NAME_RULE = "1 to 63 of a-z, 0-9, _ and - expected, first a letter or a digit"


class KeyFileError(ValueError):
    """The file cannot be used. The message has one line for each of its problems."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """What the file says of one key."""

    name: str
    sha256: bytes
    """Digest of the whole key, its prefix included."""
    roles: frozenset[str]
    max_calls: int | None = None
    """Calls that run at a time; None: no limit of the key's own."""
    source_tokens_per_second: int | None = None
    """Source tokens that the key may have translated or scored a second, on average; None: no limit. A sentence counts
    as what it costs (`DecodingOptions.cost`): times its rows, which are its beam size or its samples, and with the
    tokens that its translation is made to have (`min_output_tokens`, a prefix, a translation that is to be scored) in
    the place of its own where they are more."""
    burst_source_tokens: int | None = None
    """Source tokens at once after a pause; None: ten seconds' worth."""


def new_key() -> str:
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest(key: str) -> bytes:
    """What the file has in place of a key, as bytes."""
    return hashlib.sha256(key.encode()).digest()


def read_keys(path: Path) -> tuple[Key, ...]:
    """Raises KeyFileError, which names every problem, or OSError."""
    try:
        tables = tomllib.loads(path.read_bytes().decode())
    except ValueError as error:  # of TOML or of UTF-8
        raise KeyFileError(f"{path}: {error}") from error
    problems: list[str] = []
    keys = [_read_key(name, table, problems) for name, table in tables.items()]
    if len(keys) > MAX_KEYS:
        problems.append(f"at most {MAX_KEYS} keys expected, got {len(keys)}")
    names: dict[bytes, str] = {}
    for key in keys:
        if key.sha256 and names.setdefault(key.sha256, key.name) != key.name:
            problems.append(f"{key.name}: sha256: another one than that of {names[key.sha256]} expected")
    if problems:
        raise KeyFileError("\n".join(f"{path}: {problem}" for problem in problems))
    return tuple(keys)


def table_of(key: Key) -> str:
    """The lines of the file that say what a key is."""
    name = key.name if _NAME.fullmatch(key.name) else json.dumps(key.name)
    lines = [f"[{name}]", f'sha256 = "{key.sha256.hex()}"', f"roles = {json.dumps(sorted(key.roles))}"]
    lines += [f"{name} = {value}" for name in _LIMITS if (value := getattr(key, name)) is not None]
    return "\n".join(lines) + "\n"


_LIMITS = ("max_calls", "source_tokens_per_second", "burst_source_tokens")
_FIELDS = ("sha256", "roles", *_LIMITS)


def _read_key(name: str, table: Any, problems: list[str]) -> Key:
    """One table. What is wrong with it is added to `problems`; the key is of no use then."""
    shown = name if _NAME.fullmatch(name) else repr(name[:63])
    if not _NAME.fullmatch(name):
        problems.append(f"{shown}: {NAME_RULE}")
    if not isinstance(table, dict):
        problems.append(f"{shown}: a table expected, as in [{shown}]")
        return Key(name=name, sha256=b"", roles=frozenset())
    problems += [f"{shown}: {field}: no such field; there are {', '.join(_FIELDS)}" for field in table.keys() - _FIELDS]
    sha256, roles = table.get("sha256"), table.get("roles")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):  # not shown: it may be the key itself
        problems.append(f"{shown}: sha256: 64 of 0-9 and a-f expected")
        sha256 = ""
    if not isinstance(roles, list) or not roles or not all(role in ROLES for role in map(str, roles)):
        problems.append(f"{shown}: roles: a list of {', '.join(ROLES)} expected, got {roles!r}")
        roles = []
    limits = {field: table[field] for field in _LIMITS if field in table}
    for field, value in limits.items():
        if type(value) is not int or not 1 <= value <= _LARGEST:
            problems.append(f"{shown}: {field}: a whole number from 1 to {_LARGEST} expected, got {value!r}")
    if "burst_source_tokens" in limits and "source_tokens_per_second" not in limits:
        problems.append(f"{shown}: burst_source_tokens: source_tokens_per_second expected as well")
    return Key(name=name, sha256=bytes.fromhex(sha256), roles=frozenset(map(str, roles)), **limits)

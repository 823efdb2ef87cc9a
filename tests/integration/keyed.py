"""Keys for tests, by name, and the file that has them."""

from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo

from server.keys.key_file import ADMIN, READ, SCORE, TRANSLATE, WATCH, Key, digest, new_key, table_of

KEYS = {name: new_key() for name in ("translator", "scorer", "reader", "watcher", "admin", "other")}
ROLES = {
    "translator": [TRANSLATE],
    "scorer": [SCORE],
    "reader": [READ],
    "watcher": [WATCH],
    "admin": [ADMIN],
    "other": [TRANSLATE],
}


def key(name: str, **fields: Any) -> Key:
    return Key(name=name, sha256=digest(KEYS[name]), roles=frozenset(ROLES[name]), **fields)


def write_keys(path: Path, *keys: Key) -> str:
    """Replace the file of keys. Returns the setting."""
    file = path / "keys.toml"
    file.write_text("\n".join(map(table_of, keys)), encoding="utf-8")
    return str(file)


def bearer(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {KEYS[name]}"),)


def reason_of(details: dict[str, Message]) -> str:
    info = details["ErrorInfo"]
    assert isinstance(info, ErrorInfo)
    return info.reason


def retry_seconds(details: dict[str, Message]) -> float:
    info = details["RetryInfo"]
    assert isinstance(info, RetryInfo)
    return info.retry_delay.ToTimedelta().total_seconds()

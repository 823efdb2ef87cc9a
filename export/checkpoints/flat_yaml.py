"""The YAML that Marian writes for settings: scalars and lists of scalars, by key, without nesting.

Its vocabularies are another matter: see `marian_vocabulary`.
"""

import re

from export.checkpoints.quoting import unquote

Settings = dict[str, str | tuple[str, ...]]
"""Value of each key as it is spelt; a list's is a tuple."""

_KEY = re.compile(r"([A-Za-z0-9_.-]+)\s*:(?:\s+(.*))?")


class NotFlatYaml(ValueError):
    """A line that is none of those this module reads; the message names it by its number."""


def parse_flat_yaml(text: str) -> Settings:
    """Read `key: value`, `key: [value, value]`, and a key followed by lines `- value`; raises NotFlatYaml."""
    settings: Settings = {}
    open_key = None
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line.startswith("#") or line in ("---", "..."):
            continue
        try:
            if open_key is not None and (line.startswith("- ") or line == "-"):
                items = settings[open_key]
                settings[open_key] = (*(items if isinstance(items, tuple) else ()), _scalar(line[1:].strip()))
                continue
            if open_key is not None and line.startswith("[") and raw[:1] == " ":  # as yaml-cpp writes an empty list
                settings[open_key] = _flow_list(line)
                open_key = None
                continue
            match = _KEY.fullmatch(line)
            if match is None or raw[:1].isspace():
                raise ValueError("`key: value` expected")
            key, value = match[1], (match[2] or "").strip()
            if key in settings:
                raise ValueError(f"{key} is given twice")
            open_key = key if not value or value.startswith("#") else None
            settings[key] = "" if open_key else _flow_list(value) if value.startswith("[") else _scalar(value)
        except ValueError as error:
            raise NotFlatYaml(f"line {number}: {error}, got {line[:80]!r}") from None
    return settings


def _flow_list(text: str) -> tuple[str, ...]:
    text = text.split(" #")[0].rstrip()
    if not text.endswith("]"):
        raise ValueError("a list that ends on its own line expected")
    inner = text[1:-1].strip().removesuffix(",")
    return tuple(_scalar(item.strip()) for item in inner.split(",")) if inner else ()


def _scalar(text: str) -> str:
    """A scalar without its quotation marks, and a plain one without the comment behind it."""
    if text[:1] in ('"', "'"):
        end = text.rfind(text[0])
        if end == 0:
            raise ValueError("a closing quotation mark expected")
        if text[end + 1 :].strip() and not text[end + 1 :].lstrip().startswith("#"):
            raise ValueError("nothing behind the closing quotation mark expected")
        return unquote(text[: end + 1])
    return text.split(" #")[0].rstrip()

"""JSON values as declared types: dataclasses, tuples, dictionaries, literals and plain values."""

import dataclasses
import typing
from types import UnionType
from typing import Any, Literal, cast

_NAMES = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    tuple: "list",
    int | str: "integer or text",
}
"""JSON's name for each type; all others are objects."""


def parse_json(kind: Any, value: Any, field: str = "") -> Any:
    """A JSON value as a declared type. `field`: name of the value, for errors.

    Raises ValueError naming the field, what is expected and what came, for all fields that are wrong.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        kinds, prefix = typing.get_type_hints(kind), f"{field}." if field else ""
        required = {item.name for item in dataclasses.fields(kind) if item.default is dataclasses.MISSING}
        if wrong := (value.keys() - kinds.keys()) | (required - value.keys()):
            names = ", ".join(sorted(prefix + name for name in wrong))
            raise ValueError(f"missing or unknown fields: {names}")
        parsed, problems = {}, []
        for name, item in value.items():
            try:
                parsed[name] = parse_json(kinds[name], item, prefix + name)
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise ValueError("; ".join(problems))
        return cast(Any, kind)(**parsed)
    if origin is tuple and isinstance(value, list):
        return tuple(parse_json(arguments[0], item, f"{field}[{index}]") for index, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {name: parse_json(arguments[1], item, f"{field}.{name}") for name, item in value.items()}
    if origin is Literal and value in arguments:
        return value
    if origin is UnionType and type(value) in arguments:
        return value
    if origin is UnionType and type(None) in arguments:
        return parse_json(arguments[0], value, field)
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    if origin is Literal:
        raise ValueError(f"{field}: one of {', '.join(arguments)} expected, got {value!r}")
    raise ValueError(f"{field}: {_NAMES.get(kind) or _NAMES.get(origin, 'object')} expected, got {value!r}")

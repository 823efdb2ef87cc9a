"""What a request gives by names, wherever it gives it: the query string, a form, a multipart form or a JSON object.
Real clients of one API use all four."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

_MOST_FIELDS = 10_000
_MOST_TEXTS = 10_000
"""Of an array: what two cores translate of short ones within the time that a request has."""
_MOST_SHOWN = 50
"""Characters of a wrong value in a message."""
_WHOLE_NUMBER = re.compile(r"\s*-?[0-9]{1,18}\s*")


@dataclass(frozen=True)
class SentFile:
    """Of a multipart form."""

    name: str
    content: bytes


def wrong(field: str, problem: str) -> HTTPException:
    """The refusal of a request whose `field` is wrong; `problem` says the limit and the value."""
    return HTTPException(400, f"Invalid request: {field}: {problem}")


def check_length(field: str, value: object) -> None:
    """Raises HTTPException where it is an array of more texts than anybody waits for."""
    if isinstance(value, list) and len(value) > _MOST_TEXTS:
        raise wrong(field, f"at most {_MOST_TEXTS} texts expected, got {len(value)}")


def shown(value: object) -> str:
    """A value as a message has it, cut where it is long."""
    try:
        text = json.dumps(value, default=lambda _: "a file")
    except RecursionError:
        text = "more levels than can be shown"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


class Fields:
    """Values by their names: texts, and whatever else JSON has. A name that a form has several times has a list."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def has(self, name: str) -> bool:
        """Whether the field is there, and neither empty nor null."""
        return self._values.get(name) not in (None, "", [])

    def text(self, name: str, default: str = "") -> str:
        """Raises HTTPException where it is anything but one text."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise wrong(name, f"a text expected, got {shown(value)}")
        return _whole(name, value)

    def texts(self, name: str) -> list[str]:
        """The texts of an array, or one text alone; none where the field is not there. Raises HTTPException."""
        value = self._values.get(name)
        if value is None:
            return []
        if isinstance(value, str):
            return [_whole(name, value)]
        if not isinstance(value, list):
            raise wrong(name, f"a text, or an array of texts, expected, got {shown(value)}")
        check_length(name, value)
        for index, item in enumerate(value):
            if not isinstance(item, str):
                raise wrong(f"{name}[{index}]", f"a text expected, got {shown(item)}")
        return [_whole(f"{name}[{index}]", item) for index, item in enumerate(value)]

    def is_list(self, name: str) -> bool:
        return isinstance(self._values.get(name), list)

    def number(self, name: str, default: int = 0) -> int:
        """A whole number, which forms have as text. Raises HTTPException."""
        value = self._values.get(name)
        if value is None or value == "":
            return default
        if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong(name, f"a whole number expected, got {shown(value)}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false, which forms have as text. Raises HTTPException."""
        value = self._values.get(name)
        if value is None or value == "":
            return default
        known = {True: True, False: False, "1": True, "0": False, "true": True, "false": False}
        if isinstance(value, bool | int | str) and (value.lower() if isinstance(value, str) else value) in known:
            return known[value.lower() if isinstance(value, str) else value]
        raise wrong(name, f"true or false expected, got {shown(value)}")

    def file(self, name: str) -> SentFile | None:
        value = self._values.get(name)
        return value if isinstance(value, SentFile) else None


async def read_fields(request: Request, max_bytes: int) -> Fields:
    """The fields of a request; those of its body win over those of its query string. A body that begins as a JSON
    object is one, whatever it says that it is: `curl -d` calls everything a form. Raises HTTPException.

    `max_bytes`: of one part of a multipart form.
    """
    values = _joined(_pairs("query string", request.scope["query_string"].decode("latin-1")))
    _check_encoding(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return Fields(values | _joined(await _multipart_pairs(request, max_bytes)))
    body = await request.body()
    if body.lstrip().startswith(b"{") or kind.endswith("json"):
        return Fields(values | (_json_object(body) if body else {}))
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise wrong("body", f"UTF-8 expected, got 0x{body[error.start]:02x} at byte {error.start + 1}") from None
    return Fields(values | _joined(_pairs("body", text)))


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object that a request's body is. Raises HTTPException."""
    _check_encoding(request)
    body = await request.body()
    value = _json_object(body)
    if b"\\ud" in body.lower():  # what protobuf makes of half of a surrogate pair is no error of the caller's
        _whole("body", json.dumps(value, ensure_ascii=False))
    return value


def _check_encoding(request: Request) -> None:
    """A small body may become a large text before anybody looks at its size: none is taken. Raises HTTPException."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise HTTPException(415, f"Invalid request: Content-Encoding: none expected, got {encoding[:_MOST_SHOWN]!r}")


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "more levels than can be read" if isinstance(error, RecursionError) else str(error)
        raise wrong("body", f"a JSON object expected, got what is none: {reason}") from None
    if not isinstance(value, dict):
        raise wrong("body", f"a JSON object expected, got {shown(value)}")
    return value


async def _multipart_pairs(request: Request, max_bytes: int) -> list[tuple[str, str | SentFile]]:
    """Files stay in memory, like all bodies: nobody's text is written to a disk, and a container may have none."""
    parser = MultiPartParser(request.headers, request.stream(), max_fields=_MOST_FIELDS, max_part_size=max_bytes)
    parser.spool_max_size = max_bytes
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise wrong("body", f"a multipart form expected: {error.message}") from None
    except UnicodeError:  # of a charset that is none, such as "undefined"
        raise wrong("body", "a multipart form expected: its content type has another charset than its parts") from None
    try:
        return [
            (name, SentFile(part.filename or "", await part.read()) if isinstance(part, UploadFile) else part)
            for name, part in form.multi_items()
        ]
    finally:
        await form.close()


def _pairs(where: str, text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except UnicodeDecodeError:
        raise wrong(where, "UTF-8 expected, got other bytes") from None
    except ValueError:
        raise wrong(where, f"at most {_MOST_FIELDS} fields expected, got more") from None


def _joined(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name not in values:
            values[name] = value
        elif isinstance(values[name], list):
            values[name].append(value)
        else:
            values[name] = [values[name], value]
    return values


def _whole(name: str, text: str) -> str:
    """Raises HTTPException for half of a surrogate pair, which JSON can write and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise wrong(
            name, f"Unicode text expected, got half of a surrogate pair at character {error.start + 1}"
        ) from None
    return text

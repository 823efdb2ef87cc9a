"""What one connection sends over HTTP, made from a number alone: requests of every path, most of them nearly right, and
how they are sent: in one piece or in many, behind each other, or not to their end."""

import json
import random
import struct
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

from tests.fuzz.texts import SENTENCES
from tests.fuzz.wire_messages import make

_MAX_REQUESTS = 4
_MAX_PIECES = 20

_DOG = "A dog sleeps."
_CONTRACT = "/translation.v1.TranslationService"
_TRANSLATE = {
    "contents": [_DOG],
    "model": "",
    "mimeType": "text/html",
    "priority": "PRIORITY_BULK",
    "decoding": {"beamSize": 2, "returnAlignment": True, "maxOutputTokens": 4},
}
_DEEPL = {"text": [_DOG], "source_lang": "EN", "target_lang": "FR", "tag_handling": "html", "ignore_tags": ["x"]}
_GLOSSARY = {"name": "a", "source_lang": "en", "target_lang": "fr", "entries": "dog\tchien", "entries_format": "tsv"}
_BODIES: dict[str, dict[str, Any]] = {
    "/translate": {"q": [_DOG], "source": "en", "target": "fr", "format": "html", "alternatives": 1, "api_key": ""},
    "/translate?q=A+cat.&source=auto": {"target": "fr"},
    "/detect": {"q": _DOG},
    "/languages": {},
    "/frontend/settings": {},
    "/suggest": {"q": _DOG},
    "/translate_file": {"source": "en", "target": "fr", "file": "1\n00:00:01,000 --> 00:00:02,000\nA dog."},
    "/download_file/x.txt": {},
    "/v2/translate": _DEEPL,
    "/v2/languages?type=target": {"type": "source"},
    "/v2/usage": {},
    "/v2/glossary-language-pairs": {},
    "/v2/glossaries": _GLOSSARY,
    "/v2/glossaries/x": {},
    "/v2/glossaries/x/entries": {},
    f"{_CONTRACT}/Translate": _TRANSLATE,
    f"{_CONTRACT}/StreamTranslate": _TRANSLATE,
    f"{_CONTRACT}/TranslateStream": {},
    f"{_CONTRACT}/Score": {"pairs": [{"content": _DOG, "translatedText": "Un chien."}], "returnAlignment": True},
    f"{_CONTRACT}/ListModels": {},
    f"{_CONTRACT}/GetModel": {"name": ""},
    f"{_CONTRACT}/Nothing": {},
    "/v1/stream": _TRANSLATE,
    "/page/models": {},
    "/page/translate": _TRANSLATE,
    "/page/compare": {"models": ["rnn-en-fr"], "request": _TRANSLATE},
    "/page/score": {"pairs": [{"content": _DOG, "translatedText": "Un chien."}]},
    "/page/static/../../app.py": {},
    "/health": {},
    "/ready": {},
    "/spec": {},
    "/docs/": {},
    "/": {},
}
_KINDS = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=edge",
    "multipart/form-data",
    "multipart/form-data; boundary=edge; charset=undefined",
    "application/connect+json",
    "application/grpc-web+proto",
    "application/proto",
    "application/grpc",
    "text/plain; charset=utf-7",
    "",
    "\xff",
)
_HEADERS = (
    ("Host", ("", "[", "a b", "\xff", "localhost:99999999", "http://x/")),
    (
        "Authorization",
        ("Bearer", "Bearer a b", "Bearer \xff", "DeepL-Auth-Key x", "Basic eDp5", "Bearer " + "x" * 9000),
    ),
    ("X-API-Key", ("x", "\xe9", " ", "a\tb")),
    ("X-Request-Id", ("mine", "\xff", "x" * 300)),
    ("Traceparent", ("00-" + "a" * 32 + "-" + "b" * 16 + "-01", "\xff", "x")),
    ("Tracestate", ("a=b", "\xff", "=" * 600)),
    ("Connect-Timeout-Ms", ("0", "1", "9999999999", "-1", "x")),
    ("Connect-Protocol-Version", ("1", "2")),
    ("Grpc-Timeout", ("1n", "99999999H", "x", "")),
    ("Grpc-Encoding", ("gzip", "identity", "\xff")),
    ("Content-Encoding", ("gzip", "br", "\xff")),
    ("Accept-Encoding", ("gzip", "\xff")),
    ("Origin", ("null", "http://x.example", "\xff")),
    ("Range", ("bytes=0-1", "bytes=9-1", "x")),
    ("If-None-Match", ("*", "x")),
    ("Upgrade", ("websocket", "h2c")),
    ("Connection", ("close", "upgrade", "keep-alive", "\xff")),
    ("Expect", ("100-continue", "x")),
    ("X-Forwarded-For", ("1.2.3.4", "\xff")),
    ("X-Forwarded-Proto", ("https", "ftp", "\xff")),
    ("Cookie", ("a=b", "x" * 70_000)),
)


@dataclass(frozen=True)
class Sent:
    """What a connection sends, and what has to come of it."""

    pieces: tuple[bytes, ...]
    pause: float
    """Seconds between them."""
    is_left: bool
    """Whether the client goes without waiting for answers."""
    num_answers: int
    """At least so many are due: all requests before the first that is none, or that may be none."""


def sent_by(number: int) -> Sent:
    chance = random.Random(number)
    requests: list[bytes] = []
    num_answers, is_certain = 0, True
    for _ in range(chance.choice((1, 1, 1, _MAX_REQUESTS))):
        request, is_whole = _request(chance)
        requests.append(request)
        is_certain = is_certain and is_whole
        num_answers += is_certain
    whole = b"".join(requests)
    if chance.random() < 0.2:
        whole = whole[: chance.randint(0, len(whole))]
        num_answers = 0
    if chance.random() < 0.05:
        place = chance.randint(0, len(whole))
        whole = whole[:place] + chance.randbytes(chance.randint(1, 9)) + whole[place:]
        num_answers = 0
    places = sorted(chance.randint(0, len(whole)) for _ in range(chance.choice((0, 0, 1, _MAX_PIECES))))
    pieces = tuple(whole[start:end] for start, end in zip([0, *places], [*places, len(whole)], strict=True))
    is_left = chance.random() < 0.15
    return Sent(pieces, chance.choice((0.0, 0.0, 0.001, 0.01)), is_left, num_answers)


def _request(chance: random.Random) -> tuple[bytes, bool]:
    """And whether it is surely one, to the letter of HTTP, behind which another may follow."""
    path = chance.choice(list(_BODIES))
    body, kind = _body(chance, path)
    usual = "POST" if _BODIES[path] or path.startswith(_CONTRACT) else "GET"
    method = usual if chance.random() < 0.9 else chance.choice(_METHODS)
    is_plain = method in ("GET", "POST")
    if chance.random() < 0.05:
        path += chance.choice(("/", "?", "?q=%ff&q=%00", "%2f..", "%00", "//", "?" + "&" * 11_000, "#x", "\xff"))
        is_plain = False
    headers = [("Host", "localhost"), ("Content-Type", kind)]
    for name, values in _HEADERS:
        if chance.random() < 0.03:
            headers = [one for one in headers if one[0] != name] + [(name, chance.choice(values))]
            is_plain = False
    framing, framed, is_framed = _framed(chance, body)
    lines = [f"{method} {path} HTTP/1.{chance.choice('111110')}", *(f"{name}: {value}" for name, value in headers)]
    is_plain = is_plain and is_framed and lines[0].endswith("1.1")
    head = "\r\n".join(lines).encode("latin-1") + framing + b"\r\n\r\n"
    return head + framed, is_plain


_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PATCH", "x")


def _framed(chance: random.Random, body: bytes) -> tuple[bytes, bytes, bool]:
    """Headers that say how long the body is, the body, and whether that is true."""
    how = chance.random()
    if how < 0.75:
        return b"\r\nContent-Length: %d" % len(body), body, True
    if how < 0.8:
        claimed = chance.choice((b"0", b"-1", b"x", b"1", b"%d" % (len(body) + 5), b"9" * 30, b"5000000"))
        return b"\r\nContent-Length: " + claimed, body, False
    chunks, is_true, start = b"", True, 0
    while start < len(body):
        size = chance.randint(1, 1 + len(body) // 3)
        piece = body[start : start + size]
        claimed_size = b"%x" % len(piece)
        if chance.random() < 0.02:
            claimed_size, is_true = chance.choice((b"", b"-1", b"zz", b"f" * 20, b"0")), False
        chunks += claimed_size + b"\r\n" + piece + b"\r\n"
        start += size
    return b"\r\nTransfer-Encoding: chunked", chunks + b"0\r\n\r\n", is_true


def _body(chance: random.Random, path: str) -> tuple[bytes, str]:
    """A body, and its content type; now and then one that does not fit."""
    fields = _changed(chance, _BODIES[path])
    kind = chance.choice(_KINDS) if chance.random() < 0.3 or not path.startswith(_CONTRACT) else "application/json"
    if chance.random() < 0.05:
        return chance.randbytes(chance.choice((0, 1, 5, 100, 5000))), kind
    if kind.startswith(("application/grpc", "application/proto")):
        message = chance.choice(make(chance.randrange(2**40)).messages or (b"",))[:50_000]
        return message if kind == "application/proto" else _envelope(chance, message), kind
    if kind.startswith("multipart") or (path == "/translate_file" and chance.random() < 0.9):
        return _multipart(chance, fields), _KINDS[2] if chance.random() < 0.8 else kind
    if kind.startswith("application/x-www"):
        pairs = [
            (name, one) for name, value in fields.items() for one in (value if isinstance(value, list) else [value])
        ]
        encoded = urlencode([(name, str(one).encode("utf-8", "surrogatepass")) for name, one in pairs])
        return (encoded + chance.choice(("", "", "&q=%ff", "&&", "&=", "&text"))).encode(), kind
    text = json.dumps(fields)
    if chance.random() < 0.05:
        text = chance.choice(
            (text[:-1], "[" * 2000, '{"q":' * 990 + "1" + "}" * 990, "null", "[]", '"x"', "\ufeff" + text)
        )
    encoded_text = text.encode()
    return (_envelope(chance, encoded_text) if kind == "application/connect+json" else encoded_text), kind


def _envelope(chance: random.Random, message: bytes) -> bytes:
    claimed = len(message) if chance.random() < 0.9 else chance.choice((0, 1, 2**31, 2**32 - 1))
    return struct.pack(">BI", chance.choice((0, 0, 0, 0, 1, 2, 128)), claimed) + message


def _multipart(chance: random.Random, fields: dict[str, Any]) -> bytes:
    lines = []
    for name, value in fields.items():
        file = f'; filename="{chance.choice(_FILE_NAMES)}"' if name == "file" or chance.random() < 0.05 else ""
        content = value if isinstance(value, str) else json.dumps(value)
        head = f'--edge\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        lines.append(head.encode("utf-8", "replace") + content.encode("utf-8", "surrogatepass"))
    end = chance.choice((b"--edge--\r\n", b"--edge--\r\n", b"--edge--\r\n", b"--edg", b""))
    return b"\r\n".join([*lines, end])


_MORE_FIELDS = ("apiKey", "formality", "auth_key", "show_billed_characters", "glossary_id", "x")
_FILE_NAMES = ("a.txt", "a.srt", "a.html", "a.pdf", "", "../a.txt", "\u20ac.txt", "a" * 300 + ".txt", ".txt")


def _changed(chance: random.Random, fields: dict[str, Any]) -> dict[str, Any]:
    """The same fields, a few of which have values that they should not have."""
    found = {}
    for name, value in fields.items():
        if chance.random() < 0.04:
            continue
        found[name] = _changed(chance, value) if isinstance(value, dict) else value
        if chance.random() < 0.12:
            found[name] = _value(chance, 0)
    if chance.random() < 0.05:
        found[chance.choice(("apiKey", "formality", "auth_key", "show_billed_characters", "glossary_id", "x"))] = (
            _value(chance, 0)
        )
    return found


def _value(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(10)
    if kind == 0 and depth < 4:
        return [_value(chance, depth + 1) for _ in range(chance.randint(0, 4))]
    if kind == 1 and depth < 4:
        return {chance.choice(("q", "contents", "x", "\ud800")): _value(chance, depth + 1)}
    if kind == 2:
        return chance.choice((None, True, False, 0, -1, 2**31, 2**64, 10**30, 1.5, float("nan"), float("inf")))
    if kind == 3:
        return chance.choice(_ODD_TEXTS)
    return chance.choice(SENTENCES) if kind < 7 else quote_from_bytes(chance.randbytes(5))


_ODD_TEXTS = (
    "",
    " ",
    "\0",
    "\ud800",
    "--5",
    " " * 60 + "5",
    "9" * 5000,
    "x" * 20_000,
    "a\rb\tc\r",
    "x" * 140_000 + "\ty",
    "<b" * 500,
    "🐶" * 50,
    "zz",
    "auto",
    "en",
    "bulk",
)

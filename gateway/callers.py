"""On whose behalf a request calls the server: with the caller's key, the request's id, and its trace."""

import re
import secrets

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from seq2serve import AsyncClient

REQUEST_ID = "x-request-id"

_ID = re.compile(r"[\x21-\x7e]{1,64}")
_TRACE = {
    "traceparent": re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"),
    "tracestate": re.compile(r"[\x20-\x7e]{1,512}"),
}
"""W3C Trace Context."""
_SCHEMES = ("bearer ", "deepl-auth-key ")


def key_in(headers: Headers) -> str:
    """The key that a request's headers bring: `X-API-Key`, or `Authorization: Bearer`, as translation.v1 has them, or
    `Authorization: DeepL-Auth-Key`. Empty where there is none."""
    if key := headers.get("x-api-key", ""):
        return key.strip()
    authorization = headers.get("authorization", "")
    for scheme in _SCHEMES:
        if authorization.lower().startswith(scheme):
            return authorization[len(scheme) :].strip()
    return ""


def request_id_in(headers: Headers) -> str:
    """The id that a request brings, or a new one."""
    sent = headers.get(REQUEST_ID, "")
    return sent if _ID.fullmatch(sent) else secrets.token_hex(16)


def on_behalf(client: AsyncClient, headers: Headers, key: str = "") -> AsyncClient:
    """The client for the calls of a request. `headers`: of the request, its id among them. `key`: where it stands in
    the request's fields. Raises HTTPException for a key that cannot be sent."""
    traced = [(name, headers.get(name, "")) for name in _TRACE]
    trace = [(name, value) for name, value in traced if _TRACE[name].fullmatch(value)]
    try:
        return client.on_behalf(key or key_in(headers), ((REQUEST_ID, request_id_in(headers)), *trace))
    except ValueError as error:
        raise HTTPException(400, str(error)) from None

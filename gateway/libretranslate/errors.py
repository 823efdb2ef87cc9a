"""What is wrong with a request, in the words that LibreTranslate's clients know."""

import re

from starlette.exceptions import HTTPException

from gateway.errors import problem_of, refusal, renamed
from gateway.fields import Fields
from seq2serve import AsyncClient, InvalidRequest, Model, Overloaded, TranslationError, Unauthenticated, UnknownModel

_LANGUAGES = {"source_language_code": "source", "target_language_code": "target"}
_NAMES = {
    "contents": "q",
    "decoding.num_hypotheses": "alternatives",
    "decoding.beam_size": "alternatives",
    **_LANGUAGES,
}

_CONTENT = re.compile(r"contents\[([0-9]+)\]")


def required(fields: Fields, *names: str) -> None:
    """Raises HTTPException for the first that is not there."""
    for name in names:
        if not fields.has(name):
            raise HTTPException(400, f"Invalid request: missing {name} parameter")


async def refuse(client: AsyncClient, error: TranslationError, fields: Fields, has_key: bool) -> HTTPException:
    """The refusal that a server's error becomes. `has_key`: whether a key was sent."""
    refused = refusal(error, _NAMES)
    if isinstance(error, Unauthenticated):
        text = "Invalid API key" if has_key else "Please contact the server operator to get an API key"
        return HTTPException(403 if has_key else 400, text)
    if isinstance(error, Overloaded):
        return HTTPException(429, f"Slowdown: {refused.detail}", refused.headers)
    if isinstance(error, UnknownModel):  # no request names one: none is served
        return HTTPException(503, refused.detail, {"Retry-After": "1"})
    if isinstance(error, InvalidRequest):
        return HTTPException(400, await _invalid(client, error, fields))
    return refused


async def _invalid(client: AsyncClient, error: InvalidRequest, fields: Fields) -> str:
    field = error.field
    if field in _LANGUAGES and (code := fields.text(_LANGUAGES[field])):
        return f"{code} is not supported"
    models = await _models(client)
    if _NAMES.get(field) == "alternatives":
        most = min((model.limits.max_beam_size for model in models), default=1) - 1
        return f"alternatives parameter must be <= {most}: got {fields.number('alternatives')}"
    text = f"Invalid request: {problem_of(error, _NAMES)}"
    if (match := _CONTENT.fullmatch(field)) and fields.has("q"):  # else it is a piece of a file
        length = len(fields.texts("q")[int(match[1])])
        most = min((model.limits.max_content_characters for model in models), default=0)
        if 0 < most < length:
            where = f": {renamed(field, _NAMES)}" if fields.is_list("q") else ""
            return f"Invalid request: request ({length}) exceeds text limit ({most}){where}"
    return text


async def _models(client: AsyncClient) -> list[Model]:
    """Whose limits an error names; none where they are not told."""
    try:
        return await client.list_models()
    except TranslationError:
        return []

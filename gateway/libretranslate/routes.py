"""LibreTranslate's endpoints for texts: its fields, its answers and its words for what is wrong.

What differs is said in docs/gateway.md: an array is one request to the server, alternatives are a beam's hypotheses,
and answers to what is too much say when to come back.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import chain

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.callers import key_in, on_behalf
from gateway.fields import Fields, read_fields
from gateway.languages import detect_served, name_of, targets_by_source
from gateway.libretranslate.downloads import Downloads
from gateway.libretranslate.errors import refuse, required
from gateway.libretranslate.file_formats import FORMATS
from gateway.libretranslate.files import file_routes
from gateway.settings import Settings
from seq2serve import (
    AsyncClient,
    DecodingOptions,
    Model,
    PermissionDenied,
    Translation,
    TranslationError,
    Unauthenticated,
)

AUTO = "auto"

_FORMATS = {"text": "text/plain", "html": "text/html"}
_FRONTEND_MILLISECONDS = 500
"""After a key press, before LibreTranslate's page asks for a translation."""
_MOST_NUMBER = 2**31 - 1
"""That a message has; more than any server allows."""
_NOTHING_DETECTED = {"confidence": 0.0, "language": "en"}

Endpoint = Callable[[AsyncClient, Fields], Awaitable[Response]]


def libretranslate_routes(client: AsyncClient, settings: Settings) -> list[BaseRoute]:
    def route(path: str, endpoint: Endpoint, methods: list[str]) -> Route:
        async def answer(request: Request) -> Response:
            fields = await read_fields(request, settings.max_body_bytes)
            key = fields.text("api_key") or fields.text("apiKey")
            caller = on_behalf(client, request.headers, key)
            try:
                return await endpoint(caller, fields)
            except TranslationError as error:
                has_key = bool(key or key_in(request.headers) or client.metadata)
                raise await refuse(caller, error, fields, has_key) from error

        return Route(path, answer, methods=methods)

    return [
        route("/translate", _translate, ["POST"]),
        route("/detect", _detect, ["POST"]),
        route("/languages", _languages, ["GET", "POST"]),
        route("/frontend/settings", _frontend_settings, ["GET"]),
        Route("/suggest", _suggest, methods=["POST"]),
        *file_routes(client, Downloads(settings.max_file_kilobytes * 1024), settings),
    ]


async def _translate(client: AsyncClient, fields: Fields) -> Response:
    required(fields, "q", "source", "target")
    texts, is_list = fields.texts("q"), fields.is_list("q")
    source, target = fields.text("source"), fields.text("target")
    mime_type = _FORMATS.get(text_format := fields.text("format") or "text")
    if mime_type is None:
        raise HTTPException(400, f"{text_format} format is not supported")
    num_alternatives = fields.number("alternatives")
    if num_alternatives < 0:
        raise HTTPException(400, "alternatives parameter must be >= 0")
    answer: dict[str, object] = {}
    if source == AUTO:
        detected = await detect_served(client, texts)
        source = detected[0][0] if detected else ""
        told = _detected(*detected[0]) if detected else _NOTHING_DETECTED
        answer["detectedLanguage"] = [told] * len(texts) if is_list else told
    if source.lower() == target.lower():
        await _check_served(client, source)
        translations = [Translation(translated_text=text) for text in texts]
    else:
        num_hypotheses = min(num_alternatives + 1, _MOST_NUMBER) if num_alternatives else 0
        translations = await client.translate(
            texts,
            source_language_code=source,
            target_language_code=target,
            mime_type=mime_type,
            decoding=DecodingOptions(num_hypotheses=num_hypotheses, beam_size=num_hypotheses),
        )
    translated = [translation.translated_text for translation in translations]
    answer["translatedText"] = translated if is_list else translated[0]
    if num_alternatives:
        others = [_alternatives(one) if text_format == "text" else [] for one in translations]
        answer["alternatives"] = others if is_list else others[0]
    return JSONResponse(answer)


async def _check_served(client: AsyncClient, language: str) -> None:
    """Raises HTTPException for a language that no model has, as far as the caller's key lets it be asked."""
    with suppress(PermissionDenied):
        targets = targets_by_source(await client.list_models())
        if language.lower() not in {code.lower() for code in (*targets, *chain(*targets.values()))}:
            raise HTTPException(400, f"{language} is not supported")


def _alternatives(translation: Translation) -> list[str]:
    texts = dict.fromkeys(hypothesis.translated_text for hypothesis in translation.hypotheses)
    texts.pop(translation.translated_text, None)
    return list(texts)


async def _detect(client: AsyncClient, fields: Fields) -> Response:
    required(fields, "q")
    detected = await detect_served(client, fields.texts("q"))
    return JSONResponse([_detected(*one) for one in detected] or [_NOTHING_DETECTED])


def _detected(language: str, probability: float) -> dict[str, object]:
    return {"confidence": round(100 * probability, 1), "language": language}


async def _languages(client: AsyncClient, _: Fields) -> Response:
    targets = targets_by_source(await client.list_models())
    return JSONResponse(
        [{"code": code, "name": name_of(code), "targets": targets_of} for code, targets_of in targets.items()]
    )


async def _frontend_settings(client: AsyncClient, _: Fields) -> Response:
    models: list[Model] = []
    needs_key = False
    try:
        models = await client.list_models()
    except (Unauthenticated, PermissionDenied):
        needs_key = True
    most = min((model.limits.max_content_characters for model in models), default=0)
    source, targets = next(iter(targets_by_source(models).items()), ("en", ["en"]))
    return JSONResponse(
        {
            "apiKeys": needs_key,
            "charLimit": most or -1,
            "filesTranslation": True,
            "frontendTimeout": _FRONTEND_MILLISECONDS,
            "keyRequired": needs_key,
            "language": {
                "source": {"code": source, "name": name_of(source)},
                "target": {"code": targets[0], "name": name_of(targets[0])},
            },
            "suggestions": False,
            "supportedFilesFormat": list(FORMATS),
        }
    )


async def _suggest(_: Request) -> Response:
    raise HTTPException(403, "Suggestions are disabled on this server.")

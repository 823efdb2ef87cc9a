"""LibreTranslate's endpoints for files: one is sent, and its translation is fetched by the address that is answered."""

import re
from collections.abc import Sequence
from pathlib import PurePath

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.callers import key_in, on_behalf
from gateway.fields import File, read_fields, wrong
from gateway.languages import detect_served
from gateway.libretranslate.downloads import Downloads
from gateway.libretranslate.errors import refuse, required
from gateway.libretranslate.file_formats import FORMATS, HTML, PLAIN, Format, Part
from gateway.settings import Settings
from seq2serve import AsyncClient, TranslationError

_UNSAFE = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 100


def file_routes(client: AsyncClient, downloads: Downloads, settings: Settings) -> list[BaseRoute]:
    async def translate_file(request: Request) -> Response:
        fields = await read_fields(request, settings.max_body_bytes)
        file = fields.file("file")
        if file is None:
            raise HTTPException(400, "Invalid request: missing file parameter")
        required(fields, "source", "target")
        key = fields.text("api_key")
        caller = on_behalf(client, request.headers, key)
        name, file_format = _format_of(file)
        text = _decoded(file.content)
        try:
            translated = await _translate(caller, file_format, text, fields.text("source"), fields.text("target"))
        except TranslationError as error:
            has_key = bool(key or key_in(request.headers) or client.metadata)
            raise await refuse(caller, error, fields, has_key) from error
        kept_name = downloads.keep(name, translated.encode(), file_format.media_type)
        return JSONResponse({"translatedFileUrl": str(request.url_for("download_file", name=kept_name))})

    async def download_file(request: Request) -> Response:
        name = request.path_params["name"]
        download = downloads.get(name)
        if download is None:
            raise HTTPException(
                404, f"no file {name[:_LONGEST_NAME]!r} is kept here; translated files are for half an hour"
            )
        headers = {"Content-Disposition": f'attachment; filename="{name.partition(".")[2]}"'}
        return Response(download.content, media_type=download.media_type, headers=headers)

    return [
        Route("/translate_file", translate_file, methods=["POST"]),
        Route("/download_file/{name}", download_file, name="download_file"),
    ]


def _format_of(file: File) -> tuple[str, Format]:
    """A name for the translated file, and its format. Raises HTTPException."""
    name = PurePath(file.name).name
    file_format = FORMATS.get(PurePath(name).suffix.lower())
    if file_format is None:
        raise wrong(
            "file", f"a name that ends with one of {', '.join(FORMATS)} expected, got {name[-_LONGEST_NAME:]!r}"
        )
    return _UNSAFE.sub("_", name)[-_LONGEST_NAME:].encode("ascii", "replace").decode().replace("?", "_"), file_format


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise wrong("file", f"UTF-8 expected, got 0x{content[error.start]:02x} at byte {error.start + 1}") from None


async def _translate(client: AsyncClient, file_format: Format, text: str, source: str, target: str) -> str:
    """The whole file translated, while others who wait go first."""
    models = await client.list_models()
    most = min((model.limits.max_content_characters for model in models), default=len(text) or 1)
    start = "\ufeff" if text.startswith("\ufeff") else ""
    parts = list(file_format.parts(text[len(start) :], most))
    if source == "auto":
        detected = await detect_served(client, [part.text for part in parts if part.mime_type][:100])
        source = detected[0][0] if detected else ""
    pieces = [part.text for part in parts]
    for mime_type in (PLAIN, HTML):
        places = [place for place, part in enumerate(parts) if part.mime_type == mime_type]
        for place, translated in zip(
            places, await _translated(client, parts, places, mime_type, source, target), strict=True
        ):
            pieces[place] = translated
    return start + "".join(pieces)


async def _translated(
    client: AsyncClient, parts: Sequence[Part], places: Sequence[int], mime_type: str, source: str, target: str
) -> list[str]:
    if not places:
        return []
    translations = await client.translate(
        [parts[place].text for place in places],
        source_language_code=source,
        target_language_code=target,
        mime_type=mime_type,
        priority="bulk",
    )
    return [translation.translated_text for translation in translations]

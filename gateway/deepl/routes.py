"""DeepL's endpoints, as its own libraries call them: a JSON body, or a form in which `text` comes several times."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.callers import key_in, on_behalf
from gateway.deepl.errors import refuse
from gateway.deepl.glossaries import Glossaries, Owner, glossary_routes, owner_of
from gateway.deepl.tags import marked, unmarked
from gateway.deepl.usage import Usage
from gateway.fields import Fields, read_fields, wrong
from gateway.languages import detect_served, name_of, targets_by_source
from gateway.settings import Settings
from seq2serve import AsyncClient, DecodingOptions, Glossary, TranslationError
from seq2serve.requests import SentenceSplitting

_SPLITTING: Mapping[str, SentenceSplitting] = {"0": "none", "1": "sentences", "nonewlines": "sentences"}

_NO_CHARACTER_LIMIT = 1_000_000_000_000
"""What DeepL answers to those who may translate as much as they like."""

_VARIANTS = {"en": ("EN-GB", "EN-US"), "pt": ("PT-BR", "PT-PT")}
"""Languages that DeepL's libraries do not take as targets without a variant."""

_UNSUPPORTED = ("custom_instructions", "style_id", "translation_memory_id")

Endpoint = Callable[[AsyncClient, Fields, Owner], Awaitable[Response]]


def deepl_routes(client: AsyncClient, settings: Settings) -> list[BaseRoute]:
    glossaries = Glossaries(settings.glossaries)
    usage = Usage()

    def answering(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            fields = await read_fields(request, settings.max_body_bytes)
            key = fields.text("auth_key") or key_in(request.headers)
            caller = on_behalf(client, request.headers, key)
            try:
                return await endpoint(caller, fields, owner_of(key))
            except TranslationError as error:
                raise refuse(error) from error

        return answer

    async def translate(caller: AsyncClient, fields: Fields, owner: Owner) -> Response:
        return await _translate(caller, fields, owner, glossaries, usage)

    async def used(caller: AsyncClient, _: Fields, owner: Owner) -> Response:
        await caller.list_models()  # which only who has a key may ask for, where keys are needed
        return JSONResponse({"character_count": usage.of(owner), "character_limit": _NO_CHARACTER_LIMIT})

    return [
        Route("/v2/translate", answering(translate), methods=["POST"]),
        Route("/v2/languages", answering(_languages), methods=["GET", "POST"]),
        Route("/v2/usage", answering(used), methods=["GET", "POST"]),
        *glossary_routes(client, glossaries, settings),
    ]


async def _translate(
    client: AsyncClient, fields: Fields, owner: Owner, glossaries: Glossaries, usage: Usage
) -> Response:
    texts = fields.texts("text")
    if not texts:
        raise HTTPException(400, "Parameter 'text' not specified.")
    target = fields.text("target_lang")
    if not target:
        raise HTTPException(400, "Parameter 'target_lang' not specified.")
    for name in _UNSUPPORTED:
        if fields.has(name):
            raise wrong(name, "not offered here, expected to be left out")
    if (formality := fields.text("formality")) in ("more", "less"):
        raise HTTPException(400, f"'formality' is not supported for given 'target_lang': got {formality}, {target}")
    source = fields.text("source_lang").lower()
    if not source:
        detected = await detect_served(client, texts)
        source = detected[0][0] if detected else ""
    tags = fields.text("tag_handling")
    if tags not in ("", "html", "xml"):
        raise wrong("tag_handling", f"html or xml expected, got {tags!r}")
    splitting = fields.text("split_sentences", "nonewlines" if tags else "1")
    if splitting not in _SPLITTING:
        raise wrong("split_sentences", f"one of {', '.join(_SPLITTING)} expected, got {splitting!r}")
    is_billing_shown = fields.flag("show_billed_characters")
    ignored = fields.texts("ignore_tags")
    contents = [marked(text, _listed(ignored)) for text in texts] if tags else texts
    if splitting == "nonewlines" and not tags:
        contents = [" ".join(text.splitlines()) for text in texts]
    translations = await client.translate(
        contents,
        source_language_code=source,
        target_language_code=target.lower(),
        mime_type="text/html" if tags else "text/plain",
        split_sentences=_SPLITTING[splitting],
        decoding=DecodingOptions(glossary=_glossary(fields.text("glossary_id"), owner, glossaries)),
    )
    usage.add(owner, sum(map(len, texts)))
    answers = []
    for text, translation in zip(texts, translations, strict=True):
        translated = translation.translated_text
        answers.append(
            {
                "detected_source_language": source.upper(),
                "text": unmarked(translated) if tags else translated,
                **({"billed_characters": len(text)} if is_billing_shown else {}),
            }
        )
    return JSONResponse({"translations": answers})


def _listed(names: list[str]) -> list[str]:
    """JSON has an array of names, forms have them with commas between."""
    return [name.strip() for given in names for name in given.split(",") if name.strip()]


def _glossary(glossary_id: str, owner: Owner, glossaries: Glossaries) -> Glossary:
    """One that the caller has made, by its id, or one that the model repository keeps, by its name."""
    if not glossary_id:
        return Glossary()
    made = glossaries.find(glossary_id, owner)
    return Glossary(entries=made.messages) if made else Glossary(name=glossary_id)


async def _languages(client: AsyncClient, fields: Fields, _: Owner) -> Response:
    kind = fields.text("type", "source")
    if kind not in ("source", "target"):
        raise wrong("type", f"source or target expected, got {kind!r}")
    targets = targets_by_source(await client.list_models())
    if kind == "source":
        return JSONResponse([{"language": code.upper(), "name": name_of(code)} for code in targets])
    codes = dict.fromkeys(code for of_source in targets.values() for code in of_source)
    shown = [variant for code in codes for variant in _VARIANTS.get(code, (code.upper(),))]
    return JSONResponse([{"language": code, "name": name_of(code), "supports_formality": False} for code in shown])

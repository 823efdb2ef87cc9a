"""The paths of DeepL's API, as the OpenAPI document has them."""

from functools import partial

from gateway.spec.describing import (
    COUNT,
    FLAG,
    FORM,
    JSON,
    LANGUAGE,
    MULTIPART,
    SOME_TEXTS,
    TEXT,
    TEXTS,
    Json,
    array_of,
    body_of,
    object_of,
    operation,
    path_parameter,
    ref,
)

_KINDS = (JSON, FORM, MULTIPART)
_PROBLEMS = (400, 403, 404, 503, 504)
_operation = partial(operation, error="DeepLError", problems=_PROBLEMS)


def deepl_paths() -> Json:
    asked = object_of(
        ("text", "target_lang"),
        text=SOME_TEXTS,
        source_lang=LANGUAGE,
        target_lang=LANGUAGE,
        formality=TEXT,
        tag_handling={"type": "string", "enum": ["html", "xml"]},
        split_sentences={"type": "string", "enum": ["0", "1", "nonewlines"]},
        ignore_tags=TEXTS,
        glossary_id=TEXT,
        show_billed_characters=FLAG,
    )
    translation = object_of(
        ("detected_source_language", "text"), detected_source_language=TEXT, text=TEXT, billed_characters=COUNT
    )
    languages = array_of(object_of(("language", "name"), language=TEXT, name=TEXT, supports_formality=FLAG))
    kind = {"name": "type", "in": "query", "schema": {"type": "string", "enum": ["source", "target"]}}
    used = object_of(("character_count", "character_limit"), character_count=COUNT, character_limit=COUNT)
    usage = "Characters translated since the gateway began."
    return {
        "/v2/translate": {
            "post": _operation(
                "deeplTranslate",
                "Translate texts.",
                object_of(("translations",), translations=array_of(translation)),
                body=body_of(asked, *_KINDS),
            )
        },
        "/v2/languages": {
            "get": _operation("deeplLanguages", "What can be translated.", languages, parameters=(kind,)),
            "post": _operation("deeplLanguagesByPost", "The same.", languages, parameters=(kind,)),
        },
        "/v2/usage": {
            "get": _operation("deeplUsage", usage, used),
            "post": _operation("deeplUsageByPost", "The same.", used),
        },
    } | _glossary_paths()


def _glossary_paths() -> Json:
    made = object_of(
        ("name", "source_lang", "target_lang", "entries", "entries_format"),
        name=TEXT,
        source_lang=LANGUAGE,
        target_lang=LANGUAGE,
        entries=TEXT,
        entries_format={"type": "string", "enum": ["tsv", "csv"]},
    )
    pair = object_of(("source_lang", "target_lang"), source_lang=TEXT, target_lang=TEXT)
    glossaries = object_of(("glossaries",), glossaries=array_of(ref("Glossary")))
    pairs = object_of(("supported_languages",), supported_languages=array_of(pair))
    one = (path_parameter("glossary_id"),)
    return {
        "/v2/glossary-language-pairs": {"get": _operation("deeplPairs", "Directions of glossaries.", pairs)},
        "/v2/glossaries": {
            "get": _operation("deeplGlossaries", "The caller's glossaries.", glossaries),
            "post": _operation(
                "deeplMakeGlossary",
                "Make a glossary.",
                ref("Glossary"),
                body=body_of(made, *_KINDS),
                status=201,
                problems=(*_PROBLEMS, 456),
            ),
        },
        "/v2/glossaries/{glossary_id}": {
            "get": _operation("deeplGlossary", "One of them.", ref("Glossary"), parameters=one),
            "delete": _operation("deeplDeleteGlossary", "Remove it.", None, parameters=one, status=204),
        },
        "/v2/glossaries/{glossary_id}/entries": {
            "get": _operation("deeplEntries", "Its terms.", TEXT, parameters=one, kind="text/tab-separated-values")
        },
    }

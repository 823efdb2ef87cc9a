"""LibreTranslate's paths, as the OpenAPI document has them."""

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

_operation = partial(operation, error="Error", problems=(400, 403, 503, 504))


def libretranslate_paths() -> Json:
    return _text_paths() | _file_paths()


def _text_paths() -> Json:
    detected = {"oneOf": [ref("Detected"), array_of(ref("Detected"))]}
    asked = object_of(
        ("q", "source", "target"),
        q=SOME_TEXTS,
        source=LANGUAGE,
        target=LANGUAGE,
        format={"type": "string", "enum": ["text", "html"]},
        alternatives=COUNT,
        api_key=TEXT,
    )
    answered = object_of(
        ("translatedText",),
        translatedText=TEXTS,
        detectedLanguage=detected,
        alternatives=array_of({"oneOf": [TEXT, array_of(TEXT)]}),
    )
    named = object_of(("code", "name"), code=TEXT, name=TEXT)
    languages = array_of(object_of(("code", "name", "targets"), code=TEXT, name=TEXT, targets=array_of(TEXT)))
    settings = object_of(
        ("charLimit", "suggestions", "filesTranslation", "supportedFilesFormat", "keyRequired", "language"),
        apiKeys=FLAG,
        charLimit={"type": "integer", "minimum": -1},
        filesTranslation=FLAG,
        frontendTimeout=COUNT,
        keyRequired=FLAG,
        language=object_of(("source", "target"), source=named, target=named),
        suggestions=FLAG,
        supportedFilesFormat=array_of(TEXT),
    )
    return {
        "/translate": {
            "post": _operation(
                "translate",
                "Translate a text, or an array of texts.",
                answered,
                body=body_of(asked, JSON, FORM, MULTIPART),
            )
        },
        "/detect": {
            "post": _operation(
                "detect",
                "What a text may be written in, of the languages that are served.",
                array_of(ref("Detected")),
                body=body_of(object_of(("q",), q=SOME_TEXTS, api_key=TEXT), JSON, FORM, MULTIPART),
            )
        },
        "/languages": {
            "get": _operation("languages", "What is translated into what.", languages),
            "post": _operation("languagesByPost", "The same, for older clients.", languages),
        },
        "/frontend/settings": {"get": _operation("frontendSettings", "What a page has to know.", settings)},
        "/suggest": {
            "post": operation(
                "suggest", "Suggestions are not taken.", ref("Error"), status=403, error="Error", problems=()
            )
        },
    }


def _file_paths() -> Json:
    file = object_of(
        ("file", "source", "target"),
        file={"type": "string", "contentMediaType": "application/octet-stream"},
        source=LANGUAGE,
        target=LANGUAGE,
        api_key=TEXT,
    )
    return {
        "/translate_file": {
            "post": _operation(
                "translateFile",
                "Translate a file: .txt, .srt or .html.",
                object_of(("translatedFileUrl",), translatedFileUrl=TEXT),
                body=body_of(file, MULTIPART),
            )
        },
        "/download_file/{name}": {
            "get": operation(
                "downloadFile",
                "A translated file.",
                {},
                kind="*/*",
                parameters=(path_parameter("name"),),
                error="Error",
                problems=(404,),
            )
        },
    }

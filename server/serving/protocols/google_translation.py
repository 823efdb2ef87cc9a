"""Google Cloud Translation, version 3: its requests for text become those of translation.v1."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import grpc

from seq2serve.pb import translation_pb2
from server.errors import InvalidRequest, NotOffered, shown
from server.serving.models.catalogue import Models
from server.serving.models.served import ServedModel
from server.serving.protocols.pb import translation_service_pb2 as pb
from server.serving.protocols.pb import translation_service_pb2_grpc as pb_grpc
from server.serving.requests.parse import HTML
from server.serving.rpc.translation import TranslationService

if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[Any, Any]

_MODELS, _GLOSSARIES = "models", "glossaries"

_GENERAL = ("general/nmt", "general/base")
"""Google's models for whatever languages."""

_GLOSSARY_FIELD = "glossary_config.glossary"
_FIELDS = {"decoding.glossary.name": _GLOSSARY_FIELD, "decoding.glossary": _GLOSSARY_FIELD}
"""Fields of translation.v1 that have another name here."""


class GoogleTranslationService(pb_grpc.TranslationServiceServicer):
    def __init__(self, translations: TranslationService, models: Models) -> None:
        self._translations = translations
        self._models = models

    async def TranslateText(self, request: pb.TranslateTextRequest, context: "_Context") -> pb.TranslateTextResponse:
        """With a glossary the contents are translated twice, as the answer has both."""
        _check(request)
        plain = translation_pb2.TranslateRequest(
            model=_model_name(request.model),
            contents=request.contents,
            source_language_code=request.source_language_code,
            target_language_code=request.target_language_code,
            mime_type=request.mime_type or HTML,
        )
        asked = [plain]
        if glossary := _own_name(request.glossary_config.glossary, _GLOSSARIES):
            asked.append(translation_pb2.TranslateRequest())
            asked[1].CopyFrom(plain)
            asked[1].decoding.glossary.name = glossary
        with _named_here():
            translated = await self._translations.translate(asked, context)
        answer = pb.TranslateTextResponse()
        for one in translated[0].translations:
            answer.translations.add(translated_text=one.translated_text, model=_full_name(request, translated[0]))
        for one in translated[1].translations if glossary else ():
            answer.glossary_translations.add(
                translated_text=one.translated_text,
                model=_full_name(request, translated[1]),
                glossary_config=request.glossary_config,
            )
        return answer

    async def DetectLanguage(self, request: pb.DetectLanguageRequest, context: "_Context") -> pb.DetectLanguageResponse:
        raise NotOffered("no language is detected here; requests name theirs in source_language_code")

    async def GetSupportedLanguages(
        self, request: pb.GetSupportedLanguagesRequest, context: "_Context"
    ) -> pb.SupportedLanguages:
        models = self._named(_model_name(request.model))
        sources = {code for model in models for code in model.manifest.source_codes}
        targets = {code for model in models for code in model.manifest.target_codes}
        return pb.SupportedLanguages(
            languages=(
                pb.SupportedLanguage(
                    language_code=code,
                    display_name=code if request.display_language_code else "",
                    support_source=code in sources,
                    support_target=code in targets,
                )
                for code in sorted(sources | targets)
            )
        )

    def _named(self, name: str) -> list[ServedModel]:
        """The model of that name, or all where there is none. Raises UnknownModel."""
        return [self._models.described(name)] if name else [model.main for model in self._models]


def _check(request: pb.TranslateTextRequest) -> None:
    """What translation.v1 has no field for. Raises InvalidRequest."""
    if not request.target_language_code:
        raise InvalidRequest("target_language_code", "a language such as fr expected, got none")
    for field, is_wanted in (
        ("glossary_config.contextual_translation_enabled", request.glossary_config.contextual_translation_enabled),
        ("transliteration_config.enable_transliteration", request.transliteration_config.enable_transliteration),
    ):
        if is_wanted:
            raise InvalidRequest(field, "false expected, which is all that this server offers, got true")
    if request.HasField("glossary_config") and not _own_name(request.glossary_config.glossary, _GLOSSARIES):
        expected = "the name of a glossary expected"
        raise InvalidRequest(_GLOSSARY_FIELD, f"{expected}, got {shown(request.glossary_config.glossary)}")


def _own_name(resource: str, collection: str) -> str:
    """The last part of a resource's name, such as projects/*/locations/*/models/x: what the server calls it. A name
    that stands alone is taken as it is."""
    _, is_resource, name = resource.rpartition(f"/{collection}/")
    return name if is_resource else resource


def _model_name(resource: str) -> str:
    """Empty for Google's general models."""
    name = _own_name(resource, _MODELS)
    return "" if name in _GENERAL else name


def _full_name(request: pb.TranslateTextRequest, answer: translation_pb2.TranslateResponse) -> str:
    return f"{request.parent}/{_MODELS}/{answer.model}" if request.parent else answer.model


@contextlib.contextmanager
def _named_here() -> Iterator[None]:
    """Inside, errors about fields of translation.v1 become errors about Google's."""
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(_FIELDS.get(error.field, error.field), error.problem) from None

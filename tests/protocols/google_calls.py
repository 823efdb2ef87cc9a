"""What a program does with `google-cloud-translate`: it is imported in the client's process alone, when a function is
called."""

import asyncio
from typing import Any

import grpc

from tests.fakes import PATIENCE

PARENT = "projects/ours/locations/global"

Answer = dict[str, Any]


def _client(address: str) -> Any:
    from google.cloud import translate_v3
    from google.cloud.translate_v3.services.translation_service.transports import TranslationServiceGrpcTransport

    channel = grpc.insecure_channel(address)
    return translate_v3.TranslationServiceClient(transport=TranslationServiceGrpcTransport(channel=channel))


def _as_data(response: Any) -> Answer:
    return {
        kind: [
            (one.translated_text, one.model, one.detected_language_code, one.glossary_config.glossary)
            for one in getattr(response, kind)
        ]
        for kind in ("translations", "glossary_translations")
    }


def translate(address: str, **fields: Any) -> Answer:
    """The answer, or the error's class and what it says."""
    from google.api_core.exceptions import GoogleAPICallError

    with _client(address) as client:
        try:
            return _as_data(client.translate_text(request={"parent": PARENT} | fields, timeout=PATIENCE))
        except GoogleAPICallError as error:
            violations = [one.field for detail in error.details for one in getattr(detail, "field_violations", ())]
            return {"error": type(error).__name__, "message": error.message, "violations": violations}


def translate_all(address: str, texts: list[str]) -> list[Answer]:
    """Each text in a request of its own, all at once, with the client for asyncio."""
    from google.cloud import translate_v3
    from google.cloud.translate_v3.services.translation_service.transports import (
        TranslationServiceGrpcAsyncIOTransport,
    )

    async def translate_all_of_them() -> list[Answer]:
        async with grpc.aio.insecure_channel(address) as channel:
            transport = TranslationServiceGrpcAsyncIOTransport(channel=channel)
            client = translate_v3.TranslationServiceAsyncClient(transport=transport)
            calls = [
                client.translate_text(
                    parent=PARENT, contents=[text], target_language_code="fr", source_language_code="en"
                )
                for text in texts
            ]
            return [_as_data(response) for response in await asyncio.gather(*calls)]

    return asyncio.run(translate_all_of_them())


def languages(address: str, **fields: Any) -> list[tuple[str, str, bool, bool]]:
    with _client(address) as client:
        response = client.get_supported_languages(request={"parent": PARENT} | fields, timeout=PATIENCE)
        return [
            (one.language_code, one.display_name, one.support_source, one.support_target) for one in response.languages
        ]


def not_offered(address: str) -> list[tuple[str, str]]:
    """What methods answer that this server does not have."""
    from google.api_core.exceptions import GoogleAPICallError

    told = []
    with _client(address) as client:
        for call in (
            lambda: client.detect_language(parent=PARENT, content="Un chien dort."),
            lambda: list(client.list_glossaries(parent=PARENT)),
        ):
            try:
                call()
            except GoogleAPICallError as error:
                told.append((type(error).__name__, error.message))
    return told

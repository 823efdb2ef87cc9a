"""A client without stubs, such as grpcurl: all that it knows it has asked the server."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from server.serving.app import SERVICE
from tests.fakes import PATIENCE
from tests.integration.served import serving
from tests.small_models import SENTENCES


async def test_json_becomes_a_translation_by_what_reflection_says_alone(rnn_repository: Path) -> None:
    async with serving(rnn_repository) as served:
        [expected] = (await served.translate(SENTENCES[0])).translations
        answer = await asyncio.to_thread(call_by_reflection, served.address, {"contents": [SENTENCES[0]]})
    [translation] = answer["translations"]
    assert translation["translatedText"] == expected.translated_text


def call_by_reflection(
    address: str, request: dict[str, Any], service: str = SERVICE, name: str = "Translate"
) -> dict[str, Any]:
    with grpc.insecure_channel(address) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        method = pool.FindServiceByName(service).FindMethodByName(name)
        message = json_format.ParseDict(request, GetMessageClass(method.input_type)())
        answer: Any = channel.unary_unary(
            f"/{service}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        return json_format.MessageToDict(answer(message, timeout=PATIENCE))

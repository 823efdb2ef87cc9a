"""The same gRPC contract with nothing behind it: each text is its own translation. What a call costs here,
it costs any server."""

import asyncio
from typing import Any

from bench.grpc_server import serve
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc


class Service(pb_grpc.TranslationServiceServicer):
    async def Translate(self, request: pb.TranslateRequest, context: Any) -> pb.TranslateResponse:
        translations = [pb.Translation(translated_text=text) for text in request.contents]
        return pb.TranslateResponse(translations=translations, model=request.model)


if __name__ == "__main__":
    asyncio.run(serve(Service()))

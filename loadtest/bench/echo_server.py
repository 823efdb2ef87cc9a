"""The same gRPC contract with nothing behind it: each text is its own translation. What it costs, every server pays."""

import asyncio
from typing import Any

import grpc

from server.pb import translation_pb2 as pb
from server.pb import translation_pb2_grpc as pb_grpc


class Service(pb_grpc.TranslationServiceServicer):
    async def Translate(self, request: pb.TranslateRequest, context: Any) -> pb.TranslateResponse:
        translations = [pb.Translation(translated_text=text) for text in request.contents]
        return pb.TranslateResponse(translations=translations, model=request.model)


async def main() -> None:
    server = grpc.aio.server()
    pb_grpc.add_TranslationServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"serving on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())

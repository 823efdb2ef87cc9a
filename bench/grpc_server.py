"""How the benchmark's own servers serve."""

import grpc

from seq2serve.pb import translation_pb2_grpc as pb_grpc


async def serve(service: pb_grpc.TranslationServiceServicer) -> None:
    """Serve at a free port, which is printed, until the process is ended."""
    server = grpc.aio.server()
    pb_grpc.add_TranslationServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"serving on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()

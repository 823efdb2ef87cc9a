"""Clients of other protocols and other makers, as they are published; those of Triton and Google each in a process of
its own, as their definitions of a protocol and the server's have no place in one."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc

from tests.protocols.triton_calls import as_data, inputs
from tests.together.asking import TIMEOUT, Answer, Ask, Open, Refusal, Target, ask_on, full_name
from tests.together.judgement import Asked
from tests.together.site import MODEL


@asynccontextmanager
async def triton(target: Target, secret: str) -> AsyncIterator[Ask]:
    """Every other request goes by way of a stream, of text as it is decoded."""
    import tritonclient.grpc as library

    headers = {"authorization": f"Bearer {secret}"}
    with library.InferenceServerClient(target.address, ssl=True, root_certificates=str(target.roots)) as client:

        def infer(named: str, sentences: Sequence[str]) -> Answer:
            result = client.infer(MODEL, inputs(sentences), named, headers=headers, client_timeout=TIMEOUT)
            told = as_data(result)
            return Answer(told["outputs"]["text_output"], told["version"])

        def stream(named: str, sentences: Sequence[str]) -> Answer:
            answers: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
            texts, is_final = [""] * len(sentences), False
            client.start_stream(
                lambda result, error: answers.put((result, error)), stream_timeout=TIMEOUT, headers=headers
            )
            try:
                client.async_stream_infer(MODEL, inputs(sentences), named, request_id="1", parameters={"stream": True})
                while not is_final:
                    result, error = answers.get(timeout=TIMEOUT)
                    if error is not None:
                        raise error
                    told = as_data(result)
                    texts[told["parameters"]["content_index"]] += told["outputs"]["text_output"][0]
                    is_final = bool(told["parameters"]["triton_final_response"])
            finally:
                client.stop_stream()
            return Answer(texts, told["version"])

        async def ask(named: str, sentences: Sequence[str]) -> Answer:
            try:
                return (stream if len(sentences) % 2 else infer)(named, sentences)
            except library.InferenceServerException as error:
                # An error of one request of a stream has its status in the message alone.
                code = (error.status() or error.message().partition(":")[0]).removeprefix("StatusCode.")
                raise Refusal(code, error.message()) from error

        yield ask


@asynccontextmanager
async def google(target: Target, secret: str) -> AsyncIterator[Ask]:
    from google.api_core.exceptions import GoogleAPICallError
    from google.cloud import translate_v3
    from google.cloud.translate_v3.services.translation_service.transports import TranslationServiceGrpcTransport

    credentials = grpc.composite_channel_credentials(
        grpc.ssl_channel_credentials(target.roots.read_bytes()), grpc.access_token_call_credentials(secret)
    )
    transport = TranslationServiceGrpcTransport(channel=grpc.secure_channel(target.address, credentials))
    parent = "projects/ours/locations/global"
    with translate_v3.TranslationServiceClient(transport=transport) as client:

        async def ask(named: str, sentences: Sequence[str]) -> Answer:
            request = {
                "parent": parent,
                "contents": sentences,
                "mime_type": "text/plain",
                "target_language_code": "fr",
                "model": f"{parent}/models/{full_name(named)}",
            }
            try:
                answer = client.translate_text(request=request, retry=None, timeout=TIMEOUT)
            except GoogleAPICallError as error:
                raise Refusal(_name(error.grpc_status_code), error.message) from error
            return Answer([one.translated_text for one in answer.translations])

        yield ask


def _name(code: grpc.StatusCode | None) -> str:
    return code.name if code else "UNKNOWN"


@asynccontextmanager
async def buf(target: Target, secret: str) -> AsyncIterator[Ask]:
    """`buf curl`, which learns the contract from the server; a process for every call."""
    program = shutil.which("buf", path=str(Path(sys.executable).parent))
    assert program

    async def ask(named: str, sentences: Sequence[str]) -> Answer:
        data = json.dumps({"contents": list(sentences), "model": full_name(named)})
        key = f"authorization: Bearer {secret}"
        options = ["--protocol", "grpc", "--cacert", str(target.roots), "--header", key, "--reflect-header", key]
        method = f"https://{target.address}/translation.v1.TranslationService/Translate"
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            program, "curl", *options, "--data", data, method, stdout=pipe, stderr=pipe
        )
        try:
            answered, errors = await asyncio.wait_for(process.communicate(), TIMEOUT)
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            raise _refusal_of_buf(errors.decode())
        told = json.loads(answered)
        return Answer([one["translatedText"] for one in told["translations"]], told["modelVersion"])

    yield ask


def _refusal_of_buf(errors: str) -> Refusal:
    """Errors of a call are JSON; all others are lines."""
    try:
        told = json.loads(errors)
        return Refusal(told["code"].upper(), told["message"])
    except (ValueError, LookupError):
        return Refusal("BUF", errors.strip())


IN_THIS_PROCESS: Mapping[str, Open] = {"buf curl": buf}
_OPEN: Mapping[str, Open] = {"tritonclient": triton, "google-cloud-translate": google}
IN_PROCESSES_OF_THEIR_OWN = tuple(_OPEN)


def ask_in_process(client: str, target: Target) -> list[Asked]:
    """For a process of the client's own: let it ask as long as it is to."""
    return asyncio.run(ask_on(client, _OPEN[client], target))

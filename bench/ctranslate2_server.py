"""What a user would write around CTranslate2: the same gRPC contract, and a dynamic batcher.

Up to N sentences, or the sentences that come within T milliseconds, are translated together; as many batches at once as
there are translators.
"""

import argparse
import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ctranslate2
from sentencepiece import SentencePieceProcessor

from bench.ctranslate2_system import end_of_sources, open_sentencepieces, open_translator
from bench.grpc_server import serve
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc

MAX_DECODING_LENGTH = 256


class Batcher:
    def __init__(
        self,
        translator: ctranslate2.Translator,
        translators: int,
        max_batch: int,
        wait_ms: float,
        end: list[str],
        use_vmap: bool,
    ) -> None:
        """end: what every source ends with, unless CTranslate2 adds it."""
        self._use_vmap = use_vmap
        self._translator = translator
        self._end = end
        self._max_batch = max_batch
        self._wait_seconds = wait_ms / 1e3
        self._waiting: asyncio.Queue[tuple[list[str], asyncio.Future[list[str]]]] = asyncio.Queue()
        self._pool = ThreadPoolExecutor(translators)
        self._loops = [asyncio.create_task(self._run()) for _ in range(translators)]
        self._collecting = asyncio.Lock()

    async def translate(self, pieces: list[str]) -> list[str]:
        answer: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((pieces, answer))
        return await answer

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            async with self._collecting:
                batch = await self._collect()
            batch = [(pieces, answer) for pieces, answer in batch if not answer.cancelled()]
            if not batch:
                continue
            results = await loop.run_in_executor(self._pool, self._translate, [pieces for pieces, _ in batch])
            for (_, answer), result in zip(batch, results, strict=True):
                if not answer.cancelled():
                    answer.set_result(result)

    async def _collect(self) -> list[tuple[list[str], asyncio.Future[list[str]]]]:
        batch = [await self._waiting.get()]
        end = asyncio.get_running_loop().time() + self._wait_seconds
        while len(batch) < self._max_batch:
            if not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
                continue
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                break
            try:
                batch.append(await asyncio.wait_for(self._waiting.get(), left))
            except TimeoutError:
                break
        return batch

    def _translate(self, batch: list[list[str]]) -> list[list[str]]:
        sources = [[*pieces, *self._end] for pieces in batch]
        results = self._translator.translate_batch(
            sources, beam_size=1, max_decoding_length=MAX_DECODING_LENGTH, use_vmap=self._use_vmap
        )
        return [result.hypotheses[0] for result in results]


class Service(pb_grpc.TranslationServiceServicer):
    def __init__(self, batcher: Batcher, source: SentencePieceProcessor, target: SentencePieceProcessor) -> None:
        self._batcher = batcher
        self._source, self._target = source, target

    async def Translate(self, request: pb.TranslateRequest, context: Any) -> pb.TranslateResponse:
        outputs = await asyncio.gather(
            *(self._batcher.translate(pieces) for pieces in self._source.encode(list(request.contents), out_type=str))
        )
        return pb.TranslateResponse(
            translations=[
                pb.Translation(translated_text=self._target.decode(pieces), output_token_count=len(pieces))
                for pieces in outputs
            ],
            model=request.model,
        )


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ctranslate2_server")
    parser.add_argument("folder", type=Path, help="of a CTranslate2 model in int8")
    parser.add_argument("--translators", type=int, default=1)
    parser.add_argument("--threads-each", type=int, default=1, help="of a translator's products")
    parser.add_argument("--max-batch", type=int, default=32)
    parser.add_argument("--wait-ms", type=float, default=5)
    parser.add_argument("--use-vmap", action="store_true", help="write only what the model's vocabulary map lists")
    arguments = parser.parse_args()
    source, target = open_sentencepieces(arguments.folder)
    translator = open_translator(arguments.folder, "int8", arguments.translators, arguments.threads_each)
    end = end_of_sources(arguments.folder)
    batcher = Batcher(
        translator, arguments.translators, arguments.max_batch, arguments.wait_ms, end, arguments.use_vmap
    )
    await serve(Service(batcher, source, target))


if __name__ == "__main__":
    asyncio.run(main())

"""One call of the service, by the clock: requests are serialised beforehand, and what is measured of an answer is kept.

Knows the contract and gRPC, nothing of Locust.
"""

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from loadtest.records import Method
from seq2serve.channel import Connection, open_channel
from seq2serve.pb import translation_pb2 as pb

DEADLINE_SECONDS = 10.0

NUM_CHANNELS = 16
"""Connections of a process. A server may bound what runs on one at a time: this one does, at 64 calls."""

_SERVICE = "/translation.v1.TranslationService"


class Answer(NamedTuple):
    source_tokens: int
    output_tokens: int
    texts: list[float]
    """When each message of a stream came that had text, in seconds of `time.perf_counter`; empty for a unary call."""
    size: int
    """Bytes of all messages."""


class Caller:
    """Connections to one server. A call takes the next one."""

    def __init__(self, connection: Connection, num_channels: int = NUM_CHANNELS) -> None:
        self._metadata = connection.metadata
        self._channels = [open_channel(connection) for _ in range(num_channels)]
        self._unary: Iterator[Any] = itertools.cycle(
            channel.unary_unary(f"{_SERVICE}/Translate", None, pb.TranslateResponse.FromString)
            for channel in self._channels
        )
        self._stream: Iterator[Any] = itertools.cycle(
            channel.unary_stream(f"{_SERVICE}/StreamTranslate", None, pb.StreamTranslateResponse.FromString)
            for channel in self._channels
        )

    def call(self, method: Method, request: bytes) -> Answer:
        """`request`: a serialised TranslateRequest. Raises grpc.RpcError."""
        if method == "unary":
            response = next(self._unary)(request, timeout=DEADLINE_SECONDS, metadata=self._metadata)
            return _answer(response.translations, [], response.ByteSize())
        return self._read(next(self._stream)(request, timeout=DEADLINE_SECONDS, metadata=self._metadata))

    def _read(self, messages: Iterable[Any]) -> Answer:
        texts, finished, size = [], [], 0
        for message in messages:
            size += message.ByteSize()
            if message.WhichOneof("event") == "translation":
                finished.append(message.translation)
            elif message.text_delta:
                texts.append(time.perf_counter())
        return _answer(finished, texts, size)

    def close(self) -> None:
        for channel in self._channels:
            channel.close()


def _answer(translations: Iterable[pb.Translation], texts: list[float], size: int) -> Answer:
    source = output = 0
    for translation in translations:
        source += translation.source_token_count
        output += translation.output_token_count
    return Answer(source, output, texts, size)


def serialise_requests(
    model: str, decoding: pb.DecodingOptions, pair: tuple[str, str], texts: Iterable[str]
) -> list[bytes]:
    """`pair`: language codes of source and target, empty where the model has only one pair."""
    source, target = pair
    common = pb.TranslateRequest(
        model=model, decoding=decoding, source_language_code=source, target_language_code=target
    )
    requests = []
    for text in texts:
        request = pb.TranslateRequest(contents=[text])
        request.MergeFrom(common)
        requests.append(request.SerializeToString())
    return requests

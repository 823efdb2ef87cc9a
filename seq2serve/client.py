"""The client for programs that block while they wait; `AsyncClient` is for asyncio."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Self, Unpack, overload

import grpc

from seq2serve.channel import open_channel
from seq2serve.errors import translation_error
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from seq2serve.requests import (
    DEFAULT_ADDRESS,
    DEFAULT_TIMEOUT,
    ScoreOptions,
    TranslateOptions,
    score_request,
    translate_request,
)


class Client:
    """Calls to a server; threads may share one. Every call raises TranslationError."""

    def __init__(self, address: str = DEFAULT_ADDRESS, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """`timeout`: seconds that a call may take which brings no timeout of its own."""
        self._channel = open_channel(address)
        self._stub = pb_grpc.TranslationServiceStub(self._channel)
        self._timeout = timeout

    def close(self) -> None:
        """Calls in flight end with CANCELLED."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @overload
    def translate(self, contents: str, **options: Unpack[TranslateOptions]) -> pb.Translation: ...  # type: ignore[overload-overlap]  # a str is a Sequence[str] as well

    @overload
    def translate(self, contents: Sequence[str], **options: Unpack[TranslateOptions]) -> list[pb.Translation]: ...

    def translate(
        self, contents: str | Sequence[str], **options: Unpack[TranslateOptions]
    ) -> pb.Translation | list[pb.Translation]:
        """The translation of one content, or those of several in their order."""
        response = self._answer(
            self._stub.Translate, translate_request(contents, options), options.get("timeout", self._timeout)
        )
        return response.translations[0] if isinstance(contents, str) else list(response.translations)

    def stream(
        self, contents: str | Sequence[str], **options: Unpack[TranslateOptions]
    ) -> Generator[pb.StreamTranslateResponse, None, None]:
        """The text of each content as it is decoded: messages with a `text_delta`, and a last one with the whole
        `translation`. Messages of different contents alternate.

        The call begins when the first message is asked for, and is cancelled if the generator is closed or dropped.
        """
        request = translate_request(contents, options)
        call = self._stub.StreamTranslate(request, timeout=options.get("timeout", self._timeout))
        try:
            yield from call
        except grpc.RpcError as error:
            raise translation_error(error) from error
        finally:
            call.cancel()

    def score(self, pairs: Sequence[tuple[str, str]], **options: Unpack[ScoreOptions]) -> list[pb.PairScore]:
        """What the model thinks of given translations; each pair is a content and its translation."""
        response = self._answer(self._stub.Score, score_request(pairs, options), options.get("timeout", self._timeout))
        return list(response.scores)

    def list_models(self, *, timeout: float | None = None) -> list[pb.Model]:
        """The models that the server has, its default one first. `timeout` in seconds."""
        seconds = self._timeout if timeout is None else timeout
        response = self._answer(self._stub.ListModels, pb.ListModelsRequest(), seconds)
        return list(response.models)

    def _answer(self, method: Callable[..., Any], request: object, timeout: float) -> Any:
        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as error:
            raise translation_error(error) from error

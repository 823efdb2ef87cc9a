"""The client for programs that block while they wait; `AsyncClient` is for asyncio. It sends and waits; what is sent,
and for how long it waits, is decided in core.py."""

import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import Any, Self, Unpack, overload

import grpc

from seq2serve.channel import ConnectionOptions, open_channel
from seq2serve.core import MAX_CALLS, Core
from seq2serve.errors import PermissionDenied, closed_error, translation_error
from seq2serve.pb import operations_pb2, operations_pb2_grpc
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
from seq2serve.unary_call import Request, UnaryCall


class Client:
    """Calls to one server or to several; threads may share one. Every call raises TranslationError, and ValueError for
    an option that does not exist."""

    def __init__(
        self,
        address: str | Sequence[str] = DEFAULT_ADDRESS,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        retries: bool = True,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """`address`: `host:port`, `[IPv6]:port`, `:port` of this machine, `unix:path`, or `dns:///host:port`; calls
        are spread over all numbers of a name. Several addresses of TCP ports, as a sequence or with commas between
        them, are called in turn.
        `timeout`: seconds that a call may take which brings no timeout of its own.
        `retries`: whether calls that may succeed a moment later are repeated, and broken streams resumed.
        `options`: TLS and keys, see `ConnectionOptions`.

        Nothing is connected before the first call. Raises ValueError for what is no address and for settings that
        contradict each other.
        """
        self._core = Core(address, timeout, retries, options)
        self._channel = open_channel(self._core.connection)
        self._stub = pb_grpc.TranslationServiceStub(self._channel)
        self._operations = operations_pb2_grpc.OperationsServiceStub(self._channel)

    def __repr__(self) -> str:
        return f"Client({self._core.description})"

    def close(self) -> None:
        """Calls in flight and later ones end with CANCELLED."""
        self._core.closed.set()
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
        """The translation of one content, or those of several in their order. More contents than the server takes in a
        request are sent in several, a few at a time; if one of them fails, so do all."""
        request = translate_request(contents, options)
        deadline = self._core.deadline(options)
        self._learn_limits(len(request.contents), deadline)
        answers = self._answers(self._stub.Translate, self._core.text_calls(request, "contents", deadline))
        translations = [translation for answer in answers for translation in answer.translations]
        return translations[0] if isinstance(contents, str) else translations

    def stream(
        self, contents: str | Sequence[str], **options: Unpack[TranslateOptions]
    ) -> Generator[pb.StreamTranslateResponse, None, None]:
        """The text of each content as it is decoded: messages with a `text_delta`, and a last one with the whole
        `translation`. Messages of different contents alternate.

        A stream that breaks is resumed where it was, by another server if there is one; of samples without a seed only
        if nothing has come of them yet.

        The call begins when the first message is asked for, and is cancelled if the generator is closed or dropped.
        """
        request = translate_request(contents, options)
        deadline = self._core.deadline(options)
        self._learn_limits(len(request.contents), deadline)
        stream = self._core.stream_call(request, deadline)
        while not stream.is_finished:
            call = self._begin(self._stub.StreamTranslate, stream.next_request(), timeout=stream.seconds_left)
            try:
                for message in call:
                    told = stream.take(message)
                    if told is not None:
                        yield told
                stream.end_answer()
            except grpc.RpcError as error:
                time.sleep(stream.delay_after(error))
            finally:
                call.cancel()

    def score(self, pairs: Sequence[tuple[str, str]], **options: Unpack[ScoreOptions]) -> list[pb.PairScore]:
        """What the model thinks of given translations; each pair is a content and its translation. As many pairs as may
        be, like the contents of `translate`."""
        request = score_request(pairs, options)
        deadline = self._core.deadline(options)
        self._learn_limits(len(request.pairs), deadline)
        answers = self._answers(self._stub.Score, self._core.text_calls(request, "pairs", deadline))
        return [score for answer in answers for score in answer.scores]

    def list_models(self, *, timeout: float | None = None) -> list[pb.Model]:
        """The models that the server has, its default one first. `timeout` in seconds."""
        return self._list_models(self._core.deadline({} if timeout is None else {"timeout": timeout}))

    def get_model(self, name: str = "", *, timeout: float | None = None) -> pb.Model:
        """The model of that name, or the server's default one. `timeout` in seconds."""
        call = self._core.model_call(name, self._core.deadline({} if timeout is None else {"timeout": timeout}))
        [answer] = self._answers(self._stub.GetModel, [call])
        model: pb.Model = answer.model
        return model

    def watch_batches(self) -> Generator[operations_pb2.WatchBatchesResponse, None, None]:
        """What the server's running batches are, several times a second: one server's, where there are several. It has
        no timeout, and is not resumed; it is cancelled if the generator is closed or dropped."""
        call = self._begin(self._operations.WatchBatches, operations_pb2.WatchBatchesRequest(), timeout=None)
        try:
            yield from call
        except grpc.RpcError as error:
            raise translation_error(error) from error
        finally:
            call.cancel()

    def _list_models(self, deadline: float) -> list[pb.Model]:
        [answer] = self._answers(self._stub.ListModels, [self._core.models_call(deadline)])
        return list(answer.models)

    def _learn_limits(self, num_texts: int, deadline: float) -> None:
        if self._core.needs_limits(num_texts):
            with suppress(PermissionDenied):  # a key that may translate and not list models: all go in one request
                self._core.learn_limits(self._list_models(deadline))

    def _answers(self, method: Any, calls: Sequence[UnaryCall[Request]]) -> list[Any]:
        """The answers of all calls, in their order, a few of which run at a time. If one fails, or the program is
        interrupted, the others are cancelled."""
        waiting, running = deque(calls), deque[tuple[UnaryCall[Request], Any]]()
        answers = []
        try:
            while waiting or running:
                while waiting and len(running) < MAX_CALLS:
                    running.append((waiting[0], self._send(method, waiting.popleft())))
                call, sent = running[0]
                try:
                    answers.append(sent.result())
                    running.popleft()
                except (grpc.RpcError, grpc.FutureCancelledError):
                    time.sleep(call.delay_after(sent))
                    running[0] = call, self._send(method, call)
        finally:
            for _, sent in running:
                sent.cancel()
        return answers

    def _send(self, method: Any, call: UnaryCall[Request]) -> Any:
        return self._begin(method.future, call.request, timeout=call.seconds_left)

    def _begin(self, method: Any, request: Any, timeout: float | None) -> Any:
        try:
            return method(request, timeout=timeout, metadata=self._core.connection.metadata)
        except ValueError as error:  # what gRPC says of a channel that is closed
            if self._core.closed.is_set():
                raise closed_error() from error
            raise

"""The client for asyncio; `Client` is for programs that block while they wait. It sends and waits; what is sent, and
for how long it waits, is decided in core.py."""

import asyncio
import copy
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any, Self, Unpack, overload

import grpc

from seq2serve.channel import ConnectionOptions, Metadata, open_async_channel
from seq2serve.core import MAX_CALLS, Core
from seq2serve.errors import PermissionDenied, closed_error, translation_error
from seq2serve.pb import operations_pb2, operations_pb2_grpc
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc
from seq2serve.reachability import Reachability
from seq2serve.requests import (
    DEFAULT_ADDRESS,
    DEFAULT_TIMEOUT,
    ScoreOptions,
    TranslateOptions,
    score_request,
    translate_request,
)
from seq2serve.unary_call import Request, UnaryCall


class AsyncClient:
    """Calls to one server or to several; tasks of one event loop may share one. Every call raises TranslationError, and
    ValueError for an option that does not exist."""

    def __init__(
        self,
        address: str | Sequence[str] = DEFAULT_ADDRESS,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        retries: bool = True,
        repeats_refused: bool = True,
        awaits_lost: bool = True,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """As `Client`; the names of several addresses are looked up here, without asyncio.

        A program that has callers of its own may leave it to them to come back. `repeats_refused`: whether an
        overloaded server is asked again after the time that it gives. `awaits_lost`: whether calls are repeated for
        some six seconds however long no server could be reached; else they fail after 1.5 s once that are more than
        4 s, and the client connects at once, which needs a running event loop.
        """
        self._core = Core(address, timeout, retries, options, repeats_refused)
        self._channel = open_async_channel(self._core.connection)
        self._stub = pb_grpc.TranslationServiceStub(self._channel)
        self._operations = operations_pb2_grpc.OperationsServiceStub(self._channel)
        self._reachability = None if awaits_lost else Reachability(self._channel)

    def __repr__(self) -> str:
        return f"AsyncClient({self._core.description})"

    def on_behalf(self, api_key: str = "", metadata: Metadata = ()) -> Self:
        """The same client, over the same connections, for a caller of this program's own: calls have the caller's key,
        if it has one, in place of this client's, and `metadata`, such as a request id, as well. Closing either closes
        both. Raises ValueError for a key that is none, or that may not be sent unencrypted."""
        other = copy.copy(self)
        other._core = self._core.on_behalf(api_key, metadata)
        return other

    @property
    def stub(self) -> pb_grpc.TranslationServiceStub:
        """The contract's methods over this client's connections, for requests that are messages already. Whoever calls
        them waits for `reach`, gives the deadline and `metadata`, and has gRPC's errors."""
        return self._stub

    @property
    def metadata(self) -> Metadata:
        """What every call sends along: the key, and what `on_behalf` was given."""
        return self._core.connection.metadata

    async def reach(self, seconds: float) -> None:
        """What every call begins with. Raises TranslationError where the client is closed, and, with `awaits_lost` off,
        where no server can be reached; at the latest after so many seconds."""
        if self._reachability and not self._core.closed.is_set():
            await self._reachability.wait(seconds)
        if self._core.closed.is_set():
            raise closed_error()

    async def close(self) -> None:
        """Calls in flight and later ones end with CANCELLED."""
        self._core.closed.set()
        if self._reachability:
            self._reachability.close()
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @overload
    async def translate(self, contents: str, **options: Unpack[TranslateOptions]) -> pb.Translation: ...  # type: ignore[overload-overlap]  # a str is a Sequence[str] as well

    @overload
    async def translate(self, contents: Sequence[str], **options: Unpack[TranslateOptions]) -> list[pb.Translation]: ...

    async def translate(
        self, contents: str | Sequence[str], **options: Unpack[TranslateOptions]
    ) -> pb.Translation | list[pb.Translation]:
        """The translation of one content, or those of several in their order. More contents than the server takes in a
        request are sent in several, a few at a time; if one of them fails, so do all."""
        request = translate_request(contents, options)
        deadline = self._core.deadline(options)
        await self._learn_limits(len(request.contents), deadline)
        answers = await self._answers(self._stub.Translate, self._core.text_calls(request, "contents", deadline))
        translations = [translation for answer in answers for translation in answer.translations]
        return translations[0] if isinstance(contents, str) else translations

    async def stream(
        self, contents: str | Sequence[str], **options: Unpack[TranslateOptions]
    ) -> AsyncGenerator[pb.StreamTranslateResponse, None]:
        """The text of each content as it is decoded: messages with a `text_delta`, and a last one with the whole
        `translation`. Messages of different contents alternate.

        A stream that breaks is resumed where it was, by another server if there is one; of samples without a seed only
        if nothing has come of them yet.

        The call begins when the first message is asked for, and is cancelled if the generator is closed or dropped.
        """
        request = translate_request(contents, options)
        deadline = self._core.deadline(options)
        await self._learn_limits(len(request.contents), deadline)
        stream = self._core.stream_call(request, deadline)
        while not stream.is_finished:
            await self.reach(stream.seconds_left)
            call = self._stub.StreamTranslate(
                stream.next_request(), timeout=stream.seconds_left, metadata=self._core.connection.metadata
            )
            try:
                async for message in call:
                    told = stream.take(message)
                    if told is not None:
                        yield told
                stream.end_answer()
            except grpc.RpcError as error:
                await asyncio.sleep(stream.delay_after(error))
            except asyncio.CancelledError as error:
                _raise_if_closed(error)
            finally:
                call.cancel()

    async def score(self, pairs: Sequence[tuple[str, str]], **options: Unpack[ScoreOptions]) -> list[pb.PairScore]:
        """What the model thinks of given translations; each pair is a content and its translation. As many pairs as may
        be, like the contents of `translate`."""
        request = score_request(pairs, options)
        deadline = self._core.deadline(options)
        await self._learn_limits(len(request.pairs), deadline)
        answers = await self._answers(self._stub.Score, self._core.text_calls(request, "pairs", deadline))
        return [score for answer in answers for score in answer.scores]

    async def list_models(self, *, timeout: float | None = None) -> list[pb.Model]:
        """The models that the server has, its default one first. `timeout` in seconds."""
        return await self._list_models(self._core.deadline({} if timeout is None else {"timeout": timeout}))

    async def get_model(self, name: str = "", *, timeout: float | None = None) -> pb.Model:
        """The model of that name, or the server's default one. `timeout` in seconds."""
        call = self._core.model_call(name, self._core.deadline({} if timeout is None else {"timeout": timeout}))
        model: pb.Model = (await self._answer(self._stub.GetModel, call)).model
        return model

    async def watch_batches(self) -> AsyncGenerator[operations_pb2.WatchBatchesResponse, None]:
        """What the server's running batches are, several times a second: one server's, where there are several. It has
        no timeout, and is not resumed; it is cancelled if the generator is closed or dropped."""
        await self.reach(math.inf)
        call = self._operations.WatchBatches(
            operations_pb2.WatchBatchesRequest(), metadata=self._core.connection.metadata
        )
        try:
            async for message in call:
                yield message
        except grpc.RpcError as error:
            raise translation_error(error) from error
        except asyncio.CancelledError as error:
            _raise_if_closed(error)
        finally:
            call.cancel()

    async def _list_models(self, deadline: float) -> list[pb.Model]:
        answer = await self._answer(self._stub.ListModels, self._core.models_call(deadline))
        return list(answer.models)

    async def _learn_limits(self, num_texts: int, deadline: float) -> None:
        if self._core.needs_limits(num_texts):
            with suppress(PermissionDenied):  # a key that may translate and not list models: all go in one request
                self._core.learn_limits(await self._list_models(deadline))

    async def _answers(self, method: Any, calls: Sequence[UnaryCall[Request]]) -> list[Any]:
        """The answers of all calls, in their order, a few of which run at a time. If one fails, the others are
        cancelled."""
        if len(calls) == 1:
            return [await self._answer(method, calls[0])]
        places = asyncio.Semaphore(MAX_CALLS)

        async def answer_in_turn(call: UnaryCall[Request]) -> Any:
            async with places:
                return await self._answer(method, call)

        tasks = [asyncio.ensure_future(answer_in_turn(call)) for call in calls]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, method: Any, call: UnaryCall[Request]) -> Any:
        while True:
            await self.reach(call.seconds_left)
            try:
                return await method(call.request, timeout=call.seconds_left, metadata=self._core.connection.metadata)
            except grpc.RpcError as error:
                await asyncio.sleep(call.delay_after(error))
            except asyncio.CancelledError as error:
                _raise_if_closed(error)


def _raise_if_closed(error: asyncio.CancelledError) -> None:
    """gRPC ends what waits for its calls with CancelledError when their channel is closed, as if somebody had cancelled
    the task. Raises the error of a closed client then, and else the error given."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise error
    raise closed_error() from error

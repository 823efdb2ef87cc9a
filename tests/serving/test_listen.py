"""The limits of the transport, as clients on real sockets meet them; times are shortened."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from loadtest.siege.attack import Target
from loadtest.siege.http2 import Connection
from server.serving.rpc import listen
from server.serving.rpc.listen import TransportLimits, channel_options
from tests.fakes import PATIENCE
from tests.integration.served import eventually

LIMITS = TransportLimits(max_message_bytes=3_000_000, max_streams=4, max_connection_age_seconds=3600)


class Methods(grpc.GenericRpcHandler):
    """Answers, or does not."""

    def __init__(self) -> None:
        self.num_begun = 0

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "/count": grpc.unary_unary_rpc_method_handler(self.count),
            "/repeat": grpc.unary_unary_rpc_method_handler(self.repeat),
            "/wait": grpc.stream_unary_rpc_method_handler(self.wait),
        }
        return methods.get(handler_call_details.method)

    async def count(self, request: bytes, context: Any) -> bytes:
        """Says how many bytes came."""
        return str(len(request)).encode()

    async def repeat(self, request: bytes, context: Any) -> bytes:
        return 2 * request

    async def wait(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        """Never reads what is sent."""
        self.num_begun += 1
        await asyncio.Event().wait()
        return b""


class Listening:
    def __init__(self, port: int, methods: Methods) -> None:
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.methods = methods

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        connection = await Connection.open(Target("127.0.0.1", self.port, 0))
        assert await connection.ping()
        yield connection
        await connection.close()

    def channel(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(self.address, [("grpc.max_receive_message_length", -1)])


@asynccontextmanager
async def listening(limits: TransportLimits = LIMITS) -> AsyncIterator[Listening]:
    methods = Methods()
    server = grpc.aio.server(handlers=[methods], options=channel_options(limits))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield Listening(port, methods)
    await server.stop(None)


async def closed(connection: Connection) -> bool:
    return connection.is_closed


async def status(call: Any) -> grpc.StatusCode:
    code: grpc.StatusCode = await call.code()
    return code


async def test_a_second_server_cannot_listen_on_the_same_port() -> None:
    async with listening() as listened:
        second = grpc.aio.server(options=channel_options(LIMITS))
        with pytest.raises(RuntimeError):
            second.add_insecure_port(listened.address)


async def test_messages_are_bounded_and_answers_are_not() -> None:
    async with listening() as listened, listened.channel() as channel:
        call: Any = channel.unary_unary("/count")
        assert await call(b"x" * LIMITS.max_message_bytes, timeout=PATIENCE) == b"3000000"
        too_large = call(b"x" * (LIMITS.max_message_bytes + 1), timeout=PATIENCE)
        assert await status(too_large) is grpc.StatusCode.RESOURCE_EXHAUSTED
        repeat: Any = channel.unary_unary("/repeat")
        assert len(await repeat(b"x" * LIMITS.max_message_bytes, timeout=PATIENCE)) == 6_000_000


async def test_streams_of_a_connection_beyond_the_limit_are_refused_by_http2() -> None:
    async with listening() as listened, listened.connection() as connection:
        for number in range(LIMITS.max_streams + 3):
            await connection.send(connection.call_headers(2 * number + 1, "/wait"))
        assert await connection.ping()
        assert list(connection.ended.values()) == ["refused"] * 3


async def test_metadata_within_the_limit_and_beyond_it_by_half_is_never_refused_by_grpc() -> None:
    async with listening() as listened, listened.channel() as channel:
        call: Any = channel.unary_unary("/count")
        metadata = (("name", "x" * (listen.METADATA_BYTES * 3 // 2)),)
        codes = [await status(call(b"", metadata=metadata, timeout=PATIENCE)) for _ in range(20)]
        assert set(codes) == {grpc.StatusCode.OK}
        metadata = (("name", "x" * (2 * listen.METADATA_BYTES + 1)),)
        assert await status(call(b"", metadata=metadata, timeout=PATIENCE)) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_no_call_is_ended_by_grpc_for_the_number_of_those_that_have_not_begun() -> None:
    """From a thousand such calls on, gRPC would end some by chance."""
    async with listening(TransportLimits(1000, 10_000, 3600)) as listened, listened.connection() as connection:
        calls = [connection.call(2 * number + 1, "/none", b"") for number in range(4_000)]
        await connection.send(b"".join(calls))
        await connection.wait_ended(len(calls))
        assert set(connection.ended.values()) == {"UNIMPLEMENTED"}


async def test_a_connection_that_does_not_speak_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "_HANDSHAKE_MILLISECONDS", 200)
    async with listening() as listened:
        reader, writer = await asyncio.open_connection("127.0.0.1", listened.port)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), PATIENCE / 6)
        writer.close()


async def test_an_old_connection_is_told_and_its_calls_have_some_time_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "_AGE_GRACE_MILLISECONDS", 500)
    async with (
        listening(TransportLimits(1000, 10, max_connection_age_seconds=1)) as listened,
        listened.connection() as connection,
    ):
        await connection.send(connection.call_headers(1, "/wait"))

        async def is_told() -> bool:
            return connection.goaway == 0

        await eventually(is_told)
        assert not connection.is_closed
        assert not connection.ended
        await asyncio.wait_for(eventually(lambda: closed(connection)), PATIENCE / 6)


async def test_an_idle_client_is_asked_whether_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "_KEEPALIVE_MILLISECONDS", 100)
    async with listening() as listened, listened.connection() as connection:
        before = connection.received["Ping"]

        async def is_asked() -> bool:
            return connection.received["Ping"] >= before + 3

        await asyncio.wait_for(eventually(is_asked), PATIENCE / 6)


async def test_a_client_may_ask_now_and_then_whether_the_server_is_there_and_not_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listen, "LEAST_PING_MILLISECONDS", 100)
    async with listening() as listened, listened.connection() as connection:
        for _ in range(6):
            await asyncio.sleep(0.15)
            assert await connection.ping()
        for _ in range(10):
            await connection.ping()
        await asyncio.wait_for(eventually(lambda: closed(connection)), PATIENCE / 6)
        assert connection.goaway == 11, "ENHANCE_YOUR_CALM"


async def test_what_a_call_sends_before_it_is_read_is_little_however_fast_the_network_is() -> None:
    async with listening() as listened, listened.channel() as channel:
        count: Any = channel.unary_unary("/count")
        for _ in range(20):  # from which gRPC would learn how fast it is
            await count(b"x" * 2_500_000, timeout=PATIENCE)
        waiting: Any = channel.stream_unary("/wait")()
        num_bytes = 0
        with contextlib.suppress(TimeoutError):
            for _ in itertools.count():
                await asyncio.wait_for(waiting.write(b"x" * 10_000), 0.5)
                num_bytes += 10_000
        assert 0 < num_bytes <= 100_000
        waiting.cancel()

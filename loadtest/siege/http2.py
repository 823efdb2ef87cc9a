"""A connection on which HTTP/2 frames are sent one by one, legal or not, as no client library would send them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable

from hpack import Decoder, Encoder
from hpack.exceptions import HPACKError
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
)

from loadtest.siege.attack import Target

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME_BYTES = 16_384
"""Most that a frame may carry, unless the other side says otherwise."""

_HEADER_BYTES = 9
_PATIENCE_SECONDS = 5.0


class Connection:
    """One that reads what the server sends all the time, so that neither waits for the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._reading = asyncio.create_task(self._read())
        self._acknowledged = asyncio.Event()
        self.received: Counter[str] = Counter()
        """Frames by type; of DATA, see `data_bytes`."""
        self.data_bytes = 0
        self.resets: Counter[int] = Counter()
        """Streams that the server has reset, by error code."""
        self.grpc_statuses: Counter[int] = Counter()
        """Streams that the server has ended with a status."""
        self.goaway: int | None = None
        """Error code with which the server said good-bye."""
        self.is_closed = False

    @classmethod
    async def open(cls, target: Target, window: int | None = None) -> "Connection":
        """With a handshake. `window`: bytes of a stream that the server may send; None for HTTP/2's default."""
        reader, writer = await asyncio.open_connection(target.host, target.port)
        connection = cls(reader, writer)
        settings = SettingsFrame(0)
        if window is not None:
            settings.settings = {SettingsFrame.INITIAL_WINDOW_SIZE: window}
        await connection.send(_PREFACE + settings.serialize())
        return connection

    async def send(self, data: bytes) -> bool:
        """Returns whether the connection was still open."""
        with contextlib.suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()
        return not self.is_closed

    def call_headers(
        self, stream_id: int, path: str, metadata: Iterable[tuple[str, str]] = (), ends_headers: bool = True
    ) -> bytes:
        """The frames that begin a gRPC call."""
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            *metadata,
        ]
        block = self._encoder.encode(headers)
        parts = [block[start : start + _FRAME_BYTES] for start in range(0, len(block), _FRAME_BYTES)]
        frames: list[Frame] = [HeadersFrame(stream_id, data=parts[0])]
        frames += [ContinuationFrame(stream_id, data=part) for part in parts[1:]]
        if ends_headers:
            frames[-1].flags.add("END_HEADERS")
        return b"".join(frame.serialize() for frame in frames)

    def call(self, stream_id: int, path: str, message: bytes) -> bytes:
        """The frames of a unary request."""
        return self.call_headers(stream_id, path) + message_frame(stream_id, message)

    async def ping(self) -> bool:
        """Whether the server acknowledges, and so has processed whatever was sent before."""
        self._acknowledged.clear()
        await self.send(PingFrame(0, opaque_data=b"barrier!").serialize())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._acknowledged.wait(), _PATIENCE_SECONDS)
        return self._acknowledged.is_set() and not self.is_closed

    async def wait_closed(self, seconds: float) -> bool:
        """Whether the server closes the connection within that time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._reading), seconds)
        return self.is_closed

    async def close(self) -> None:
        self._reading.cancel()
        self._writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, HyperframeError, HPACKError):
            while True:
                frame, length = Frame.parse_frame_header(memoryview(await self._reader.readexactly(_HEADER_BYTES)))
                frame.parse_body(memoryview(await self._reader.readexactly(length)))
                self._take(frame)
        self.is_closed = True
        self._acknowledged.set()

    def _take(self, frame: Frame) -> None:
        self.received[type(frame).__name__.removesuffix("Frame")] += 1
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self._writer.write(SettingsFrame(0, flags=["ACK"]).serialize())
        elif isinstance(frame, PingFrame):
            if "ACK" not in frame.flags:
                self._writer.write(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]).serialize())
            elif frame.opaque_data == b"barrier!":
                self._acknowledged.set()
        elif isinstance(frame, HeadersFrame):
            for name, value in self._decoder.decode(frame.data, raw=True):
                if name == b"grpc-status":
                    self.grpc_statuses[int(value)] += 1
        elif isinstance(frame, DataFrame):
            self.data_bytes += len(frame.data)
        elif isinstance(frame, RstStreamFrame):
            self.resets[frame.error_code] += 1
        elif isinstance(frame, GoAwayFrame):
            self.goaway = frame.error_code


def message_frame(stream_id: int, message: bytes, announced: int | None = None, ends_stream: bool = True) -> bytes:
    """A gRPC message, of no more than a frame. `announced`: bytes that it claims to have."""
    length = len(message) if announced is None else announced
    flags = ["END_STREAM"] if ends_stream else []
    return DataFrame(stream_id, data=b"\0" + length.to_bytes(4, "big") + message, flags=flags).serialize()

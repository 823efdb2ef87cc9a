"""A connection on which HTTP/2 frames are sent one by one, legal or not, as no client library would send them."""

import asyncio
import contextlib
import time
from collections import Counter

import grpc
from hpack import Decoder, Encoder
from hyperframe.frame import (
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
_HEADER_BYTES = 9
_REFUSED_STREAM = 7
_STATUS_NAMES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}
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
        self.ended: dict[int, str] = {}
        """How the server has ended streams: gRPC's status, or the error code of a reset."""
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
        if self.is_closed:
            return False
        with contextlib.suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()
        await asyncio.sleep(0)  # what has come is read, also where the buffer takes all at once
        return not self.is_closed

    def call_headers(self, stream_id: int, path: str, ends_headers: bool = True) -> bytes:
        """The frame that begins a gRPC call. `ends_headers`: else CONTINUATION frames have to follow."""
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        flags = ["END_HEADERS"] if ends_headers else []
        return HeadersFrame(stream_id, data=self._encoder.encode(headers), flags=flags).serialize()

    def call(self, stream_id: int, path: str, message: bytes) -> bytes:
        """The frames of a unary request."""
        return self.call_headers(stream_id, path) + message_frame(stream_id, message)

    async def ping(self) -> bool:
        """Whether the server acknowledges, and so has processed whatever was sent before."""
        if self.is_closed:
            return False
        self._acknowledged.clear()
        await self.send(PingFrame(0, opaque_data=b"barrier!").serialize())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._acknowledged.wait(), _PATIENCE_SECONDS)
        return self._acknowledged.is_set() and not self.is_closed

    async def wait_ended(self, num_streams: int) -> None:
        """For the end of so many streams, or of the connection, but not for ever."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(self.ended) < num_streams and not self.is_closed and time.monotonic() < deadline:
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        self._reading.cancel()
        self._writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        try:
            while True:
                frame, length = Frame.parse_frame_header(memoryview(await self._reader.readexactly(_HEADER_BYTES)))
                frame.parse_body(memoryview(await self._reader.readexactly(length)))
                self._take(frame)
        except (OSError, asyncio.IncompleteReadError):
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
                    self.ended[frame.stream_id] = _STATUS_NAMES[int(value)]
        elif isinstance(frame, DataFrame):
            self.data_bytes += len(frame.data)
        elif isinstance(frame, RstStreamFrame):
            how = "refused" if frame.error_code == _REFUSED_STREAM else f"reset {frame.error_code}"
            self.ended.setdefault(frame.stream_id, how)  # one that has its status may be reset nevertheless
        elif isinstance(frame, GoAwayFrame):
            self.goaway = frame.error_code


def message_frame(stream_id: int, message: bytes, announced: int | None = None, ends_stream: bool = True) -> bytes:
    """A gRPC message, of no more than a frame. `announced`: bytes that it claims to have."""
    length = len(message) if announced is None else announced
    flags = ["END_STREAM"] if ends_stream else []
    return DataFrame(stream_id, data=b"\0" + length.to_bytes(4, "big") + message, flags=flags).serialize()

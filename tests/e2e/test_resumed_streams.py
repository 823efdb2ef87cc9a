"""Hundreds of streams whose servers and engines are killed amid them: no text has anything twice or misses anything."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seq2serve import AsyncClient, Client, DecodingOptions, TranslationError
from tests.conftest import Repositories
from tests.e2e.processes import ROOT, ServerProcess, engines, server_process
from tests.fakes import PATIENCE
from tests.small_models import SENTENCES

MODEL = "lstm-en-fr"
NUM_STREAMS = 300
NUM_CLIENTS = 10
"""Each has a connection of its own to each server."""

PATIENT = {"max-delay-milliseconds": "1000000"}
"""Of a server that refuses nothing for the time that it would take."""

CONTENTS = [[SENTENCES[(number + index) % len(SENTENCES)] for index in range(4)] for number in range(NUM_STREAMS)]
DECODING = [
    DecodingOptions(return_token_scores=True),
    DecodingOptions(beam_size=2, return_token_scores=True),
    DecodingOptions(temperature=1.0, seed=7),
]


@pytest.fixture
def repository(repository_of: Repositories) -> Path:
    return repository_of("rnn", "lstm")


async def translations(client: AsyncClient) -> list[list[str]]:
    """What each stream has to say."""
    texts = [
        [answer.translated_text for answer in await client.translate(SENTENCES, model=MODEL, decoding=decoding)]
        for decoding in DECODING
    ]
    of = [dict(zip(SENTENCES, some, strict=True)) for some in texts]
    return [[of[number % len(of)][content] for content in contents] for number, contents in enumerate(CONTENTS)]


async def stream(client: AsyncClient, number: int, expected: list[list[str]], begun: set[int]) -> None:
    """Raises AssertionError if the stream is not what the translation says."""
    contents, decoding = CONTENTS[number], DECODING[number % len(DECODING)]
    texts, tokens, ends = [""] * len(contents), [0] * len(contents), {}
    async for message in client.stream(contents, model=MODEL, decoding=decoding, timeout=PATIENCE):
        index = message.content_index
        assert index not in ends, "nothing follows a translation"
        texts[index] += message.text_delta
        tokens[index] += len(message.tokens)
        begun.add(number)
        if message.HasField("translation"):
            ends[index] = message.translation
    assert sorted(ends) == list(range(len(contents)))
    assert texts == [end.translated_text for _, end in sorted(ends.items())]
    assert tokens == [len(end.hypotheses[0].tokens) for _, end in sorted(ends.items())]
    assert texts == expected[number]


async def stream_all(addresses: list[str], kill: Callable[[], None], num_streams: int = NUM_STREAMS) -> None:
    """Kill once a third of the streams has begun."""
    clients = [AsyncClient(addresses, timeout=PATIENCE) for _ in range(NUM_CLIENTS)]
    expected = await translations(clients[0])
    begun: set[int] = set()
    async with asyncio.TaskGroup() as streams:
        for number in range(num_streams):
            streams.create_task(stream(clients[number % NUM_CLIENTS], number, expected, begun))
        while len(begun) < num_streams / 3:
            await asyncio.sleep(0.001)
        kill()
    for client in clients:
        await client.close()


SOME_OR_HUNDREDS = pytest.mark.parametrize("num_streams", [60, pytest.param(NUM_STREAMS, marks=pytest.mark.nightly)])


def kill_server(server: ServerProcess) -> None:
    orphans = engines(server, MODEL)
    server.process.kill()
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)


@SOME_OR_HUNDREDS
async def test_streams_of_a_server_that_is_killed_go_on_at_another(repository: Path, num_streams: int) -> None:
    with server_process(repository, **PATIENT) as one, server_process(repository, **PATIENT) as other:
        await stream_all([one.address, other.address], lambda: kill_server(one), num_streams)


@SOME_OR_HUNDREDS
async def test_streams_of_an_engine_that_is_killed_go_on_in_the_next(repository: Path, num_streams: int) -> None:
    with server_process(repository, **PATIENT) as server:
        [engine] = engines(server, MODEL)
        await stream_all([server.address], lambda: os.kill(engine, signal.SIGKILL), num_streams)


def test_without_retries_a_broken_stream_is_an_error(repository: Path) -> None:
    with server_process(repository) as server, Client(server.address, retries=False) as client:
        messages = client.stream([" ".join(SENTENCES)] * 20, model=MODEL)
        next(messages)
        server.process.kill()
        with pytest.raises(TranslationError):
            list(messages)


def test_control_c_ends_a_call_at_once_and_cancels_it(repository: Path) -> None:
    program = f"""
import sys
from seq2serve import Client
with Client(sys.argv[1]) as client:
    client.list_models()
    print("begins", flush=True)
    try:
        client.translate([{" ".join(SENTENCES)!r}] * 60, timeout={PATIENCE})
    except KeyboardInterrupt:
        print("interrupted")
"""
    with server_process(repository) as server:
        [engine] = engines(server, "rnn-en-fr")
        os.kill(engine, signal.SIGSTOP)
        command = [sys.executable, "-c", program, server.address]
        with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout
            assert process.stdout.readline() == "begins\n"
            time.sleep(0.3)  # it waits for its answers by then; if not, it is no harder to interrupt
            interrupted = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=PATIENCE) == ("interrupted\n", "")
            assert time.monotonic() - interrupted < 2.0
        os.kill(engine, signal.SIGCONT)

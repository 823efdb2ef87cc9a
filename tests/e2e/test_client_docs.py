"""Every program of docs/client.md, with the models that are served by default, and the servers that it names."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue

import pytest
import trustme

from seq2serve.addresses import parse_target
from tests.e2e.processes import ROOT, ServerProcess, server_process

PAGE = (ROOT / "docs/client.md").read_text(encoding="utf-8")
RECIPES = {section.partition("\n")[0]: section for section in PAGE.split("\n## ")[1:]}

EXPECTED = {
    "First call": "Un chien dort.",
    "Languages": "Un chien dort.\ntarget_language_code: ",
    "With asyncio": "['Un chien dort.', ",
    "Whole texts and HTML": "Un homme dort. Deux chiens jouent dans la neige.\n\n- J'adore les chiens 🐶\n0 18 ",
    "Text as it is decoded": "Deux jeunes hommes jouent de la guitare dans le parc.\n",
    "Several servers": "['Un chien dort.', 'Un chien dort.', 'Un chien dort.', 'Un chien dort.']",
    "TLS and a key": "Un chien dort.",
    "Beams and hypotheses": "Un homme joue de la guitare.",
    "A glossary": "toutou",
    "Errors and retries": "NOT_FOUND: ",
    "Deadlines and cancellation": "too late\n[CancelledError(",
    "Scores and alignments": "dog -> chien",
    "A file": "",
}
"""What each program prints, in part."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with server_process(ROOT / "model_repository", **{"default-model": "transformer-en-fr"}) as process:
        yield process


@contextmanager
def encrypted(address: str, folder: Path) -> Iterator[int]:
    """The port of a proxy that speaks TLS for the server, and asks for certificates; the folder has the files."""
    authority = trustme.CA()
    client = authority.issue_cert("client@example.org")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    client.private_key_pem.write_to_path(folder / "client.key")
    client.cert_chain_pems[0].write_to_path(folder / "client.pem")
    (folder / "api.key").write_text("s2s_0123456789\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    target = parse_target("server", address)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        serving.add(task)
        inner_reader, inner_writer = await asyncio.open_connection(target.host, target.port)
        try:
            await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))
        finally:
            for one in (writer, inner_writer):
                one.close()
                with suppress(OSError):
                    await one.wait_closed()

    async def listen() -> None:
        proxy = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        ended = asyncio.Event()
        started.put((proxy.sockets[0].getsockname()[1], asyncio.get_running_loop(), ended))
        await ended.wait()
        proxy.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    serving: set[asyncio.Task[None]] = set()
    started: SimpleQueue[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = SimpleQueue()
    thread = threading.Thread(target=asyncio.run, args=(listen(),))
    thread.start()
    port, loop, ended = started.get()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


def test_there_is_an_expectation_of_every_recipe() -> None:
    assert list(RECIPES) == list(EXPECTED)


@pytest.mark.parametrize("recipe", EXPECTED)
def test_a_recipe_does_what_it_says(
    recipe: str,
    server: ServerProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    [program] = [part.partition("\n```")[0] for part in RECIPES[recipe].split("```python\n")[1:]]
    monkeypatch.chdir(tmp_path)
    Path("english.txt").write_text("A dog sleeps.\nA cat sleeps.\n" * 600, encoding="utf-8")
    port = server.address.rpartition(":")[2]
    with encrypted(server.address, tmp_path) as encrypted_port:
        program = program.replace(":50051", f":{port}").replace(":50443", f":{encrypted_port}")
        exec(compile(program, recipe, "exec"), {"__name__": "__main__"})
    assert EXPECTED[recipe] in capsys.readouterr().out
    if recipe == "A file":
        french = Path("french.txt").read_text(encoding="utf-8").splitlines()
        assert french == french[:2] * 600
        assert french[0] == "Un chien dort."

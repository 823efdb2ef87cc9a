"""What HTTP adds to a call: `python -m bench.gateway`.

Short sentences, one at a time: by gRPC, and through the gateway by LibreTranslate's and by Connect's API, each way over
one connection that stays open. Every sentence goes all ways before the next one does, and another way first each time,
so that a slow second of the machine meets all.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from bench.findings import Table
from bench.html_report import text_table
from bench.process import BenchError
from loadtest.percentiles import percentile
from loadtest.running_server import ServerError, running_server, serve_command
from seq2serve import Client

GOAL_MS = 3.0
"""Most that the median call through the gateway may take more than by gRPC."""

MODEL = "transformer-en-fr"
SENTENCES = Path("loadtest/sentences/en.txt")
LONGEST_CHARACTERS = 50
"""Of a sentence that is measured: the shorter it is, the more of its time is the way there and back."""

GRPC = "gRPC"

Translate = Callable[[str], str]
"""A way: a sentence there, its translation back."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description="Measure what the gateway adds.")
    parser.add_argument("--rounds", type=int, default=20, help="times that every sentence goes each way (20)")
    rounds = parser.parse_args().rounds
    texts = [text for text in SENTENCES.read_text(encoding="utf-8").splitlines() if len(text) <= LONGEST_CHARACTERS]
    load = os.getloadavg()[0]
    try:
        with ways() as translates:
            measure(translates, texts)  # what is done once
            milliseconds = [taken for _ in range(rounds) for taken in measure(translates, texts)]
    except (BenchError, ServerError) as error:
        sys.exit(f"error: {error}")
    columns = {way: sorted(taken[way] for taken in milliseconds) for way in milliseconds[0]}
    print(text_table(table(columns, f"{len(texts)} sentences, {rounds} times each; load before {load:.2f}")))
    sys.exit(any(rest > GOAL_MS for rest in added(columns).values()))


@contextmanager
def ways() -> Iterator[dict[str, Translate]]:
    """A server of one model and a gateway before it, processes of their own, and a connection for each way."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        models = folder / "models"
        models.mkdir()
        (models / MODEL).symlink_to(Path("model_repository", MODEL).resolve())
        serve = serve_command(f"--model-repository={models}", f"--default-model={MODEL}")
        server = stack.enter_context(running_server(serve, folder / "server.log"))
        listen = ["--listen=127.0.0.1:0", "--metrics-listen="]
        gate = [sys.executable, "-m", "gateway", f"--server={server.address}", *listen]
        gateway = stack.enter_context(running_server(gate, folder / "gateway.log"))
        client = stack.enter_context(Client(server.address))
        host = gateway.address.removeprefix("http://").rstrip("/")
        yield {
            GRPC: lambda text: client.translate(text).translated_text,
            "LibreTranslate": libretranslate(host),
            "Connect": connect(host),
        }


def libretranslate(host: str) -> Translate:
    post = posting(host, "/translate")
    return lambda text: str(post({"q": text, "source": "en", "target": "fr"})["translatedText"])


def connect(host: str) -> Translate:
    post = posting(host, "/translation.v1.TranslationService/Translate")
    return lambda text: str(post({"contents": [text]})["translations"][0]["translatedText"])


def posting(host: str, path: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Sends JSON over one connection, and returns what is answered. Raises BenchError for what is refused."""
    connection = HTTPConnection(host, timeout=60)

    def post(fields: dict[str, Any]) -> dict[str, Any]:
        connection.request("POST", path, json.dumps(fields), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise BenchError(f"{path}: {answer.status} {body.decode()}")
        read: dict[str, Any] = json.loads(body)
        return read

    return post


def measure(translates: dict[str, Translate], texts: list[str]) -> list[dict[str, float]]:
    """Milliseconds of every sentence, by the way that it went. Raises BenchError where ways translate differently."""
    measured = []
    names = list(translates)
    for number, text in enumerate(texts):
        taken: dict[str, float] = {}
        translations = set()
        first = number % len(names)
        for name in names[first:] + names[:first]:
            began = time.perf_counter()
            translations.add(translates[name](text))
            taken[name] = (time.perf_counter() - began) * 1e3
        if len(translations) != 1:
            raise BenchError(f"one translation expected of {text!r}, got {sorted(translations)}")
        measured.append({name: taken[name] for name in names})
    return measured


def added(columns: dict[str, list[float]]) -> dict[str, float]:
    """Milliseconds that the median call of each way takes more than by gRPC."""
    medians = {way: percentile(taken, 50) or 0.0 for way, taken in columns.items()}
    return {way: median - medians[GRPC] for way, median in medians.items() if way != GRPC}


def table(columns: dict[str, list[float]], title: str) -> Table:
    more = added(columns)
    rows = [
        [way, percentile(taken, 50) or 0.0, percentile(taken, 99) or 0.0, more.get(way, "")]
        for way, taken in columns.items()
    ]
    return Table(title, ["way", "p50, ms", "p99, ms", "p50 over gRPC"], rows)


if __name__ == "__main__":
    main()

"""A random model of the size of NLLB-200's smallest, imported and served: memory, and tokens a second.

    python -m tests.peers.nllb_size FOLDER

600 million parameters: 12 + 12 layers of d 1,024 and a vocabulary of 256,206. It takes some 10 GB of memory and 6 GB in
FOLDER, and is run by night.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from export.importing import ImportOptions, import_checkpoint
from export.importing.int8 import Floors
from loadtest.memory import memory_megabytes
from loadtest.running_server import running_server, serve_command
from seq2serve.client import Client
from seq2serve.pb import translation_pb2 as pb
from tests.export.checkpoints import folders

VOCABULARY_SIZE = 256_206
MOST_IMPORT, MOST_SERVER = 12.0, 2.5
"""GB of memory."""
SENTENCES = 12
"""Whose translations find the ranges of int8: those of random weights are as long as they may be, and take long."""
NUM_TRANSLATED, NUM_TOKENS = 64, 20
"""Sentences of which the served model writes so many tokens each."""


def write_checkpoint(folder: Path) -> None:
    """Write the checkpoint as transformers saves it."""
    names = folders._names(folders._model("source"))
    fillers = [f"piece{number}" for number in range(VOCABULARY_SIZE - len(names) - 9)]  # and tokens of languages
    size: dict[str, Any] = dict.fromkeys(("ENCODER_LAYERS", "DECODER_LAYERS"), 12)
    size |= dict.fromkeys(("ENCODER_HEADS", "DECODER_HEADS"), 16) | dict.fromkeys(("D_MODEL", "MAX_POSITIONS"), 1024)
    size |= dict.fromkeys(("ENCODER_FFN", "DECODER_FFN"), 4096) | {"_names": lambda _: [*names, *fillers]}
    values = folders.random_values  # of a spread for small models: at this width they would tell nothing apart
    size["random_values"] = lambda name, shape: 0.08 * values(name, shape)
    with patch.multiple(folders, **size):
        written = folders.nllb(folder)
    assert written.config["vocab_size"] == VOCABULARY_SIZE, written.config["vocab_size"]
    written.write()


def import_model(folder: Path, bundle: Path) -> None:
    text = folder / "sentences.txt"
    text.write_text("\n".join(folders.SENTENCES[:SENTENCES]) + "\n", encoding="utf-8")
    options = ImportOptions(texts={"eng_Latn": text}, languages=("eng_Latn", "fra_Latn"), floors=Floors(agreement=0))
    print(import_checkpoint(folder, bundle, options))


def in_a_process(*arguments: str) -> tuple[float, float]:
    """Run a part of this by itself. Returns its seconds, and the most memory that it has had, in GB."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", __spec__.name, *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"error: {' '.join(arguments)} ended with status {status}")
    return time.monotonic() - started, usage.ru_maxrss * 1024 / 1e9


def serve(repository: Path) -> dict[str, float]:
    command = serve_command(f"--model-repository={repository}", "--default-model=nllb", "--grace-seconds=1")
    started = time.monotonic()
    with running_server(command, repository.parent / "server.log") as server, Client(server.address) as client:
        loaded = time.monotonic() - started
        contents = [folders.SENTENCES[number % len(folders.SENTENCES)] for number in range(NUM_TRANSLATED)]
        decoding = pb.DecodingOptions(max_output_tokens=NUM_TOKENS)
        client.translate(contents[:4], decoding=decoding)
        rates = []
        for _ in range(3):
            started = time.monotonic()
            answers = client.translate(contents, decoding=decoding)
            rates.append(sum(answer.output_token_count for answer in answers) / (time.monotonic() - started))
        memory = memory_megabytes(server.pid)["Pss"]
    return {"served after, s": loaded, "tokens/s": statistics.median(rates), "server's memory, GB": memory / 1e3}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.peers.nllb_size")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=("write", "import"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    checkpoint, bundle = folder / "checkpoint", folder / "repository" / "nllb" / "1"
    if arguments.part == "write":
        write_checkpoint(checkpoint)
    elif arguments.part == "import":
        import_model(checkpoint, bundle)
    else:
        found = {}
        if not checkpoint.exists():
            in_a_process(str(folder), "--part=write")
        if not bundle.exists():
            seconds, peak = in_a_process(str(folder), "--part=import")
            found = {"imported in, s": seconds, "import's memory, GB": peak}
        found["bundle, GB"] = sum(path.stat().st_size for path in bundle.iterdir()) / 1e9
        found |= serve(bundle.parents[1])
        print(json.dumps({name: round(value, 2) for name, value in found.items()}))
        if found.get("import's memory, GB", 0.0) > MOST_IMPORT or found["server's memory, GB"] > MOST_SERVER:
            sys.exit(f"error: at most {MOST_IMPORT:g} GB for the import and {MOST_SERVER:g} for the server are allowed")


if __name__ == "__main__":
    main()

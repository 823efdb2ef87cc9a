"""python -m deploy.sizing: memory of a server by the models that it serves and the engines of each, in two minutes.

For each shipped model alone and for all of them, with one engine and with two: megabytes when the server has started,
and the most after 256 sentences were translated at once by each model, greedily and with a beam of 4. Pages that
several processes share count once.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loadtest.memory import memory_megabytes
from loadtest.running_server import running_server
from seq2serve import Client, DecodingOptions

REPOSITORY = Path("model_repository").resolve()
SENTENCES = [
    "Two young men are playing guitar in the park.",
    "A woman in a red coat walks her dog along the beach in the morning.",
] * 128


def main() -> None:
    models = sorted(path.name for path in REPOSITORY.iterdir())
    print(f"{'model':24} {'engines':>7} {'started, MB':>12} {'after load, MB':>15}")
    for served in (*([model] for model in models), models):
        for engines in (1, 2):
            started, loaded = measure(served, engines)
            name = served[0] if len(served) == 1 else f"all {len(served)}"
            print(f"{name:24} {engines:7} {started:12.0f} {loaded:15.0f}", flush=True)


def measure(models: Sequence[str], engines: int) -> tuple[float, float]:
    """Megabytes after the start, and the most that was seen after a model's load."""
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "repository"
        repository.mkdir()
        for model in models:
            (repository / model).symlink_to(REPOSITORY / model)
        settings = {"listen": "127.0.0.1:0", "metrics-listen": "", "engines": engines, "default-model": models[0]}
        flags = [f"--{name}={value}" for name, value in (settings | {"model-repository": repository}).items()]
        with running_server([sys.executable, "-m", "server", *flags], Path(folder) / "log") as server:
            seen = [memory_megabytes(server.pid)["Pss"]]
            with Client(server.address, timeout=300) as client:
                for model in models:
                    for beam_size in (1, 4):
                        client.translate(SENTENCES, model=model, decoding=DecodingOptions(beam_size=beam_size))
                    seen.append(memory_megabytes(server.pid)["Pss"])
            return seen[0], max(seen[1:])


if __name__ == "__main__":
    main()

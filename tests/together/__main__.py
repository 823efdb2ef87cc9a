"""Run a server with TLS, keys and three versions of a model; call it with every kind of client at once while models,
keys and certificates are replaced and engines are killed; print what held.

python -m tests.together
python -m tests.together --seconds 30
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from loadtest.running_server import ServerError, running_server, serve_command
from server.bundle.manifest import read_bundle
from tests.together.report import report
from tests.together.run import run
from tests.together.site import Site


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.together", description="Call a server in every way while everything about it changes."
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="at least (default: 120)")
    parser.add_argument(
        "--models",
        nargs=3,
        default=["rnn-en-fr", "lstm-en-fr", "transformer-en-fr"],
        help="that are its versions (default: rnn-en-fr lstm-en-fr transformer-en-fr)",
    )
    parser.add_argument("--log", type=Path, default=Path("build/together-server.log"), help="of the server")
    arguments = parser.parse_args()
    arguments.log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        bundles = [read_bundle(Path("model_repository") / model / "1") for model in arguments.models]
        site = Site(Path(folder), bundles)
        command = serve_command(*(f"--{name}={value}" for name, value in site.settings.items()))
        try:
            with running_server(command, arguments.log) as server:
                outcome = asyncio.run(run(site, server.address, server.pid, arguments.seconds))
        except ServerError as error:
            sys.exit(f"error: {error}")
    print(report(outcome))
    sys.exit(bool(outcome.problems))


if __name__ == "__main__":
    main()

"""Imported checkpoints against the toolkits that they come from.

    python -m tests.peers [--write]

It takes packages that the suite does not need (`peers` in pyproject.toml), and is run by night. `--write` renews the
golden file by which the suite knows what transformers computes.
"""

import argparse
import sys
from importlib import import_module

from tests.peers import huggingface

PEERS = ("huggingface", "marian", "firefox")
"""Modules beside this one; `compare()` gives what differs, in words."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description="Compare imports with their toolkits.")
    parser.add_argument("--write", action="store_true", help="write the golden file of the suite anew")
    if parser.parse_args().write:
        huggingface.compare(write=True)
        return
    problems = [problem for name in PEERS for problem in import_module(f"tests.peers.{name}").compare()]
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()

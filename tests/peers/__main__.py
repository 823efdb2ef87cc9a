"""Imported checkpoints against the toolkits that they come from.

    python -m tests.peers [--write]

It takes packages that the suite does not need (`peers` in pyproject.toml), and is run by night. `--write` renews the
golden file by which the suite knows what the toolkits compute.
"""

import argparse
import sys

from tests.peers import huggingface


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description="Compare imports with their toolkits.")
    parser.add_argument("--write", action="store_true", help="write the suite's golden file anew")
    arguments = parser.parse_args()
    problems = huggingface.compare(write=arguments.write)
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()

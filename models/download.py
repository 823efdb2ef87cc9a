"""Download the corpora where the network allows.

    python -m models.download [FOLDER] [--only NAME ...]

What is there already is not fetched again, and what could be fetched is kept when something else fails. Where each
corpus comes from: `models/data/sources.toml`, or docs/data.md.
"""

import argparse
import sys
from pathlib import Path

from models.data.corpora import DEFAULT_FOLDER, all_sources, data_folder
from models.data.download.run import download


def main() -> None:
    names = [*all_sources()]
    parser = argparse.ArgumentParser(prog="python -m models.download", description="Download the corpora.")
    parser.add_argument("folder", type=Path, nargs="?", help=f"(default: $SEQ2SERVE_DATA, else {DEFAULT_FOLDER})")
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=names, help="these corpora (default: all)")
    arguments = parser.parse_args()
    failures = download(data_folder(arguments.folder), arguments.only or names)
    if failures:
        sys.exit("\n".join(f"error: {failure}" for failure in failures))


if __name__ == "__main__":
    main()

"""Bundles of the earlier format, brought to the one that the server reads.

    python -m export.upgrade model_repository/transformer-en-fr/1 ...

Only `model.json` is written anew, and its seal; the graphs are the same. A bundle that is damaged, or whose manifest
was edited without its seal, stays as it is.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from server.bundle.languages import TEXT, bilingual
from server.bundle.manifest import (
    FORMAT_VERSION,
    MANIFEST,
    MANIFEST_SEAL,
    TOKENIZER,
    UPGRADED_VERSION,
    BundleError,
    Manifest,
    read_bundle,
    seal_manifest,
)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m export.upgrade", description=f"To format {FORMAT_VERSION}.")
    parser.add_argument("bundles", type=Path, nargs="+", help="folders, e.g. model_repository/transformer-en-fr/1")
    failed = False
    for folder in parser.parse_args(argv).bundles:
        try:
            print(f"{folder}: {'is now' if upgrade(folder) else 'was already'} of format {FORMAT_VERSION}")
        except BundleError as error:
            print(f"error: {error}", file=sys.stderr)
            failed = True
    sys.exit(failed)


def upgrade(folder: Path) -> bool:
    """Rewrite and seal a bundle's manifest. Returns whether it had to be. Raises BundleError, and leaves the bundle as
    it was, for one that is damaged, or of another format."""
    path, seal = folder / MANIFEST, folder / MANIFEST_SEAL
    try:
        before, sealed = path.read_bytes(), seal.read_bytes()
        fields = json.loads(before)
        version = fields["format_version"] if isinstance(fields, dict) else None
        if version == FORMAT_VERSION:
            read_bundle(folder)
            return False
        if version != UPGRADED_VERSION:
            raise ValueError(f"format_version: {UPGRADED_VERSION} expected, got {version!r}")
        if sealed[:64].decode("ascii") != hashlib.sha256(before).hexdigest():
            raise ValueError(f"it was changed after {MANIFEST_SEAL} was written")
        upgraded = upgraded_fields(fields)
    except KeyError as error:
        raise BundleError(f"{path}: {error.args[0]} is missing") from error
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: {error}") from error
    try:
        _write(path, (json.dumps(upgraded, indent=2, ensure_ascii=False) + "\n").encode())
        seal_manifest(folder)
        read_bundle(folder)
    except BaseException:
        _write(path, before)
        _write(seal, sealed)
        raise
    return True


def upgraded_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a manifest of format 3, of one vocabulary and one language pair, in the words of format 4. Raises
    KeyError for one that is missing."""
    special_ids = fields["special_ids"]
    pad, unknown, start, eos = (special_ids[name] for name in ("pad", "unknown", "bos", "eos"))
    tokenizer = {"sentencepiece": TOKENIZER, "pieces": None}
    changed = {
        "format_version": FORMAT_VERSION,
        "special_ids": {
            "start": start,
            "eos": eos,
            "pad": pad,
            "unknown": unknown,
            "never_written": [pad, unknown, start],
            "is_masked": False,
        },
    }
    added = {
        "source_vocabulary_size": fields["vocabulary_size"],
        "target_vocabulary_size": fields["vocabulary_size"],
        "source_tokenizer": tokenizer,
        "target_tokenizer": tokenizer,
        "languages": [vars(language) for language in bilingual(fields["source_language"], fields["target_language"])],
        "pairs": None,
        "source_template": [TEXT, eos],
        "forced_target": [],
    }
    gone = ("vocabulary_size", "source_language", "target_language")
    upgraded = {name: value for name, value in (fields | changed | added).items() if name not in gone}
    order = [field.name for field in dataclasses.fields(Manifest)]
    return dict(sorted(upgraded.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def _write(path: Path, content: bytes) -> None:
    """Whole, or not at all."""
    new = path.with_name(f".{path.name}")
    new.write_bytes(content)
    os.replace(new, path)


if __name__ == "__main__":
    main()

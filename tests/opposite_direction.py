"""A bundle of the opposite direction beside one that is there, so that languages have models to choose from."""

import dataclasses
import shutil
from pathlib import Path

from server.bundle.languages import bilingual
from server.bundle.manifest import Bundle, read_bundle, write_manifest


def write_opposite(bundle: Bundle, repository: Path) -> Bundle:
    """The same files in another repository, as a model from the target language to the source language:
    `rnn-en-fr` becomes `rnn-fr-en`, in its version 1."""
    manifest = bundle.manifest
    [source], [target] = manifest.target_codes, manifest.source_codes
    name = f"{manifest.name.removesuffix(f'-{target}-{source}')}-{source}-{target}"
    folder = repository / name / "1"
    shutil.copytree(bundle.folder, folder)
    opposite = dataclasses.replace(manifest, name=name, version="1", languages=bilingual(source, target))
    write_manifest(folder, opposite)
    return read_bundle(folder)

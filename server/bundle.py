"""The bundle: the contract between export and server, one folder a model version.

    model_repository/<model>/<version>/model.json  encoder.onnx  step.onnx  tokenizer.model

`encoder.onnx`: source_ids int64 [batch, source], source_lengths int64 [batch] -> the constant state, and the first
value of the replaced state, by name.
`step.onnx`: previous_ids int64 [rows], positions int64 [rows], every state tensor by name -> log_probs float32 [rows,
vocabulary], and `next_<name>` of state tensors. The next value of a replaced tensor goes to a second buffer; every
other `next_` is the buffer that came in, written in place, and has to be bound to it.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

FORMAT_VERSION = 1
MANIFEST = "model.json"
ENCODER = "encoder.onnx"
STEP = "step.onnx"
TOKENIZER = "tokenizer.model"


class BundleError(Exception):
    """A bundle that cannot be served; the message names the file, the field and what is wrong."""


@dataclass(frozen=True, kw_only=True)
class StateSpec:
    """One state tensor; its leading dimension, the rows, is not listed in `shape`."""

    name: str
    kind: Literal["constant", "replace", "append"]
    """constant: written once when a row joins; replace: rewritten by every step; append: grows by one position."""
    shape: tuple[int | str, ...]
    """Numbers, or the named dimensions `source` and `target`."""
    dtype: Literal["float32", "int64"]


@dataclass(frozen=True, kw_only=True)
class SpecialIds:
    pad: int
    unknown: int
    bos: int
    eos: int


@dataclass(frozen=True, kw_only=True)
class Quality:
    test_set: str
    metric: str
    """With the signature of the tool that measured it."""
    value: float


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All of `model.json`."""

    format_version: int
    name: str
    version: str
    architecture: str
    """For people; the server never asks."""
    source_language: str
    target_language: str
    precision: Literal["fp32", "int8"]
    vocabulary_size: int
    special_ids: SpecialIds
    max_source_tokens: int
    """The longest source, its end included."""
    max_output_tokens: int
    state: tuple[StateSpec, ...]
    quality: tuple[Quality, ...]
    provenance: dict[str, str]
    """Training data, licences, recipe, seed, and what made the bundle."""
    sha256: dict[str, str]
    """Of every other file of the bundle, by name."""


@dataclass(frozen=True)
class Bundle:
    folder: Path
    manifest: Manifest

    @property
    def encoder(self) -> Path:
        return self.folder / ENCODER

    @property
    def step(self) -> Path:
        return self.folder / STEP

    @property
    def tokenizer(self) -> Path:
        return self.folder / TOKENIZER


def read_bundle(folder: Path) -> Bundle:
    """Read and check a bundle. Raises BundleError for a damaged file, an unknown format, or a field that is wrong."""
    path = folder / MANIFEST
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        manifest = _parse(fields)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, TypeError, KeyError, ValueError) as error:
        raise BundleError(f"{path}: {error}") from error
    if manifest.format_version != FORMAT_VERSION:
        raise BundleError(f"{path}: format_version: {FORMAT_VERSION} expected, got {manifest.format_version}")
    for name in (ENCODER, STEP, TOKENIZER):
        try:
            actual = file_sha256(folder / name)
        except OSError as error:
            raise BundleError(f"{folder / name}: {error.strerror}") from error
        if actual != manifest.sha256.get(name):
            raise BundleError(f"{folder / name}: SHA-256 is {actual}, {MANIFEST} says {manifest.sha256.get(name)}")
    return Bundle(folder, manifest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `model.json` beside the finished files, with the SHA-256 of each."""
    hashes = {name: file_sha256(folder / name) for name in (ENCODER, STEP, TOKENIZER)}
    fields = dataclasses.asdict(dataclasses.replace(manifest, sha256=hashes))
    (folder / MANIFEST).write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parse(fields: dict[str, Any]) -> Manifest:
    expected = {field.name for field in dataclasses.fields(Manifest)}
    if fields.keys() != expected:
        raise ValueError(f"missing or unknown fields: {', '.join(sorted(fields.keys() ^ expected))}")
    state = tuple(StateSpec(**{**spec, "shape": tuple(spec["shape"])}) for spec in fields["state"])
    for spec in state:
        if spec.kind not in ("constant", "replace", "append"):
            raise ValueError(f"state {spec.name}: kind {spec.kind!r} is not one of constant, replace, append")
        for dimension in spec.shape:
            if isinstance(dimension, str) and dimension not in ("source", "target"):
                raise ValueError(f"state {spec.name}: dimension {dimension!r} is neither source nor target")
    return Manifest(
        **{
            **fields,
            "state": state,
            "special_ids": SpecialIds(**fields["special_ids"]),
            "quality": tuple(Quality(**quality) for quality in fields["quality"]),
        }
    )

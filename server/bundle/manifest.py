"""The bundle: the contract between export and server, one folder a model version.

    model_repository/<model>/<version>/model.json  encoder.onnx  step.onnx  tokenizer.model  model.json.sha256

`encoder.onnx`: source_ids int64 [batch, source], source_lengths int64 [batch] -> the constant state, and the first
value of the replaced state, by name.
`step.onnx`: previous_ids int64 [rows], positions int32 [rows], every state tensor by name -> log_probs float32 [rows,
vocabulary], `next_<name>` of state tensors, and, where the manifest has an alignment, alignment_query float32 [rows, 1,
heads * head_size]. The next value of a replaced tensor goes to a second buffer; every other `next_` is the buffer that
came in, written in place, and has to be bound to it.

A bundle with a shortlist has three files more, and `step.onnx` has one output more: features uint8 [rows, features],
what the last product is made from. `features.onnx` is `step.onnx` without log_probs; `output.onnx` makes them for a
part of the vocabulary (`export/shortlist.py` gives its inputs); `server/bundle/shortlist.py` specifies `shortlist.npz`.

`model.json` has the SHA-256 of every other file, and `model.json.sha256` has that of `model.json`, as `sha256sum`
writes it: a manifest that was edited is refused until `sha256sum model.json > model.json.sha256` says that the edit is
meant.
"""

import dataclasses
import hashlib
import json
import shlex
import typing
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, cast

from server.bundle.span_pieces import is_reserved

FORMAT_VERSION = 3
MANIFEST = "model.json"
MANIFEST_SEAL = "model.json.sha256"
ENCODER = "encoder.onnx"
STEP = "step.onnx"
TOKENIZER = "tokenizer.model"
FEATURES_STEP = "features.onnx"
OUTPUT_STEP = "output.onnx"
SHORTLIST = "shortlist.npz"
ALIGNMENT_QUERY = "alignment_query"
FEATURES = "features"

_NAMES = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    tuple: "list",
    int | str: "integer or text",
}
"""JSON's name for each type; all others are objects."""


class BundleError(Exception):
    """A bundle that cannot be served; the message names the file, the field and what is wrong."""


@dataclass(frozen=True, kw_only=True)
class StateSpec:
    """One state tensor; its leading dimension, the rows, is not listed in `shape`."""

    name: str
    kind: Literal["constant", "replace", "append"]
    """constant: written once when a row joins; replace: rewritten by every step; append: grows by one position."""
    shape: tuple[int | str, ...]
    """Extents of its dimensions: numbers, or the names `source` and `target`."""
    dtype: Literal["float32", "int8", "int32", "int64"]


@dataclass(frozen=True, kw_only=True)
class SpecialIds:
    pad: int
    unknown: int
    bos: int
    eos: int

    @property
    def never_written(self) -> list[int]:
        """Ids that no translation contains."""
        return [self.pad, self.unknown, self.bos]


@dataclass(frozen=True, kw_only=True)
class AlignmentSpec:
    """A row's attention over its source: softmax(scale * alignment_query . keys), averaged over heads."""

    keys: str
    """A constant state tensor, [heads, source, head_size]."""
    scale: float


@dataclass(frozen=True, kw_only=True)
class Quality:
    test_set: str
    metric: str
    """Name of the metric, with the signature of the tool that measured it."""
    value: float


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All of `model.json`."""

    format_version: int
    name: str
    version: str
    architecture: str
    """Name of the architecture, for people; the server never asks."""
    source_language: str
    target_language: str
    precision: Literal["fp32", "int8"]
    vocabulary_size: int
    special_ids: SpecialIds
    max_source_tokens: int
    """The longest source, its end included."""
    max_output_tokens: int
    state: tuple[StateSpec, ...]
    alignment: AlignmentSpec | None
    """Where to find a row's attention; None for a model that does not attend to its source."""
    has_shortlist: bool
    quality: tuple[Quality, ...]
    provenance: dict[str, str]
    """Training data, licences, recipe, seed, and the code that made the bundle."""
    sha256: dict[str, str]
    """SHA-256 of every other file of the bundle, by name."""
    span_pieces: tuple[str, ...] = ()
    """Reserved characters that the model carries from the source into its translation, each a piece of the tokenizer:
    the first stands for the first protected span of a sentence, and so on. Empty for a model that has not learnt it."""


@dataclass(frozen=True)
class Bundle:
    folder: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        return self.folder / name

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
    """Read and check a bundle. Raises BundleError for a damaged or edited file, an unknown format, or a field that is
    wrong."""
    manifest = read_manifest(folder)
    for name in _files(manifest):
        try:
            actual = file_sha256(folder / name)
        except OSError as error:
            raise BundleError(f"{folder / name}: {error.strerror}") from error
        if actual != manifest.sha256.get(name):
            raise BundleError(f"{folder / name}: SHA-256 is {actual}, {MANIFEST} says {manifest.sha256.get(name)}")
    return Bundle(folder, manifest)


def read_manifest(folder: Path) -> Manifest:
    """Read and check a bundle's `model.json`, without a look at the other files. Raises BundleError."""
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        fields = json.loads(content.decode("utf-8"))
        if isinstance(fields, dict) and fields.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"format_version: {FORMAT_VERSION} expected, got {fields.get('format_version')!r}")
        _check_seal(folder, content)
        manifest: Manifest = _parse(Manifest, fields, "")
        _check(manifest)
    except FileNotFoundError as error:
        raise BundleError(
            f"{path}: {error.strerror}: no finished bundle is in this folder; export it again, or remove the folder"
        ) from error
    except (OSError, ValueError) as error:  # JSON's and Unicode's errors are ValueErrors
        raise BundleError(f"{path}: {error}") from error
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `model.json` beside the finished files, with the SHA-256 of each, and its own beside it."""
    hashes = {name: file_sha256(folder / name) for name in _files(manifest)}
    fields = dataclasses.asdict(dataclasses.replace(manifest, sha256=hashes))
    (folder / MANIFEST).write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    seal_manifest(folder)


def seal_manifest(folder: Path) -> None:
    """Write `model.json.sha256`, as `sha256sum model.json` does: `model.json` is then what it is meant to be."""
    (folder / MANIFEST_SEAL).write_text(f"{file_sha256(folder / MANIFEST)}  {MANIFEST}\n", encoding="utf-8")


def _check_seal(folder: Path, content: bytes) -> None:
    """Raises ValueError where `content`, that of `model.json`, is not what `model.json.sha256` was written for."""
    actual = hashlib.sha256(content).hexdigest()
    try:
        sealed = " ".join((folder / MANIFEST_SEAL).read_text(encoding="utf-8").split()[:1])
        problem = f"{MANIFEST_SEAL} says {sealed!r}: it was changed after it was written"
    except FileNotFoundError:
        sealed = ""
        problem = f"there is no {MANIFEST_SEAL} to say whether it was changed"
    if sealed.lower() != actual:
        accept = f"(cd {shlex.quote(str(folder))} && sha256sum {MANIFEST} > {MANIFEST_SEAL})"
        raise ValueError(f"SHA-256 is {actual}, {problem}; if all in it is meant, accept it with: {accept}")


def _files(manifest: Manifest) -> list[str]:
    """The names of a bundle's files, without the manifest itself."""
    return [ENCODER, STEP, TOKENIZER] + [FEATURES_STEP, OUTPUT_STEP, SHORTLIST] * manifest.has_shortlist


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parse(kind: Any, value: Any, field: str) -> Any:
    """A JSON value as a declared type. Raises ValueError naming the field, what is expected and what came."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        kinds, prefix = typing.get_type_hints(kind), f"{field}." if field else ""
        required = {item.name for item in dataclasses.fields(kind) if item.default is dataclasses.MISSING}
        if wrong := (value.keys() - kinds.keys()) | (required - value.keys()):
            names = ", ".join(sorted(prefix + name for name in wrong))
            raise ValueError(f"missing or unknown fields: {names}")
        parsed = {name: _parse(kinds[name], item, prefix + name) for name, item in value.items()}
        return cast(Any, kind)(**parsed)
    if origin is tuple and isinstance(value, list):
        return tuple(_parse(arguments[0], item, f"{field}[{index}]") for index, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {name: _parse(arguments[1], item, f"{field}.{name}") for name, item in value.items()}
    if origin is Literal and value in arguments:
        return value
    if origin is UnionType and type(value) in arguments:
        return value
    if origin is UnionType and type(None) in arguments:
        return _parse(arguments[0], value, field)
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    if origin is Literal:
        raise ValueError(f"{field}: one of {', '.join(arguments)} expected, got {value!r}")
    raise ValueError(f"{field}: {_NAMES.get(kind) or _NAMES.get(origin, 'object')} expected, got {value!r}")


def _check(manifest: Manifest) -> None:
    """Check what types do not say. Raises ValueError."""
    for name in ("name", "version"):
        if not getattr(manifest, name):
            raise ValueError(f"{name}: a text that is not empty expected, got ''")
    for name in ("vocabulary_size", "max_source_tokens", "max_output_tokens"):
        if getattr(manifest, name) < 1:
            raise ValueError(f"{name}: at least 1 expected, got {getattr(manifest, name)}")
    for name, id_ in dataclasses.asdict(manifest.special_ids).items():
        if not 0 <= id_ < manifest.vocabulary_size:
            raise ValueError(f"special_ids.{name}: 0 to {manifest.vocabulary_size - 1} expected, got {id_}")
    for index, piece in enumerate(manifest.span_pieces):
        if len(piece) != 1 or not is_reserved(piece) or piece in manifest.span_pieces[:index]:
            problem = f"a private-use character that is there once expected, got {piece!r}"
            raise ValueError(f"span_pieces[{index}]: {problem}")
    if manifest.alignment:
        _check_alignment_keys(manifest.alignment.keys, manifest.state)
    for index, spec in enumerate(manifest.state):
        if any(spec.name == other.name for other in manifest.state[:index]):
            raise ValueError(f"state[{index}].name: {spec.name!r} is declared twice")
        for dimension in spec.shape:
            if dimension not in ("source", "target") and (isinstance(dimension, str) or dimension < 1):
                raise ValueError(f"state[{index}].shape: source, target or a size expected, got {dimension!r}")
        if sum(isinstance(dimension, str) for dimension in spec.shape) > 1:
            raise ValueError(f"state[{index}].shape: at most one of source and target expected, got {spec.shape}")


def _check_alignment_keys(name: str, state: tuple[StateSpec, ...]) -> None:
    for spec in state:
        if spec.name == name and spec.kind == "constant" and len(spec.shape) == 3 and spec.shape[1] == "source":
            return
    raise ValueError(f"alignment.keys: a constant state tensor of shape [heads, source, size] expected, got {name!r}")

"""The bundle: the contract between export and server, one folder a model version.

    model_repository/<model>/<version>/model.json  encoder.onnx  step.onnx  tokenizer.model  model.json.sha256

`tokenizer.model` is the SentencePiece model of a bundle whose two sides have one tokenizer; the manifest names it, and
all other files of tokenizers. Vocabularies, special ids, languages and what a source is made of are the manifest's to
say (`languages.py`): nothing else knows them.

`encoder.onnx`: source_ids int64 [batch, source], source_lengths int64 [batch] -> the constant state, and the first
value of the replaced state, by name; where the manifest says `encodes_start`, also the first position of the appended
state.
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
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from server.bundle.checks import check
from server.bundle.languages import Language, Pair, Template
from server.bundle.typed_json import parse_json

FORMAT_VERSION = 4
UPGRADED_VERSION = 3
"""The format that `export/upgrade.py` brings to this one."""
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


class BundleError(Exception):
    """A bundle that cannot be served, or a repository of them. Each problem names the file, the field and what is
    wrong; the message is all of them."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


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
    start: int
    """What the decoder reads first."""
    eos: int
    """What ends a translation."""
    pad: int
    """Fills up the shorter sources of an encoder run; any id of the source's vocabulary, as nothing reads it."""
    unknown: int | None
    """Stands for text that the vocabulary has no piece for, on both sides; None for a vocabulary that has pieces for
    all."""
    never_written: tuple[int, ...]
    """Ids that no translation contains."""
    is_masked: bool = False
    """Whether the graphs give `never_written` a log-probability of minus infinity, so that no search has to."""

    @property
    def forbidden(self) -> tuple[int, ...]:
        """Ids that a search has to keep translations from containing."""
        return () if self.is_masked else self.never_written


@dataclass(frozen=True, kw_only=True)
class TokenizerSpec:
    """How one side's text becomes ids."""

    sentencepiece: str
    """Name of the SentencePiece model that cuts the text into pieces."""
    pieces: str | None = None
    """Name of the table with the piece of every id, a JSON list of texts; None where ids are the SentencePiece
    model's own."""


@dataclass(frozen=True, kw_only=True)
class AlignmentSpec:
    """A row's attention over its source: softmax(scale * alignment_query . keys), averaged over heads."""

    keys: str
    """A constant state tensor, [heads, source, head_size]."""
    scale: float
    heads: tuple[int, ...] | None = None
    """The heads that count, those that were trained to align; None: all."""


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
    """As which it was exported; a server goes by the name of its folder."""
    architecture: str
    """Name of the architecture, for people; the server never asks."""
    precision: Literal["fp32", "int8"]
    source_vocabulary_size: int
    target_vocabulary_size: int
    source_tokenizer: TokenizerSpec
    target_tokenizer: TokenizerSpec
    """Equal to the source's where they are one."""
    special_ids: SpecialIds
    languages: tuple[Language, ...]
    pairs: tuple[Pair, ...] | None = None
    """What is translated into what; None: every source language into every other target language, and the language of a
    model of one into itself."""
    source_template: Template
    """What a source is made of, see `languages.py`."""
    forced_target: Template = ()
    """What the decoder reads behind the start token, before the translation begins, see `languages.py`."""
    encodes_start: bool = False
    """Whether the encoder's graph reads the start token as well, and gives the state behind it: the first step, at
    position 1, reads the first of `forced_target` then."""
    max_source_tokens: int
    """The longest source, all of its template included."""
    max_output_tokens: int
    """The longest translation; the decoder's start is not counted."""
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

    @cached_property
    def digest(self) -> str:
        """Of the whole bundle, whose files' SHA-256 the manifest has, but for its version, which says nothing of what
        is in it: two bundles of one digest translate alike."""
        return hashlib.sha256(repr(dataclasses.replace(self, version="")).encode()).hexdigest()

    @property
    def shares_vocabulary(self) -> bool:
        """Whether both sides number their pieces alike."""
        source, target = self.source_tokenizer, self.target_tokenizer
        return source == target or (source.pieces is not None and source.pieces == target.pieces)

    @property
    def source_codes(self) -> list[str]:
        """Codes of the languages that it translates from."""
        return [language.code for language in self.languages if language.is_source]

    @property
    def target_codes(self) -> list[str]:
        return [language.code for language in self.languages if language.is_target]


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
        """The SentencePiece model of the target's side, which is the source's as well where they have one."""
        return self.folder / self.manifest.target_tokenizer.sentencepiece


def read_bundle(folder: Path) -> Bundle:
    """Read and check a bundle. Raises BundleError for an unknown format, or fields that are wrong; else for all files
    that are missing, damaged or edited."""
    manifest = read_manifest(folder)
    problems = []
    for name in _files(manifest):
        try:
            actual = file_sha256(folder / name)
        except OSError as error:
            problems.append(f"{folder / name}: {error.strerror}")
            continue
        if actual != manifest.sha256.get(name):
            problems.append(f"{folder / name}: SHA-256 is {actual}, {MANIFEST} says {manifest.sha256.get(name)}")
    if problems:
        raise BundleError(*problems)
    return Bundle(folder, manifest)


def read_manifest(folder: Path) -> Manifest:
    """Read and check a bundle's `model.json`, without a look at the other files. Raises BundleError."""
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        fields = json.loads(content.decode("utf-8"))
        if isinstance(fields, dict) and fields.get("format_version") != FORMAT_VERSION:
            raise ValueError(_other_format(folder, fields.get("format_version")))
        _check_seal(folder, content)
        manifest: Manifest = parse_json(Manifest, fields)
        check(manifest)
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


def _other_format(folder: Path, version: object) -> str:
    problem = f"format_version: {FORMAT_VERSION} expected, got {version!r}"
    if version != UPGRADED_VERSION:
        return problem
    return f"{problem}; bring the bundle to it with: python -m export.upgrade {shlex.quote(str(folder))}"


def _files(manifest: Manifest) -> list[str]:
    """The names of a bundle's files, without the manifest itself."""
    tokenizers = (manifest.source_tokenizer, manifest.target_tokenizer)
    names = [name for spec in tokenizers for name in (spec.sentencepiece, spec.pieces) if name]
    return [ENCODER, STEP, *dict.fromkeys(names)] + [FEATURES_STEP, OUTPUT_STEP, SHORTLIST] * manifest.has_shortlist


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Models of several languages, as importers declare them, whose translation says which language it was asked for: a
word of the language, and then the source's own pieces."""

import dataclasses
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from server.bundle.languages import SOURCE_TOKEN, TARGET_TOKEN, TEXT, Language
from server.bundle.manifest import (
    ENCODER,
    STEP,
    AlignmentSpec,
    Bundle,
    SpecialIds,
    StateSpec,
    TokenizerSpec,
    read_bundle,
    write_manifest,
)
from server.decoding.graphs.backend import Backend, BackendOptions
from server.decoding.graphs.state import Array, StateBuffers
from server.decoding.scores import StepScores
from server.messages.hypothesis import Attention
from server.text.sentencepieces import SentencePieceTokenizer
from tests.fakes import MANIFEST
from tests.small_models import MAX_OUTPUT_TOKENS, MAX_SOURCE_TOKENS

WORDS = {"en": "near", "fr": "cat", "de": "man"}
"""What a translation into each language begins with."""

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def write_nllb_bundle(repository: Path, spm: Path, **fields: Any) -> Bundle:
    """One vocabulary with language tokens behind it: the source's before a text, the target's before its translation.
    `fields`: of the manifest."""
    pieces = _pieces(spm, seed=1)
    codes = ["eng_Latn", "fra_Latn", "deu_Latn"]
    table = [*SPECIAL, *pieces, *codes, "<mask>"]
    first = len(SPECIAL) + len(pieces)
    languages = [Language(code=code, source_id=id_, target_id=id_) for id_, code in enumerate(codes, first)]
    never_written = (0, 1, 3, *range(first, len(table)))
    given: dict[str, Any] = {
        "name": "nllb",
        "languages": tuple(languages),
        "special_ids": SpecialIds(start=2, eos=2, pad=1, unknown=3, never_written=never_written),
        "source_template": (SOURCE_TOKEN, TEXT, 2),
        "forced_target": (TARGET_TOKEN,),
    }
    return _write(repository, spm, {"vocabulary.json": table}, given | fields)


def write_marian_bundle(repository: Path, spm: Path, **fields: Any) -> Bundle:
    """Two vocabularies; the source says what to translate into. `fields`: of the manifest."""
    source = ["</s>", "<unk>", ">>fra<<", ">>deu<<", *_pieces(spm, seed=2)]
    target = ["</s>", "<unk>", *_pieces(spm, seed=3), "<pad>"]
    start = len(target) - 1
    languages = (
        Language(code="en", is_target=False),
        Language(code="fra", target_id=2, is_source=False),
        Language(code="deu", target_id=3, is_source=False),
    )
    given: dict[str, Any] = {
        "name": "marian",
        "languages": languages,
        "special_ids": SpecialIds(start=start, eos=0, pad=0, unknown=1, never_written=(1, start)),
        "source_template": (TARGET_TOKEN, TEXT, 0),
    }
    return _write(repository, spm, {"source.json": source, "target.json": target}, given | fields)


def _pieces(spm: Path, seed: int) -> list[str]:
    pieces = [text for text in SentencePieceTokenizer(spm, 3).texts if text]
    random.Random(seed).shuffle(pieces)
    return pieces


def _write(repository: Path, spm: Path, tables: dict[str, list[str]], fields: dict[str, Any]) -> Bundle:
    folder = repository / fields["name"] / "1"
    folder.mkdir(parents=True)
    for name in (ENCODER, STEP):
        (folder / name).write_bytes(b"none")
    (folder / "source.spm").write_bytes(spm.read_bytes())
    for name, table in tables.items():
        (folder / name).write_text(json.dumps(table), encoding="utf-8")
    [source, *_], [*_, target] = tables, tables
    given: dict[str, Any] = {
        "source_vocabulary_size": len(tables[source]),
        "target_vocabulary_size": len(tables[target]),
        "source_tokenizer": TokenizerSpec(sentencepiece="source.spm", pieces=source),
        "target_tokenizer": TokenizerSpec(sentencepiece="source.spm", pieces=target),
        "max_source_tokens": MAX_SOURCE_TOKENS,
        "max_output_tokens": MAX_OUTPUT_TOKENS,
        "state": (
            StateSpec(name="source", kind="constant", shape=("source",), dtype="int64"),
            StateSpec(name="source_length", kind="constant", shape=(), dtype="int64"),
            StateSpec(name="history", kind="append", shape=("target",), dtype="int64"),
            StateSpec(name="keys", kind="constant", shape=(1, "source", 1), dtype="float32"),
        ),
        "alignment": AlignmentSpec(keys="keys", scale=1.0),
    }
    write_manifest(folder, dataclasses.replace(MANIFEST, **(given | fields)))
    return read_bundle(folder)


class SpeakingBackend(Backend):
    """Every token attends to the source's token that it copies; the first word to the language. The second best token
    is always the full stop, so that beams have hypotheses. Before the translation begins, the end is the best."""

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        manifest = self._manifest = bundle.manifest
        num_start = self._num_start = len(manifest.forced_target)
        sizes = options.max_rows, manifest.max_source_tokens, num_start + manifest.max_output_tokens
        self.state = StateBuffers(manifest.state, *sizes)
        self.previous_ids = np.zeros(options.max_rows, np.int64)
        self.positions = np.zeros(options.max_rows, np.int32)
        self.log_probs = np.zeros((options.max_rows, manifest.target_vocabulary_size), np.float32)
        self.source_names, self.target_names = (
            json.loads(bundle.path(spec.pieces or "").read_text(encoding="utf-8"))
            for spec in (manifest.source_tokenizer, manifest.target_tokenizer)
        )
        self.read: list[list[str]] = []
        """The names of every source's tokens."""
        self.starts: set[tuple[str, ...]] = set()
        """The names of what rows read before they wrote."""

    def encode(self, sources: Sequence[Sequence[int]]) -> dict[str, Array]:
        self.read += [[self.source_names[id_] for id_ in source] for source in sources]
        longest = max(map(len, sources))
        return {
            "source": np.array([[*source, *[0] * (longest - len(source))] for source in sources], np.int64),
            "source_length": np.array([len(source) for source in sources]),
            "keys": np.zeros((len(sources), 1, longest, 1), np.float32),
        }

    def warm_up(self, source: list[int]) -> None:
        """Nothing: what is read is the test's."""

    def step(self, num_rows: int) -> StepScores:
        eos, state = self._manifest.special_ids.eos, self.state.current
        self.log_probs[:num_rows] = -10.0
        for row in range(num_rows):
            position = int(self.positions[row])
            state["history"][row, position] = self.previous_ids[row]
            self.log_probs[row, self.target_names.index(".")] = -2.0
            if position < self._num_start:
                self.log_probs[row, eos] = -0.1
                continue
            output, at = self._output(row), position - self._num_start
            self.log_probs[row, output[at] if at < len(output) else eos] = -0.1
        self.state.flip()
        return StepScores(self.log_probs[:num_rows])

    def attention(self, rows: Sequence[int], num_source: int, *, by_head: bool = False) -> Attention:
        weights = np.full((len(rows), num_source), 0.01, np.float32)
        for number, row in enumerate(rows):
            at = int(self.positions[row]) - self._num_start
            weights[number, min(at, num_source - 1)] = 0.9
        weights /= weights.sum(axis=1, keepdims=True)
        return Attention(weights, weights[:, np.newaxis] if by_head else None)  # its keys have one head

    def _output(self, row: int) -> list[int]:
        state = self.state.current
        source = state["source"][row, : int(state["source_length"][row])].tolist()
        start = tuple(self.target_names[id_] for id_ in state["history"][row, : 1 + self._num_start].tolist())
        self.starts.add(start)
        language = start[-1] if self._num_start else self.source_names[source[0]]
        code = {"e": "en", "f": "fr", "d": "de"}[language.strip(">")[0]]
        names = [f"▁{WORDS[code]}", *(self.source_names[id_] for id_ in source[1:-1])]
        return [self.target_names.index(name) for name in names]

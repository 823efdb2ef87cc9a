"""A model that carries protected spans, or loses them, as a test says: a translation is a function of its source."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from models.seq2seq import BOS, EOS, PAD, UNKNOWN
from server.bundle.manifest import (
    ENCODER,
    STEP,
    TOKENIZER,
    AlignmentSpec,
    Bundle,
    SpecialIds,
    StateSpec,
    read_bundle,
    write_manifest,
)
from server.bundle.span_pieces import span_pieces
from server.decoding.graphs.backend import Backend, BackendOptions
from server.decoding.graphs.state import Array, StateBuffers
from server.decoding.scores import StepScores
from server.messages.hypothesis import Attention
from server.text.sentencepieces import SentencePieceTokenizer
from tests.fakes import MANIFEST
from tests.integration.served import DEFAULT_MODEL
from tests.small_models import MAX_OUTPUT_TOKENS, MAX_SOURCE_TOKENS, SPAN_PIECES, VOCABULARY_SIZE

Translate = Callable[[str], str]
"""From what a model reads to what it writes."""


class Script:
    """What a carrying model writes, which a test may change between two requests, and what it has read since."""

    def __init__(self) -> None:
        self.begin(lambda text: text)

    def begin(self, translate: Translate) -> None:
        self.translate = cache(translate)
        self.read: list[str] = []


def carried_badly(text: str) -> str:
    """The words of a text in a similar order, with span pieces lost, doubled and invented; always the same ones."""
    drawn = Random(text)
    items = re.findall(r"\s+|[^\s\ue000-\uf8ff]+|.", text)
    for _ in range(drawn.randrange(4)):
        at = drawn.randrange(len(items) + 1)
        change = drawn.randrange(3)
        if change == 0:
            items[at:at] = drawn.choice((" {}", "{} ", " {} ", "{}")).format(drawn.choice(SPAN_PIECES))
        elif change == 1:
            items[at : at + 4] = drawn.sample(items[at : at + 4], len(items[at : at + 4]))
        else:
            items = [item for item in items if item != drawn.choice(SPAN_PIECES)]
    return "".join(items)


def write_carrying_bundle(repository: Path, tokenizer: Path, *, has_alignment: bool = True, **fields: Any) -> Bundle:
    """A bundle for `CarryingBackend`, which reads no graph. `fields`: of the manifest."""
    folder = repository / DEFAULT_MODEL / "1"
    folder.mkdir(parents=True, exist_ok=True)
    for name in (ENCODER, STEP):
        (folder / name).write_bytes(b"none")
    (folder / TOKENIZER).write_bytes(tokenizer.read_bytes())
    manifest = dataclasses.replace(
        MANIFEST,
        name=DEFAULT_MODEL,
        source_vocabulary_size=VOCABULARY_SIZE,
        target_vocabulary_size=VOCABULARY_SIZE,
        special_ids=SpecialIds(start=BOS, eos=EOS, pad=PAD, unknown=UNKNOWN, never_written=(PAD, UNKNOWN, BOS)),
        max_source_tokens=MAX_SOURCE_TOKENS,
        max_output_tokens=MAX_OUTPUT_TOKENS,
        state=(
            StateSpec(name="source", kind="constant", shape=("source",), dtype="int64"),
            StateSpec(name="source_length", kind="constant", shape=(), dtype="int64"),
            StateSpec(name="keys", kind="constant", shape=(1, "source", 1), dtype="float32"),
        ),
        alignment=AlignmentSpec(keys="keys", scale=1.0) if has_alignment else None,
        span_pieces=span_pieces(SentencePieceTokenizer(tokenizer, EOS).names),
    )
    write_manifest(folder, dataclasses.replace(manifest, **fields))
    return read_bundle(folder)


class CarryingBackend(Backend):
    """Writes the translation of each source; every token attends to the first that is as it in the source, or else to
    the one at the same share of it. The second best token is always the full stop, so that beams have hypotheses."""

    def __init__(self, bundle: Bundle, options: BackendOptions, script: Script) -> None:
        manifest = bundle.manifest
        sizes = options.max_rows, manifest.max_source_tokens, manifest.max_output_tokens
        self.state = StateBuffers(manifest.state, *sizes)
        self.previous_ids = np.zeros(options.max_rows, np.int64)
        self.positions = np.zeros(options.max_rows, np.int32)
        self.log_probs = np.zeros((options.max_rows, manifest.target_vocabulary_size), np.float32)
        self._tokenizer = SentencePieceTokenizer(bundle.tokenizer, EOS)
        self._second = self._tokenizer.names.index(".")
        self._script = script

    def encode(self, sources: Sequence[Sequence[int]]) -> dict[str, Array]:
        self._script.read += [self._tokenizer.decode(list(source[:-1])) for source in sources]
        longest = max(map(len, sources))
        return {
            "source": np.array([[*source, *[PAD] * (longest - len(source))] for source in sources], np.int64),
            "source_length": np.array([len(source) for source in sources]),
            "keys": np.zeros((len(sources), 1, longest, 1), np.float32),
        }

    def warm_up(self, source: list[int]) -> None:
        """Nothing: what is read is the test's."""

    def step(self, num_rows: int) -> StepScores:
        self.log_probs[:num_rows] = -10.0
        for row in range(num_rows):
            output, position = self._output(row), int(self.positions[row])
            self.log_probs[row, self._second] = -2.0
            self.log_probs[row, output[position] if position < len(output) else EOS] = -0.1
        self.state.flip()
        return StepScores(self.log_probs[:num_rows])

    def attention(self, rows: Sequence[int], num_source: int, *, by_head: bool = False) -> Attention:
        weights = np.full((len(rows), num_source), 0.01, np.float32)
        for number, row in enumerate(rows):
            source, output, position = self._source(row), self._output(row), int(self.positions[row])
            id_ = output[position] if position < len(output) else EOS
            share = position * num_source // max(len(output), 1)
            weights[number, source.index(id_) if id_ in source else min(share, num_source - 1)] = 0.9
        weights /= weights.sum(axis=1, keepdims=True)
        return Attention(weights, weights[:, np.newaxis] if by_head else None)  # its keys have one head

    def _source(self, row: int) -> list[int]:
        state = self.state.current
        source: list[int] = state["source"][row, : int(state["source_length"][row])].tolist()
        return source

    def _output(self, row: int) -> list[int]:
        return self._tokenizer.encode(self._script.translate(self._tokenizer.decode(self._source(row)[:-1])))

"""ONNX Runtime: the encoder over a batch, and one step over the first rows of the buffers, in place."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from server.bundle.manifest import ALIGNMENT_QUERY, FEATURES, FEATURES_STEP, OUTPUT_STEP, Bundle, BundleError
from server.bundle.shortlist import Int64
from server.decoding.graphs.attention_operator import use_attention_operator
from server.decoding.graphs.listed_output import LIST_NUMBER, ListedOutput
from server.decoding.graphs.state import Array, Rows, StateBuffers
from server.decoding.scores import StepScores
from server.messages.hypothesis import Attention, Float32


@dataclass(frozen=True)
class BackendOptions:
    max_rows: int
    num_threads: int
    """Threads of each session; no two of them run at the same time."""


class Backend:
    """One model's sessions, of the encoder and of the step, whole and in two parts where it has a shortlist, and the
    buffers of its running batch.

    Before a step the engine fills `previous_ids[:n]` and `positions[:n]`; after it, `attention` says what the rows
    attended to.
    """

    _listed: ListedOutput | None = None
    """None for a model without a shortlist."""

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        """Raises BundleError for graphs that ONNX Runtime refuses, or that the manifest does not describe."""
        manifest = bundle.manifest
        self._encoder = _session(bundle.encoder, options)
        self._step = _session(bundle.step, options)
        self._encoder_outputs = [output.name for output in self._encoder.get_outputs()]
        self._has_lists = False
        specs = manifest.state
        if manifest.has_shortlist:
            self._listed = ListedOutput(bundle, _session(bundle.path(OUTPUT_STEP), options), options.max_rows)
            self._features_step = _session(bundle.path(FEATURES_STEP), options)
            specs += self._listed.state
        max_positions = len(manifest.forced_target) + manifest.max_output_tokens
        self.state = StateBuffers(specs, options.max_rows, manifest.max_source_tokens, max_positions)
        self.previous_ids = np.zeros(options.max_rows, np.int64)
        self.positions = np.zeros(options.max_rows, np.int32)
        self.log_probs = np.zeros((options.max_rows, manifest.target_vocabulary_size), np.float32)
        self._pad = manifest.special_ids.pad
        self._alignment = manifest.alignment
        if manifest.alignment:
            heads, _, size = self.state.current[manifest.alignment.keys].shape[1:]
            self._query = np.zeros((options.max_rows, 1, heads * size), np.float32)
        self._check(bundle)
        self._bindings: dict[tuple[ort.InferenceSession, int, int], ort.IOBinding] = {}

    def encode(self, sources: Sequence[Sequence[int]]) -> dict[str, Array]:
        """Run the encoder: sources, each ending with EOS -> state tensors by name, [batch, ...], padded to the longest
        source.

        A source's values do not depend on its padding, bit by bit.
        """
        source_lengths = np.array([len(source) for source in sources], np.int64)
        longest = int(source_lengths.max())
        source_ids = np.array([[*source, *[self._pad] * (longest - len(source))] for source in sources], np.int64)
        outputs = self._encoder.run(self._encoder_outputs, {"source_ids": source_ids, "source_lengths": source_lengths})
        return dict(zip(self._encoder_outputs, outputs, strict=True))

    def shortlist(self, source_ids: Sequence[int], further: Sequence[int]) -> Int64:
        """The list of tokens that a sentence may write, in ascending order. `further`: tokens that it has to write."""
        assert self._listed
        return self._listed.shortlist.of(source_ids, further)

    def give_list(self, rows: Rows, listed: Int64 | None, num_rows: int) -> None:
        """Let a sentence's rows, among the first `num_rows`, write the tokens of its list alone; None: all tokens."""
        if self._listed:
            number = self._listed.add(listed, self._list_numbers(num_rows)) if listed is not None else 0
            self.state.current[LIST_NUMBER][rows] = number
            self._has_lists |= number > 0

    def step(self, num_rows: int) -> StepScores:
        """Run the decoder: what each of the first `num_rows` rows may write next. The scores are good until the next
        step."""
        num_listed = self._num_listed(num_rows)
        # Where all rows have lists, nobody needs the whole vocabulary.
        session = self._features_step if num_listed == num_rows else self._step
        key = (session, num_rows, id(self.state.current))
        binding = self._bindings.get(key)
        if binding is None:
            binding = self._bindings[key] = self._bind(session, num_rows)
        session.run_with_iobinding(binding)
        self.state.flip()
        log_probs = self.log_probs[:num_rows]
        if not self._listed or not num_listed:
            return StepScores(log_probs)
        return self._listed.scores(self._list_numbers(num_rows), log_probs)

    def _list_numbers(self, num_rows: int) -> Int64:
        return self.state.current[LIST_NUMBER][:num_rows].astype(np.int64, copy=False)

    def _num_listed(self, num_rows: int) -> int:
        """How many rows have a list. Rows are looked through only after a sentence with a list has joined."""
        if not self._has_lists:
            return 0
        num_listed = int(np.count_nonzero(self._list_numbers(num_rows)))
        self._has_lists = num_listed > 0
        return num_listed

    def attention(self, rows: Sequence[int], num_source: int, *, by_head: bool = False) -> Attention:
        """Attention in the last step of rows of one sentence: the mean of the heads that count, float32 [rows, source],
        each row summing to 1, and, where it is asked for, every head by itself, whether it counts or not, float32
        [rows, heads, source]."""
        assert self._alignment
        counted = self._alignment.heads
        if not by_head:
            return Attention(_mean(self._weights(rows, num_source, counted)))
        weights = self._weights(rows, num_source, None)
        mean = _mean(weights if counted is None else weights[list(counted)])
        return Attention(mean, weights.astype(np.float32, copy=False).swapaxes(0, 1))

    def _weights(self, rows: Sequence[int], num_source: int, heads: tuple[int, ...] | None) -> Float32:
        """Of some heads, None for all: [heads, rows, source]."""
        assert self._alignment
        keys = self.state.current[self._alignment.keys][rows[0], :, :num_source]  # [heads, source, size]
        num_heads, _, size = keys.shape
        queries = self._query[rows].reshape(-1, num_heads, size).swapaxes(0, 1)
        if heads is not None:
            keys, queries = keys[list(heads)], queries[list(heads)]
        scores = queries @ keys.swapaxes(1, 2) * self._alignment.scale
        weights: Float32 = np.exp(scores - scores.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        return weights

    def warm_up(self, source: list[int]) -> None:
        """An encoder run and a step, with a shortlist as well where there is one, so that the first request does not
        pay for what ONNX Runtime does once."""
        self.state.write(0, self.encode([source]), 0, len(source))
        for listed in (self.shortlist(source, ()), None) if self._listed else (None,):
            self.give_list(0, listed, 1)
            self.step(1)

    def _bind(self, session: ort.InferenceSession, num_rows: int) -> ort.IOBinding:
        """Bind every input and output of a step to its buffer; done once for each number of rows and side of the
        flip."""
        binding = session.io_binding()
        inputs: dict[str, Array] = {"previous_ids": self.previous_ids, "positions": self.positions}
        inputs |= self.state.current
        outputs: dict[str, Array] = {"log_probs": self.log_probs}
        outputs |= {f"next_{name}": buffer for name, buffer in self.state.following.items()}
        if self._alignment:
            outputs[ALIGNMENT_QUERY] = self._query
        if self._listed:
            outputs[FEATURES] = self._listed.features
        for value in session.get_inputs():
            buffer = inputs[value.name]
            binding.bind_input(value.name, "cpu", 0, buffer.dtype, _shape(buffer, num_rows), buffer.ctypes.data)
        for value in session.get_outputs():
            buffer = outputs[value.name]
            binding.bind_output(value.name, "cpu", 0, buffer.dtype, _shape(buffer, num_rows), buffer.ctypes.data)
        return binding

    def _check(self, bundle: Bundle) -> None:
        """Check that the graphs' inputs and outputs have the names that the manifest promises."""
        state = {spec.name for spec in bundle.manifest.state}
        encodes_start = bundle.manifest.encodes_start
        fixed = {spec.name for spec in bundle.manifest.state if encodes_start or spec.kind != "append"}
        encoded = set(self._encoder_outputs)
        if encoded != fixed:
            raise BundleError(f"{bundle.encoder}: outputs {sorted(encoded)}, the manifest's state is {sorted(fixed)}")
        outputs = {value.name for value in self._step.get_outputs()}
        unknown = {value.name for value in self._step.get_inputs()} - state - {"previous_ids", "positions"}
        expected = {"log_probs"}
        expected |= {ALIGNMENT_QUERY} if self._alignment else set()
        expected |= {FEATURES} if self._listed else set()
        unknown |= outputs - {f"next_{n}" for n in state} - expected
        if unknown:
            raise BundleError(f"{bundle.step}: inputs or outputs that the manifest does not name: {sorted(unknown)}")
        changing = {f"next_{spec.name}" for spec in bundle.manifest.state if spec.kind != "constant"}
        missing = (changing | expected) - outputs
        if missing:
            raise BundleError(f"{bundle.step}: outputs are missing that the manifest promises: {sorted(missing)}")


def _session(path: Path, options: BackendOptions) -> ort.InferenceSession:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.num_threads
    settings.inter_op_num_threads = 1
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.log_severity_level = 3
    try:
        use_attention_operator(settings, path)
        return ort.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base of their own
        raise BundleError(f"{path}: {error}") from error


def _mean(weights: Float32) -> Float32:
    """Of heads: [heads, rows, source] -> [rows, source]."""
    mean: Float32 = weights.mean(axis=0, dtype=np.float32)
    return mean


def _shape(buffer: npt.NDArray[np.generic], num_rows: int) -> list[int]:
    return [num_rows, *buffer.shape[1:]]

"""The plainest decoding of a pair of graphs: one padded batch, greedy, every tensor fresh at every step.

Export measures with it (parity, calibration, BLEU); the server has its own engine.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from export.graphs import MIN_POSITIONS
from models.data.batches import pad_sources
from models.greedy import max_output
from models.seq2seq import OUR_IDS, PAD, OutputIds, StateTensor
from server.bundle.shortlist import Shortlist

Array = npt.NDArray[np.generic]

_DTYPES = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(int64)": np.int64}
"""Types of appended state, by ONNX Runtime's name for each."""


class GraphSession:
    """An encoder and a step graph, run together."""

    def __init__(self, encoder: Path, step: Path, state: Sequence[StateTensor], ids: OutputIds = OUR_IDS) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        self.encoder = ort.InferenceSession(encoder, options, providers=["CPUExecutionProvider"])
        self.stepper = ort.InferenceSession(step, options, providers=["CPUExecutionProvider"])
        self.state = state
        self.ids = ids
        self._inputs = {value.name: value.type for value in self.stepper.get_inputs()}

    def encode(self, sources: Sequence[Sequence[int]], max_target: int) -> dict[str, Array]:
        """The state of one padded batch, with buffers of `max_target` positions for appended tensors, empty but for
        what the encoder's graph has read."""
        source_ids, source_lengths = (tensor.numpy() for tensor in pad_sources(sources))
        if source_ids.shape[1] < MIN_POSITIONS:
            source_ids = np.pad(source_ids, ((0, 0), (0, MIN_POSITIONS - source_ids.shape[1])), constant_values=PAD)
        state = _run(self.encoder, {"source_ids": source_ids, "source_lengths": source_lengths})
        for tensor in self.state:
            if tensor.kind == "append":
                shape = [max_target if isinstance(dimension, str) else dimension for dimension in tensor.shape]
                buffer = np.zeros([len(sources), *shape], _DTYPES[self._inputs[tensor.name]])
                if tensor.name in state:
                    before = (slice(None),) * (1 + tensor.shape.index("target"))
                    buffer[(*before, slice(1))] = state[tensor.name]
                state[tensor.name] = buffer
        return state

    def step(self, previous_ids: Array, positions: Array, state: dict[str, Array]) -> dict[str, Array]:
        """All outputs of the step graph by name; `state` is brought to the next position."""
        feed = {"previous_ids": previous_ids, "positions": positions.astype(np.int32), **state}
        outputs = _run(self.stepper, {name: value for name, value in feed.items() if name in self._inputs})
        state.update({name.removeprefix("next_"): value for name, value in outputs.items() if name.startswith("next_")})
        return outputs

    def decode(self, sources: Sequence[Sequence[int]], shortlist: Shortlist | None = None) -> list[list[int]]:
        """Decode greedily: sources with their ends -> output ids without theirs, from each source's list alone if there
        is one."""
        ids = self.ids
        num_given = len(ids.start) - 1
        max_target = num_given + max(map(max_output, sources))
        state = self.encode(sources, max_target)
        outputs: list[list[int]] = [[] for _ in sources]
        running = set(range(len(sources)))
        if shortlist:
            listed = np.zeros((len(sources), len(shortlist.weights)), bool)
            for row, source in enumerate(sources):
                listed[row, shortlist.of(source)] = True
        for position in range(ids.first_position, max_target):
            if position <= num_given:
                previous_ids = np.full(len(sources), ids.start[position])
            log_probs = self.step(previous_ids, np.full(len(sources), position), state)["log_probs"]
            num_written = position - num_given
            if num_written < 0:
                continue
            log_probs[:, ids.not_written(num_written)] = -np.inf
            if shortlist:
                log_probs = np.where(listed, log_probs, -np.inf)
            previous_ids = log_probs.argmax(axis=1)
            running = {
                row for row in running if previous_ids[row] != ids.eos and num_written < max_output(sources[row])
            }
            if not running:
                break
            for row in running:
                outputs[row].append(int(previous_ids[row]))
        return outputs


def _run(session: ort.InferenceSession, feed: Mapping[str, Array]) -> dict[str, Array]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feed)), strict=True))

"""The state tensors of the running batch, in buffers that live as long as the engine.

Rows are the leading dimension and stay compact at the front, so that the first `n` rows of a buffer are the batch.
Memory is reserved for the limits, but the operating system provides only what is touched: real lengths are copied,
never capacities.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from server.bundle import StateSpec

Array = npt.NDArray[np.generic]


class StateBuffers:
    def __init__(self, specs: Sequence[StateSpec], max_rows: int, max_source: int, max_target: int) -> None:
        sizes = {"source": max_source, "target": max_target}
        self.specs = specs
        self.current: dict[str, Array] = {}
        """What the next step reads: name -> [max_rows, ...]."""
        self.following: dict[str, Array] = {}
        """Where the next step writes: a second buffer for a replaced tensor, the same one for all others."""
        for spec in specs:
            shape = [sizes[dimension] if isinstance(dimension, str) else dimension for dimension in spec.shape]
            buffer = np.zeros((max_rows, *shape), spec.dtype)
            self.current[spec.name] = buffer
            self.following[spec.name] = np.zeros(buffer.shape, spec.dtype) if spec.kind == "replace" else buffer

    def flip(self) -> None:
        """After a step: what was written is now current."""
        self.current, self.following = self.following, self.current

    def write(self, row: int, encoded: Mapping[str, Array], index: int, num_source: int) -> None:
        """A sentence joins: sentence `index` of an encoder batch, `num_source` tokens long, becomes row `row`."""
        for spec in self.specs:
            if spec.kind != "append":
                buffer = self.current[spec.name]
                buffer[_real(row, spec, num_source, 0)] = encoded[spec.name][_real(index, spec, num_source, 0)]

    def copy(self, sources: Sequence[int], targets: Sequence[int], num_target: int) -> None:
        """What has been written in rows `sources`, at most `num_target` tokens, goes on in rows `targets` as well.

        Of one sentence each: the constant tensors of a target row are there already. No row is both.
        """
        for spec in self.specs:
            if spec.kind != "constant":
                buffer = self.current[spec.name]
                buffer[_real(targets, spec, 0, num_target)] = buffer[_real(sources, spec, 0, num_target)]

    def share_source(self, source_row: int, target_row: int, num_source: int) -> None:
        """Row `target_row`, which is new, belongs to the sentence of row `source_row`."""
        for spec in self.specs:
            if spec.kind == "constant":
                buffer = self.current[spec.name]
                buffer[_real(target_row, spec, num_source, 0)] = buffer[_real(source_row, spec, num_source, 0)]

    def move(self, source_row: int, target_row: int, num_source: int, num_target: int) -> None:
        """Row `source_row` takes the place of row `target_row`, which has left."""
        for spec in self.specs:
            buffer = self.current[spec.name]
            source = _real(source_row, spec, num_source, num_target)
            buffer[_real(target_row, spec, num_source, num_target)] = buffer[source]


def _real(rows: int | Sequence[int], spec: StateSpec, num_source: int, num_target: int) -> Any:
    """Index of the part of one row, or of several, that holds something."""
    lengths = {"source": num_source, "target": num_target}
    return rows, *(slice(lengths[dimension] if isinstance(dimension, str) else None) for dimension in spec.shape)

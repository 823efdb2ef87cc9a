"""The state tensors of the running batch, in buffers that live as long as the engine.

Rows are the leading dimension and stay compact at the front, so that the first `n` rows of a buffer are the batch.
Memory is reserved for the limits, but the operating system provides only what is touched: real lengths are copied,
never capacities.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from server.bundle import StateSpec

Array = npt.NDArray[np.generic]
Rows = int | slice | Sequence[int] | npt.NDArray[np.int64]


class _Extent(NamedTuple):
    """Along which dimension a tensor is as long as its source or its target is."""

    before: tuple[slice, ...]
    """Indices of the dimensions between the rows and that one."""
    dimension: str | None
    """None: it is always full."""

    def real(self, rows: Rows, num_source: int, num_target: int) -> Any:
        """Index of the part of one row, or of several, that holds something."""
        if self.dimension is None:
            return rows
        return rows, *self.before, slice(num_source if self.dimension == "source" else num_target)


class StateBuffers:
    def __init__(self, specs: Sequence[StateSpec], max_rows: int, max_source: int, max_target: int) -> None:
        sizes = {"source": max_source, "target": max_target}
        self.current: dict[str, Array] = {}
        """What the next step reads: name -> [max_rows, ...]."""
        self.following: dict[str, Array] = {}
        """Where the next step writes: a second buffer for a replaced tensor, the same one for all others."""
        self._extents: dict[str, _Extent] = {}
        for spec in specs:
            shape = [sizes[dimension] if isinstance(dimension, str) else dimension for dimension in spec.shape]
            buffer = np.zeros((max_rows, *shape), spec.dtype)
            self.current[spec.name] = buffer
            self.following[spec.name] = np.zeros(buffer.shape, spec.dtype) if spec.kind == "replace" else buffer
            self._extents[spec.name] = _extent(spec)
        self._constant = [spec.name for spec in specs if spec.kind == "constant"]
        self._growing = [spec.name for spec in specs if spec.kind != "constant"]

    def flip(self) -> None:
        """After a step: what was written is now current."""
        self.current, self.following = self.following, self.current

    def write(self, rows: Rows, encoded: Mapping[str, Array], index: int, num_source: int) -> None:
        """A sentence joins: sentence `index` of an encoder batch, `num_source` tokens long, becomes row `rows`, or each
        of them."""
        for name, tensor in encoded.items():
            real = self._extents[name].real
            self.current[name][real(rows, num_source, 0)] = tensor[real(index, num_source, 0)]

    def copy(self, sources: Rows, targets: Rows, num_target: int) -> None:
        """What has been written in rows `sources`, at most `num_target` tokens, goes on in rows `targets` as well.

        Of one sentence each: the constant tensors of a target row are there already. No row is both.
        """
        for name in self._growing:
            buffer, real = self.current[name], self._extents[name].real
            buffer[real(targets, 0, num_target)] = buffer[real(sources, 0, num_target)]

    def share_source(self, source_row: int, target_rows: Rows, num_source: int) -> None:
        """Rows `target_rows`, which are new, belong to the sentence of row `source_row`."""
        for name in self._constant:
            buffer, real = self.current[name], self._extents[name].real
            buffer[real(target_rows, num_source, 0)] = buffer[real(source_row, num_source, 0)]

    def move(self, source_row: int, target_row: int, num_source: int, num_target: int) -> None:
        """Row `source_row` takes the place of row `target_row`, which has left."""
        for name, buffer in self.current.items():
            real = self._extents[name].real
            buffer[real(target_row, num_source, num_target)] = buffer[real(source_row, num_source, num_target)]


def _extent(spec: StateSpec) -> _Extent:
    for axis, dimension in enumerate(spec.shape):
        if isinstance(dimension, str):
            return _Extent((slice(None),) * axis, dimension)
    return _Extent((), None)

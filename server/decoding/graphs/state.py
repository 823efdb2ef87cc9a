"""The state tensors of the running batch, in buffers that live as long as the engine.

Rows are the leading dimension and stay compact at the front, so that the first `n` rows of a buffer are the batch.
Memory is reserved for the limits, but the operating system provides only what is touched: real lengths are copied,
never capacities.
"""

import math
import mmap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from server.bundle.manifest import StateSpec

Array = npt.NDArray[np.generic]
Rows = int | slice | Sequence[int] | npt.NDArray[np.int64]


_LARGE_ROW = 512 * 1024
"""Bytes of a row's room in one tensor. NLLB's smallest model has twice as many in each of 48; OPUS-MT's have a quarter,
and huge pages spare the processor look-ups there."""


class _Extent(NamedTuple):
    """How much of a row of a tensor holds something: one dimension is filled as far as the row's source, or what it has
    written, is long."""

    num_before: int
    """Number of dimensions between the rows and `dimension`."""
    dimension: str | None
    """Name of the dimension that is filled in part; None for a tensor that is always full."""

    def real(self, rows: Rows, num_source: int, num_target: int) -> Any:
        """Index of the part of one row, or of several rows, that holds something."""
        if self.dimension is None:
            return rows
        return rows, *[slice(None)] * self.num_before, slice(num_source if self.dimension == "source" else num_target)


_ByExtent = Sequence[tuple[_Extent, Sequence[str]]]
"""Names of tensors, grouped by the index that they need."""


class StateBuffers:
    """The state tensors of all rows, by name."""

    def __init__(self, specs: Sequence[StateSpec], max_rows: int, max_source: int, max_target: int) -> None:
        sizes = {"source": max_source, "target": max_target}
        self.current: dict[str, Array] = {}
        """What the next step reads: name -> [max_rows, ...]."""
        self.following: dict[str, Array] = {}
        """Where the next step writes: a second buffer for a replaced tensor, the same one for all others."""
        for spec in specs:
            shape = [sizes[dimension] if isinstance(dimension, str) else dimension for dimension in spec.shape]
            buffer = _reserved((max_rows, *shape), np.dtype(spec.dtype))
            self.current[spec.name] = buffer
            self.following[spec.name] = np.zeros(buffer.shape, spec.dtype) if spec.kind == "replace" else buffer
        self._all = _group_by_extent(specs)
        self._constant = _group_by_extent([spec for spec in specs if spec.kind == "constant"])
        self._growing = _group_by_extent([spec for spec in specs if spec.kind != "constant"])

    def flip(self) -> None:
        """Make what a step has written the current state."""
        self.current, self.following = self.following, self.current

    def write(self, rows: Rows, encoded: Mapping[str, Array], index: int, num_source: int) -> None:
        """Write a joining sentence, sentence `index` of an encoder batch and `num_source` tokens long, into row `rows`,
        or into each of them. Of appended state there is the first position at most. Tensors that the batch lacks are
        not written, as nobody will read them."""
        self._copy(self._all, encoded, index, rows, num_source, 1)

    def copy(self, sources: Rows, targets: Rows, num_target: int) -> None:
        """Copy rows `sources`, which have written at most `num_target` tokens, to rows `targets`.

        A source and its target are rows of one sentence: constant tensors are there already. No row is both.
        """
        self._copy(self._growing, self.current, sources, targets, num_target=num_target)

    def share_source(self, source_row: int, target_rows: Rows, num_source: int) -> None:
        """Give the constant tensors of row `source_row` to `target_rows`, new rows of the same sentence."""
        self._copy(self._constant, self.current, source_row, target_rows, num_source)

    def move(self, source_row: int, target_row: int, num_source: int, num_target: int) -> None:
        """Move row `source_row` to the place of row `target_row`, which has left."""
        self._copy(self._all, self.current, source_row, target_row, num_source, num_target)

    def _copy(
        self,
        names: _ByExtent,
        tensors: Mapping[str, Array],
        sources: Rows,
        targets: Rows,
        num_source: int = 0,
        num_target: int = 0,
    ) -> None:
        """Copy the parts of rows `sources` that hold something to rows `targets`, in the tensors of these names."""
        for extent, alike in names:
            source, target = extent.real(sources, num_source, num_target), extent.real(targets, num_source, num_target)
            for name in alike:
                if name in tensors:
                    self.current[name][target] = tensors[name][source]


def _reserved(shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """Zeros, of which the operating system provides what is touched.

    Where a row has room for much more than sentences mostly fill, in small pages: a huge one, of two megabytes, that is
    touched anywhere is there as a whole, and with it the room of rows and heads beside it.
    """
    size = math.prod(shape) * dtype.itemsize
    if size // max(shape[0], 1) < _LARGE_ROW:
        return np.zeros(shape, dtype)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):  # of Linux
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype).reshape(shape)


def _group_by_extent(specs: Sequence[StateSpec]) -> _ByExtent:
    names: dict[_Extent, list[str]] = {}
    for spec in specs:
        names.setdefault(_extent(spec), []).append(spec.name)
    return list(names.items())


def _extent(spec: StateSpec) -> _Extent:
    for axis, dimension in enumerate(spec.shape):
        if isinstance(dimension, str):
            return _Extent(axis, dimension)
    return _Extent(0, None)

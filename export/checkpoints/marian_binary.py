"""Marian's binary models (`marian-conv`): what Firefox ships, `model.*.intgemm.alphas.bin`.

All integers are little-endian. The file is: u64 version, u64 number of items; of every item the length of its name with
the NUL, its type, its number of dimensions and its bytes of data, each u64; all names; all dimensions, i32; u64 number
of bytes to skip, and as many; all data.

intgemm8 has two type codes, of browsermt's fork of Marian (Firefox) and of marian-dev. The data are int8, row by row,
of the transposed matrix, whose dimensions are given untransposed; an embedding is not transposed. Behind them is a
float32 q, and the weights are the integers divided by q.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from export.checkpoints.imported import ImportProblem

FLOAT32, FLOAT16, INT8 = 0x404, 0x402, 0x101
INTGEMM8_BROWSERMT, INTGEMM8_MARIAN = 0x4101, 0x10001
_DTYPES: dict[int, np.dtype[Any]] = {FLOAT32: np.dtype("<f4"), FLOAT16: np.dtype("<f2"), INT8: np.dtype("i1")}

VERSION = 1

_MAX_ITEMS = 1 << 16
_MAX_NAME = 4096
_MAX_DIMENSIONS = 16

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class _Item:
    name_length: int
    type: int
    num_dimensions: int
    data_length: int


class _Damaged(Exception):
    pass


def read_binary(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Every item by its name, weights as float32; raises ImportProblem for what is no such file, whatever it holds."""
    try:
        return _read(memoryview(path.read_bytes()))
    except _Damaged as damage:
        raise ImportProblem(f"{path.name}: {damage}") from None


def _read(file: memoryview) -> dict[str, npt.NDArray[np.generic]]:
    cursor = _Cursor(file)
    version, num_items = cursor.integers("Q", 2)
    if version != VERSION:
        raise _Damaged(f"a binary model of version {VERSION} expected, got {version}")
    if num_items > _MAX_ITEMS:
        raise _Damaged(f"at most {_MAX_ITEMS} items expected, got {num_items}")
    items = [_Item(*cursor.integers("Q", 4)) for _ in range(num_items)]
    names = [_name(cursor, item) for item in items]
    shapes = [_shape(cursor, item) for item in items]
    (skipped,) = cursor.integers("Q", 1)
    cursor.bytes(skipped)
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for item, name, shape in zip(items, names, shapes, strict=True):
        if name in arrays:
            raise _Damaged(f"{name} is there twice")
        arrays[name] = _array(name, item.type, shape, cursor.bytes(item.data_length))
    return arrays


class _Cursor:
    def __init__(self, file: memoryview) -> None:
        self._file = file
        self._position = 0

    def bytes(self, length: int) -> memoryview:
        if length > len(self._file) - self._position:
            raise _Damaged(f"the file ends early: {length} bytes expected at {self._position} of {len(self._file)}")
        self._position += length
        return self._file[self._position - length : self._position]

    def integers(self, kind: str, number: int) -> tuple[int, ...]:
        layout = struct.Struct(f"<{number}{kind}")
        return layout.unpack(self.bytes(layout.size))


def _name(cursor: _Cursor, item: _Item) -> str:
    if not 2 <= item.name_length <= _MAX_NAME:
        raise _Damaged(f"an item's name of 2 to {_MAX_NAME} bytes expected, got {item.name_length}")
    name = bytes(cursor.bytes(item.name_length))
    if name.find(b"\0") != item.name_length - 1 or not name[:-1].isascii():
        raise _Damaged(f"an item's name in ASCII that ends with NUL expected, got {name[:80]!r}")
    return name[:-1].decode()


def _shape(cursor: _Cursor, item: _Item) -> tuple[int, ...]:
    if item.num_dimensions > _MAX_DIMENSIONS:
        raise _Damaged(f"an item of at most {_MAX_DIMENSIONS} dimensions expected, got {item.num_dimensions}")
    shape = cursor.integers("i", item.num_dimensions)
    if any(size < 1 for size in shape):
        raise _Damaged(f"an item's sizes of at least 1 expected, got {shape}")
    return shape


def _array(name: str, code: int, shape: tuple[int, ...], data: memoryview) -> npt.NDArray[np.generic]:
    size = math.prod(shape)
    if code in (INTGEMM8_BROWSERMT, INTGEMM8_MARIAN):
        _check_length(name, data, size + 4)
        return _dequantise(name, shape, np.frombuffer(data, np.int8, size), *struct.unpack_from("<f", data, size))
    dtype = _DTYPES.get(code)
    if dtype is None:
        known = ", ".join(f"{known:#x}" for known in (*_DTYPES, INTGEMM8_BROWSERMT, INTGEMM8_MARIAN))
        raise _Damaged(f"{name}: type: one of {known} expected, got {code:#x}")
    _check_length(name, data, size * dtype.itemsize)
    array = np.frombuffer(data, dtype, size).reshape(shape)
    return array if code == INT8 else array.astype(np.float32)


def _check_length(name: str, data: memoryview, length: int) -> None:
    if len(data) < length:
        raise _Damaged(f"{name}: at least {length} bytes of data expected, got {len(data)}")


def _dequantise(
    name: str, shape: tuple[int, ...], integers: npt.NDArray[np.int8], quotient: float
) -> npt.NDArray[np.float32]:
    if not (math.isfinite(quotient) and quotient > 0):
        raise _Damaged(f"{name}: a positive divisor of its integers expected, got {quotient}")
    is_transposed = len(shape) == 2 and "Wemb" not in name
    matrix = integers.reshape(shape[::-1]).T if is_transposed else integers.reshape(shape)
    return np.ascontiguousarray(matrix, np.float32) / np.float32(quotient)

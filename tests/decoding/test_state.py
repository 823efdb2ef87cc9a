"""The buffers against a model of them: a dictionary from sentence to what its row has to hold."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.bundle.manifest import StateSpec
from server.decoding.graphs.state import Array, StateBuffers

MAX_ROWS, MAX_SOURCE, MAX_TARGET = 4, 6, 5

SPECS = (
    StateSpec(name="memory", kind="constant", shape=("source", 3), dtype="float32"),
    StateSpec(name="length", kind="constant", shape=(), dtype="int64"),
    StateSpec(name="hidden", kind="replace", shape=(2,), dtype="float32"),
    StateSpec(name="cache", kind="append", shape=(2, "target", 3), dtype="float32"),
)


class StateMachine(RuleBasedStateMachine):
    """Sentences join, step and leave as in the engine; `expected` knows nothing of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.buffers = StateBuffers(SPECS, MAX_ROWS, MAX_SOURCE, MAX_TARGET)
        self.expected: dict[int, dict[str, Any]] = {}
        self.rows: list[int] = []
        self.num_joined = 0

    @precondition(lambda self: len(self.rows) < MAX_ROWS)
    @rule(data=st.data())
    def join(self, data: st.DataObject) -> None:
        """One to all that fit, of one source length, as one encoder batch."""
        size = data.draw(st.integers(1, MAX_ROWS - len(self.rows)))
        num_source = data.draw(st.integers(1, MAX_SOURCE))
        generator = np.random.default_rng(self.num_joined)
        encoded: dict[str, Array] = {
            "memory": generator.normal(size=(size, num_source, 3)).astype(np.float32),
            "length": np.full(size, num_source),
            "hidden": generator.normal(size=(size, 2)).astype(np.float32),
        }
        for index in range(size):
            self.buffers.write(len(self.rows), encoded, index, num_source)
            self.rows.append(self.num_joined)
            self.expected[self.num_joined] = {name: tensor[index].copy() for name, tensor in encoded.items()}
            self.expected[self.num_joined]["cache"] = []
            self.num_joined += 1

    @precondition(lambda self: self.rows)
    @rule(seed=st.integers(0, 1000))
    def step(self, seed: int) -> None:
        """What `step.onnx` does: read all, write replaced tensors beside, append in place."""
        generator = np.random.default_rng(seed)
        for row, sentence in enumerate(self.rows):
            expected = self.expected[sentence]
            position = len(expected["cache"])
            entry = generator.normal(size=(2, 3)).astype(np.float32)
            self.buffers.following["hidden"][row] = self.buffers.current["hidden"][row] * 0.5 + sentence
            self.buffers.following["cache"][row, :, position] = entry
            expected["hidden"] = expected["hidden"] * np.float32(0.5) + np.float32(sentence)
            expected["cache"].append(entry)
        self.buffers.flip()
        for row in reversed(range(len(self.rows))):
            if len(self.expected[self.rows[row]]["cache"]) == MAX_TARGET:
                self.leave(row)

    @precondition(lambda self: 0 < len(self.rows) < MAX_ROWS)
    @rule(data=st.data())
    def branch(self, data: st.DataObject) -> None:
        """One hypothesis becomes two."""
        row = data.draw(st.integers(0, len(self.rows) - 1))
        source = self.expected[self.rows[row]]
        new_row = len(self.rows)
        self.buffers.share_source(row, new_row, int(source["length"]))
        self.buffers.copy([row], [new_row], len(source["cache"]))
        self.rows.append(self.num_joined)
        self.expected[self.num_joined] = source | {"cache": list(source["cache"])}
        self.num_joined += 1

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def any_leaves(self, data: st.DataObject) -> None:
        self.leave(data.draw(st.integers(0, len(self.rows) - 1)))

    def leave(self, row: int) -> None:
        del self.expected[self.rows[row]]
        last = self.rows.pop()
        if row < len(self.rows):
            expected = self.expected[last]
            self.buffers.move(len(self.rows), row, int(expected["length"]), len(expected["cache"]))
            self.rows[row] = last

    @invariant()
    def every_row_holds_what_its_sentence_wrote(self) -> None:
        for row, sentence in enumerate(self.rows):
            expected, current = self.expected[sentence], self.buffers.current
            num_source = int(expected["length"])
            assert current["length"][row] == num_source
            np.testing.assert_array_equal(current["memory"][row, :num_source], expected["memory"])
            np.testing.assert_array_equal(current["hidden"][row], expected["hidden"])
            for position, entry in enumerate(expected["cache"]):
                np.testing.assert_array_equal(current["cache"][row, :, position], entry)


TestStateBuffers = StateMachine.TestCase


def test_buffers_have_the_declared_shapes_and_types() -> None:
    buffers = StateBuffers(SPECS, MAX_ROWS, MAX_SOURCE, MAX_TARGET)
    shapes = {name: (buffer.shape, str(buffer.dtype)) for name, buffer in buffers.current.items()}
    assert shapes == {
        "memory": ((4, 6, 3), "float32"),
        "length": ((4,), "int64"),
        "hidden": ((4, 2), "float32"),
        "cache": ((4, 2, 5, 3), "float32"),
    }


def test_only_replaced_tensors_have_a_second_buffer() -> None:
    buffers = StateBuffers(SPECS, MAX_ROWS, MAX_SOURCE, MAX_TARGET)
    shared = {name for name in buffers.current if buffers.current[name] is buffers.following[name]}
    assert shared == {"memory", "length", "cache"}


def test_a_flip_makes_what_was_written_current_and_a_second_one_takes_it_back() -> None:
    buffers = StateBuffers(SPECS, MAX_ROWS, MAX_SOURCE, MAX_TARGET)
    buffers.following["hidden"][1] = 7.0
    buffers.flip()
    assert buffers.current["hidden"][1].tolist() == [7.0, 7.0]
    buffers.flip()
    assert buffers.current["hidden"][1].tolist() == [0.0, 0.0]


def test_a_shorter_sentence_leaves_what_lies_beyond_its_length_untouched() -> None:
    """Only real lengths are copied: the capacity of a buffer costs nothing."""
    buffers = StateBuffers(SPECS, MAX_ROWS, MAX_SOURCE, MAX_TARGET)
    buffers.current["memory"][0] = 9.0
    encoded: dict[str, Array] = {
        "memory": np.ones((1, 2, 3), np.float32),
        "length": np.array([2]),
        "hidden": np.zeros((1, 2), np.float32),
    }
    buffers.write(0, encoded, 0, num_source=2)
    assert buffers.current["memory"][0, :, 0].tolist() == [1.0, 1.0, 9.0, 9.0, 9.0, 9.0]


@pytest.mark.parametrize("rows", [slice(1, 3), [1, 2], [3, 1]])
def test_a_sentence_may_join_in_several_rows(rows: slice | list[int]) -> None:
    buffers = StateBuffers(SPECS, MAX_ROWS, MAX_SOURCE, MAX_TARGET)
    encoded: dict[str, Array] = {
        "memory": np.arange(24, dtype=np.float32).reshape(2, 4, 3),
        "length": np.array([4, 4]),
        "hidden": np.array([[1, 2], [3, 4]], np.float32),
    }
    buffers.write(rows, encoded, 1, 4)
    for row in range(MAX_ROWS)[rows] if isinstance(rows, slice) else rows:
        assert np.array_equal(buffers.current["memory"][row, :4], encoded["memory"][1])
        assert buffers.current["length"][row] == 4
        assert buffers.current["hidden"][row].tolist() == [3, 4]
    assert not buffers.current["length"][0], "no other row is written"


def test_room_that_nothing_fills_takes_no_memory() -> None:
    """Of 64 rows with room for 1,024 positions of 16 heads, the first ten positions are filled."""
    spec = StateSpec(name="cache", kind="append", shape=(16, "target", 64), dtype="int8")
    before = resident_bytes()
    buffers = StateBuffers([spec], max_rows=64, max_source=1, max_target=1024)
    buffers.current["cache"][:, :, :10] = 1
    assert buffers.current["cache"].nbytes == 64 * 2**20
    assert resident_bytes() - before < 16 * 2**20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

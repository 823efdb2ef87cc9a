"""The output layer over vocabulary shortlists: log-probabilities of rows that may write some tokens only."""

import itertools

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from server.bundle.manifest import FEATURES, SHORTLIST, Bundle, BundleError, StateSpec
from server.bundle.shortlist import Int64, list_width, read_shortlist
from server.decoding.graphs.output_columns import OutputColumns
from server.decoding.graphs.state import Array
from server.decoding.scores import ListedRows, StepScores

LIST_NUMBER = "list_number"

Float32 = npt.NDArray[np.float32]


class ListedOutput:
    """The output layer for rows that have lists. The number of a row's list, 0 for none, is constant state, beside the
    model's own; the rows of one sentence have the same."""

    def __init__(self, bundle: Bundle, session: ort.InferenceSession, max_rows: int) -> None:
        """`session`: of `output.onnx`. Raises BundleError for a shortlist that cannot be read."""
        try:
            shortlist = read_shortlist(bundle.path(SHORTLIST))
        except (OSError, ValueError, KeyError) as error:
            raise BundleError(f"{bundle.path(SHORTLIST)}: {error}") from error
        manifest = bundle.manifest
        vocabulary_size, num_features = shortlist.weights.shape
        if vocabulary_size != manifest.target_vocabulary_size:
            raise BundleError(f"{bundle.path(SHORTLIST)}: of {vocabulary_size} tokens, not of the model's vocabulary")
        if len(shortlist.candidates) != manifest.source_vocabulary_size:
            number = len(shortlist.candidates)
            raise BundleError(
                f"{bundle.path(SHORTLIST)}: for {number} source tokens, not those of the model's vocabulary"
            )
        if manifest.special_ids.eos not in shortlist.frequent:
            raise BundleError(f"{bundle.path(SHORTLIST)}: the end of the sentence is not on every list")
        self.shortlist = shortlist.without(manifest.special_ids.never_written)
        self._session = session
        self._eos = manifest.special_ids.eos
        self._gathered = OutputColumns(self.shortlist)
        biases = self.shortlist.biases
        self._biases = np.zeros(vocabulary_size, np.float32) if biases is None else biases
        self.features = np.zeros((max_rows, num_features), np.uint8)
        """What the output layer reads of the last step, by row."""
        self.state = (StateSpec(name=LIST_NUMBER, kind="constant", shape=(), dtype="int64"),)
        self._lists: dict[int, Int64] = {}
        """The lists of running rows by number, and, until there are too many, of others."""
        self._numbers = itertools.count(1)
        self._rows = _RowArrays(max_rows, 0)

    def add(self, listed: Int64, running: Int64) -> int:
        """Take in the list of a sentence that joins, and give it a number. `running`: the numbers of all rows' lists,
        which are kept."""
        kept = [number for number in set(running.tolist()) if number in self._lists]
        if len(self._lists) > 2 * len(self.features):
            self._lists = {number: self._lists[number] for number in kept}
        if self._gathered.add(listed, (self._lists[number] for number in kept)):
            self._rows = _RowArrays(len(self.features), self._rows.width)
        number = next(self._numbers)
        self._lists[number] = listed
        return number

    def scores(self, numbers: Int64, log_probs: Float32) -> StepScores:
        """The log-probabilities of rows, normalised over the list of each row, and minus infinity behind its end.

        numbers: [rows], those of their lists; log_probs: [rows, vocabulary], what rows without a list have, and, if
        there is such a row, where all are written.
        """
        num_rows = len(numbers)
        is_listed = numbers > 0
        self._update(numbers)
        arrays = self._rows
        listed = ListedRows(is_listed, arrays.ids[:num_rows], arrays.eos_columns[:num_rows])
        if is_listed.all():
            self._session.run_with_iobinding(self._binding(num_rows))
            return StepScores(arrays.log_probs[:num_rows], listed)
        rows, num_missing = np.flatnonzero(is_listed), arrays.width - log_probs.shape[1]
        if num_missing > 0:  # a vocabulary that is smaller than a list's columns
            log_probs = np.pad(log_probs, ((0, 0), (0, num_missing)), constant_values=-np.inf)
        log_probs[rows] = -np.inf
        inputs = {name: array[rows] for name, array in self._by_row().items()} | self._gathered.inputs
        log_probs[rows, : arrays.width] = self._session.run(["log_probs"], inputs)[0]
        return StepScores(log_probs, listed)

    def _by_row(self) -> dict[str, Array]:
        """The inputs of the graph that are by row."""
        return {FEATURES: self.features, "indices": self._rows.gathered, "bias": self._rows.biases}

    def _binding(self, num_rows: int) -> ort.IOBinding:
        """Inputs and outputs of the first rows, bound to their arrays."""
        bindings, arrays = self._rows.bindings, self._rows
        if num_rows not in bindings:
            binding = bindings[num_rows] = self._session.io_binding()
            by_row = {name: array[:num_rows] for name, array in self._by_row().items()}
            for name, array in (by_row | self._gathered.inputs).items():
                binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
            shape = (num_rows, arrays.width)
            binding.bind_output("log_probs", "cpu", 0, np.float32, shape, arrays.log_probs.ctypes.data)
        return bindings[num_rows]

    def _update(self, numbers: Int64) -> None:
        """Give rows whose list is another than in the last step what that list stands for."""
        if np.array_equal(self._rows.numbers[: len(numbers)], numbers):
            return
        self._fit(list_width(max(len(self._lists[number]) for number in set(numbers.tolist()) if number)))
        rows = self._rows
        for row in np.flatnonzero(rows.numbers[: len(numbers)] != numbers).tolist():
            rows.numbers[row] = numbers[row]
            if not numbers[row]:
                continue
            listed = self._lists[int(numbers[row])]
            end = len(listed)
            rows.ids[row, :end] = listed
            rows.gathered[row, :end] = self._gathered.of(listed)
            rows.gathered[row, end:] = 0
            rows.biases[row, :end] = self._biases[listed]
            rows.biases[row, end:] = -np.inf
            rows.eos_columns[row] = listed.searchsorted(self._eos)

    def _fit(self, widest: int) -> None:
        """Have arrays that are wide enough for lists of so many columns, and not far too wide."""
        if not widest <= self._rows.width <= 2 * widest:
            self._rows = _RowArrays(len(self.features), widest)


class _RowArrays:
    """What each row's columns stand for."""

    def __init__(self, max_rows: int, width: int) -> None:
        self.width = width
        self.numbers = np.full(max_rows, -1)
        """[max_rows]: the list that the other arrays have in that row; -1 for none yet."""
        self.ids = np.zeros((max_rows, width), np.int64)
        self.gathered = np.zeros((max_rows, width), np.int64)
        """[max_rows, width]: where each stands among the gathered columns of the output layer."""
        self.biases = np.zeros((max_rows, width), np.float32)
        self.eos_columns = np.zeros(max_rows, np.int64)
        self.log_probs = np.zeros((max_rows, width), np.float32)
        """Where the graph writes."""
        self.bindings: dict[int, ort.IOBinding] = {}
        """The graph's inputs and outputs, by number of rows."""

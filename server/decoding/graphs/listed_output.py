"""The output layer over vocabulary shortlists: log-probabilities of rows that may write some tokens only."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from server.bundle.manifest import FEATURES, SHORTLIST, Bundle, BundleError, StateSpec
from server.bundle.shortlist import Int64, padded, read_shortlist
from server.decoding.graphs.output_columns import OutputColumns
from server.decoding.graphs.state import Array

LISTED_IDS, LIST_WIDTH = "listed_ids", "list_width"

Float32 = npt.NDArray[np.float32]


class ListedOutput:
    """The output layer for rows that have lists. A row's list is constant state, beside the model's own: its ids,
    padded with an id that is never written, and the padded width, which is 0 for a row without a list."""

    def __init__(self, bundle: Bundle, session: ort.InferenceSession, max_rows: int) -> None:
        """`session`: of `output.onnx`. Raises BundleError for a shortlist that cannot be read."""
        try:
            self.shortlist = read_shortlist(bundle.path(SHORTLIST))
        except (OSError, ValueError, KeyError) as error:
            raise BundleError(f"{bundle.path(SHORTLIST)}: {error}") from error
        self._session = session
        self._pad = bundle.manifest.special_ids.never_written[0]
        vocabulary_size, num_features = self.shortlist.weights.shape
        if vocabulary_size != bundle.manifest.target_vocabulary_size:
            raise BundleError(f"{bundle.path(SHORTLIST)}: of {vocabulary_size} tokens, not of the model's vocabulary")
        if len(self.shortlist.candidates) != bundle.manifest.source_vocabulary_size:
            number = len(self.shortlist.candidates)
            raise BundleError(
                f"{bundle.path(SHORTLIST)}: for {number} source tokens, not those of the model's vocabulary"
            )
        self._columns = OutputColumns(self.shortlist, self._pad)
        self.features = np.zeros((max_rows, num_features), np.uint8)
        """What the output layer reads of the last step, by row."""
        self._max_width = padded(vocabulary_size)
        biases = self.shortlist.biases
        self._biases = np.zeros(vocabulary_size, np.float32) if biases is None else biases.copy()
        self._biases[self._pad] = -np.inf  # behind a list's end
        self.state = (
            StateSpec(name=LISTED_IDS, kind="constant", shape=(self._max_width,), dtype="int32"),
            StateSpec(name=LIST_WIDTH, kind="constant", shape=(), dtype="int64"),
        )

    def encode(self, lists: Sequence[Int64 | None], running: dict[str, Array]) -> dict[str, Array]:
        """The lists of joining sentences as state, [batch, ...]. `running`: the same state of all running rows."""
        if not any(listed is not None for listed in lists):
            return {LIST_WIDTH: np.zeros(len(lists), np.int64)}  # ids that nobody reads are not written
        running_ids = running[LISTED_IDS][np.flatnonzero(running[LIST_WIDTH])].astype(np.int64)
        self._columns.add([listed for listed in lists if listed is not None], running_ids)
        ids = np.full((len(lists), self._max_width), self._pad, np.int32)
        widths = np.zeros(len(lists), np.int64)
        for row, listed in enumerate(lists):
            if listed is not None:
                ids[row, : len(listed)] = listed
                widths[row] = padded(len(listed))
        return {LISTED_IDS: ids, LIST_WIDTH: widths}

    def write(self, rows: Int64 | slice, state: dict[str, Array], log_probs: Float32) -> None:
        """Write the log-probabilities of rows, normalised over the list of each row; minus infinity for all other
        tokens."""
        width = int(state[LIST_WIDTH][rows].max())
        ids = state[LISTED_IDS][rows, :width].astype(np.int64, copy=False)
        listed = self._session.run(
            ["log_probs"],
            {
                FEATURES: self.features[rows],
                "weights": self._columns.weights,
                "scales": self._columns.scales,
                "indices": self._columns.of(ids),
                "bias": self._biases[ids],
            },
        )[0]
        every = np.full((len(ids), log_probs.shape[1]), -np.inf, np.float32)
        np.put_along_axis(every, ids, listed, axis=1)
        log_probs[rows] = every

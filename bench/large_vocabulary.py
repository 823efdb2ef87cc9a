"""What picking tokens takes at NLLB's vocabulary: the part of a step that is not ONNX Runtime's."""

import statistics
import time
from collections.abc import Callable

import numpy as np

from bench.findings import Findings, Table
from bench.plan import Plan
from server.bundle.manifest import SpecialIds
from server.decoding.scores import StepScores
from server.decoding.search.greedy import Greedy, advance_greedy
from server.decoding.search.plain_beams import BeamArrays
from server.messages.options import DecodingOptions

VOCABULARY_SIZE = 256_206
ROWS = 16
BEAM_SIZE = 4
REPETITIONS = 50
SPECIAL_IDS = SpecialIds(start=2, eos=2, pad=1, unknown=3, never_written=(0, 1, 3))


def measure(_: Plan) -> Findings:
    scores = -np.random.default_rng(0).exponential(5.0, (ROWS, VOCABULARY_SIZE)).astype(np.float32)
    options = DecodingOptions(max_output_tokens=10 * REPETITIONS, beam_size=BEAM_SIZE)
    greedy = [Greedy(options, row) for row in range(ROWS)]
    beams = BeamArrays(BEAM_SIZE, ROWS // BEAM_SIZE, options.max_output_tokens, SPECIAL_IDS)
    for first in range(0, ROWS, BEAM_SIZE):
        beams.join(options, [*range(first, first + BEAM_SIZE)])
    previous_ids = np.zeros(ROWS, np.int64)
    milliseconds = {
        "greedy": _median(lambda: advance_greedy(greedy, SPECIAL_IDS, StepScores(scores), previous_ids)),
        f"beams of {BEAM_SIZE}": _median(lambda: beams.advance(StepScores(scores))),
    }
    return Findings(
        "A large vocabulary",
        f"{ROWS} rows of {VOCABULARY_SIZE:,} log-probabilities: what a step takes outside ONNX Runtime.",
        {"outside_runtime_ms_256206": round(max(milliseconds.values()), 3)},
        {"milliseconds": milliseconds},
        [Table("Outside ONNX Runtime, milliseconds a step", [*milliseconds], [[*milliseconds.values()]])],
    )


def _median(step: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    return 1e3 * statistics.median(seconds)

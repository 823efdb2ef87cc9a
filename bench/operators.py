"""Where the time of an encoder run and of a step goes, operator by operator: ONNX Runtime's own profile."""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import onnxruntime as ort

from bench import made
from bench.findings import Cell, Findings, Table
from bench.plan import Plan
from models.seq2seq import EOS
from server.bundle.manifest import read_bundle
from server.decoding.graphs.backend import Backend, BackendOptions

SHIPPED = Path("model_repository/transformer-en-fr/1")
SOURCE = [*range(EOS + 1, EOS + 15), EOS]
NUM_SENTENCES = 8
"""Sentences of the encoder run that is profiled."""
NUM_POSITIONS = 20
"""Positions that are decoded, from the first on."""
REPETITIONS = 10


def measure(plan: Plan) -> Findings:
    opus_size = made.opus_size(plan.folder, plan.data).bundle
    profiled = {
        "1 row": operator_microseconds(SHIPPED, 1),
        "32 rows": operator_microseconds(SHIPPED, 32),
        "OPUS-MT's size, 64 rows": operator_microseconds(opus_size, 64),
    }
    graphs = {
        "encoder": profiled["32 rows"]["encoder"],
        **{f"step, {name}": graphs["step"] for name, graphs in profiled.items()},
        "encoder, OPUS-MT's size": profiled["OPUS-MT's size, 64 rows"]["encoder"],
    }
    return Findings(
        "Where the time goes",
        f"ONNX Runtime's profile, int8, one thread: encoder runs of {NUM_SENTENCES} sentences of {len(SOURCE)} tokens, "
        f"and {NUM_POSITIONS} steps from the first position on. To profile takes time by itself, most of all where "
        "operators are small: what counts are the shares.",
        {},
        {"microseconds_a_token": profiled},
        [_shares(graphs)],
    )


def _shares(graphs: dict[str, dict[str, float]]) -> Table:
    """The operators' shares of each graph's time, without operators that are below one percent everywhere."""
    shares = {
        name: {operator: 100 * spent / sum(of.values()) for operator, spent in of.items()}
        for name, of in graphs.items()
    }
    largest = Counter[str]()
    for of in shares.values():
        largest |= Counter(of)
    rows: list[list[Cell]] = [
        [operator, *(round(of.get(operator, 0.0), 1) for of in shares.values())]
        for operator, share in largest.most_common()
        if share >= 1
    ]
    return Table("Operators, percent of the time of all", ["", *graphs], rows)


def operator_microseconds(bundle: Path, rows: int) -> dict[str, dict[str, float]]:
    """Microseconds by graph and operator, the most expensive first: for a source token in the encoder, for a row's
    token in the step."""
    with tempfile.TemporaryDirectory() as folder:
        backend = _profiled_backend(bundle, rows, Path(folder))
        for _ in range(REPETITIONS):
            encoded = backend.encode([SOURCE] * NUM_SENTENCES)
            for row in range(rows):
                backend.state.write(row, encoded, row % NUM_SENTENCES, len(SOURCE))
            backend.previous_ids[:] = EOS + 1
            for position in range(NUM_POSITIONS):
                backend.positions[:] = position
                backend.step(rows)
                backend.previous_ids[:] = backend.log_probs.argmax(axis=1)
        del backend  # a session writes its profile when it ends
        num_tokens = {"encoder": NUM_SENTENCES * len(SOURCE), "step": NUM_POSITIONS * rows}
        return {graph: _by_operator(Path(folder), graph, number) for graph, number in num_tokens.items()}


def _profiled_backend(bundle: Path, rows: int, folder: Path) -> Backend:
    class ProfiledSession(ort.InferenceSession):  # type: ignore[misc]
        def __init__(self, path: Path, settings: ort.SessionOptions, **others: Any) -> None:
            settings.enable_profiling = True
            settings.profile_file_prefix = str(folder / f"{path.stem}-")
            super().__init__(path, settings, **others)

    original = ort.InferenceSession
    ort.InferenceSession = ProfiledSession
    try:
        return Backend(read_bundle(bundle), BackendOptions(rows, 1))
    finally:
        ort.InferenceSession = original


def _by_operator(folder: Path, graph: str, num_tokens: int) -> dict[str, float]:
    [profile] = folder.glob(f"{graph}-*.json")
    microseconds: Counter[str] = Counter()
    for event in json.loads(profile.read_text(encoding="utf-8")):
        if event["name"].endswith("_kernel_time"):
            microseconds[event["args"]["op_name"]] += event["dur"]
    return {name: spent / REPETITIONS / num_tokens for name, spent in microseconds.most_common()}

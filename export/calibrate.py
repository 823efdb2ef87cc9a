"""The range of everything that int8 quantises, over greedy translations of validation sentences."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx

from export.graph_files import read_structure
from export.quantize import CACHE_LEVELS, MIN_GROWING_WIDTH, Range, find_caches, find_products, observable
from export.session import Array, GraphSession
from models.greedy import max_output
from models.seq2seq import OUR_IDS, OutputIds, StateTensor


class Calibration(NamedTuple):
    encoder: dict[str, Range]
    """Ranges of the encoder's activations, by name."""
    step: dict[str, Range]
    """Ranges of the step's activations, by name."""
    cache_scales: dict[str, float]
    """Scales of the state tensors that are to be int8, by name."""


def calibrate(
    encoder: Path,
    step: Path,
    state: Sequence[StateTensor],
    sources: Sequence[Sequence[int]],
    min_growing_width: int = MIN_GROWING_WIDTH,
    ids: OutputIds = OUR_IDS,
) -> Calibration:
    """Run fp32 graphs over `sources`, each with its end, one at a time, so that no padding counts."""
    session = _observed_session(encoder, step, state, ids)
    ranges: tuple[dict[str, Range], dict[str, Range]] = ({}, {})
    graphs = [read_structure(path).graph for path in (encoder, step)]
    magnitudes = dict.fromkeys(find_caches(graphs[1], min_growing_width), 0.0)
    names = [{product.activation for product in find_products(graph)} for graph in graphs]
    num_given = len(ids.start) - 1
    for source in sources:
        max_target = num_given + max_output(source)
        values = session.encode([source], max_target)
        _widen(ranges[0], {name: values[name] for name in names[0]})
        previous_ids = np.array(ids.start[ids.first_position :][:1])
        for position in range(ids.first_position, max_target):
            outputs = session.step(previous_ids, np.array([position]), values)
            _widen(ranges[1], {name: outputs[name] for name in names[1]})
            if position < num_given:
                previous_ids = np.array(ids.start[position + 1 : position + 2])
                continue
            outputs["log_probs"][:, ids.not_written(position - num_given)] = -np.inf
            previous_ids = outputs["log_probs"].argmax(axis=1)
            if previous_ids[0] == ids.eos:
                break
        for name, magnitude in magnitudes.items():  # 0 where nothing has been written
            magnitudes[name] = max(magnitude, float(np.abs(values[name]).max()))
    scales = {name: max(magnitude, 1e-8) / CACHE_LEVELS for name, magnitude in magnitudes.items()}
    return Calibration(*ranges, scales)


def _observed_session(encoder: Path, step: Path, state: Sequence[StateTensor], ids: OutputIds) -> GraphSession:
    """Graphs that also output what is calibrated; saved beside the fp32 graphs, where their constants may lie."""
    observed = [path.with_name(f"observed.{path.name}") for path in (encoder, step)]
    try:
        for path, target in zip((encoder, step), observed, strict=True):
            onnx.save(observable(read_structure(path)), target)
        return GraphSession(observed[0], observed[1], state, ids)
    finally:
        for target in observed:
            target.unlink(missing_ok=True)


def _widen(ranges: dict[str, Range], activations: dict[str, Array]) -> None:
    for name, activation in activations.items():
        low, high = ranges.get(name, (0.0, 0.0))
        ranges[name] = (min(low, float(activation.min())), max(high, float(activation.max())))

"""The range of everything that int8 quantises, over greedy translations of validation sentences."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx

from export.quantize import CACHE_LEVELS, MIN_GROWING_WIDTH, Range, find_caches, find_products, observable
from export.session import Array, GraphSession
from models.greedy import max_output, not_written
from models.seq2seq import BOS, EOS, StateTensor


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
) -> Calibration:
    """Run fp32 graphs over `sources`, which end with EOS, one at a time, so that no padding counts."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for path in (encoder, step):
            observed = Path(folder) / path.name
            onnx.save(observable(onnx.load(path)), observed)
            paths.append(observed)
        session = GraphSession(paths[0], paths[1], state)
        ranges: tuple[dict[str, Range], dict[str, Range]] = ({}, {})
        magnitudes = dict.fromkeys(find_caches(onnx.load(step).graph, min_growing_width), 0.0)
        names = [{product.activation for product in find_products(onnx.load(path).graph)} for path in (encoder, step)]
        for source in sources:
            values = session.encode([source], max_output(source))
            _widen(ranges[0], {name: values[name] for name in names[0]})
            previous_ids = np.array([BOS])
            for position in range(max_output(source)):
                outputs = session.step(previous_ids, np.array([position]), values)
                _widen(ranges[1], {name: outputs[name] for name in names[1]})
                outputs["log_probs"][:, not_written(position)] = -np.inf
                previous_ids = outputs["log_probs"].argmax(axis=1)
                if previous_ids[0] == EOS:
                    break
            for name, magnitude in magnitudes.items():  # 0 where nothing has been written
                magnitudes[name] = max(magnitude, float(np.abs(values[name]).max()))
    scales = {name: max(magnitude, 1e-8) / CACHE_LEVELS for name, magnitude in magnitudes.items()}
    return Calibration(*ranges, scales)


def _widen(ranges: dict[str, Range], activations: dict[str, Array]) -> None:
    for name, activation in activations.items():
        low, high = ranges.get(name, (0.0, 0.0))
        ranges[name] = (min(low, float(activation.min())), max(high, float(activation.max())))

"""Whether the graphs compute what the model computes, step by step."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from export.errors import ExportError
from export.session import GraphSession
from models.data.batches import pad_sources
from models.greedy import max_output
from models.seq2seq import Seq2SeqModel
from server.bundle.manifest import ENCODER, STEP

TOLERANCE = 1e-4
"""Largest difference of a log-probability that passes, in nats, at fp32: room for another order of summation, no
more."""


def check_parity(model: Seq2SeqModel, folder: Path, vocabulary_size: int) -> None:
    """Raises ExportError unless the fp32 graphs agree with PyTorch on sources of several lengths. `vocabulary_size`: of
    the source."""
    generator = np.random.default_rng(0)
    ids = model.output_ids
    words = np.setdiff1d(np.arange(vocabulary_size), [*ids.start, ids.eos, *ids.never_written])
    sources = [[*generator.choice(words, length).tolist(), ids.eos] for length in (1, 4, 9, 30, 128)]
    difference = largest_difference(model, GraphSession(folder / ENCODER, folder / STEP, model.state, ids), sources)
    print(f"fp32: largest difference of a log-probability between PyTorch and ONNX Runtime: {difference:.1e} nats")
    if not difference <= TOLERANCE:
        raise ExportError(f"PyTorch and ONNX Runtime differ by {difference:.3g} nats, at most {TOLERANCE} is allowed")


@torch.inference_mode()
def largest_difference(model: Seq2SeqModel, session: GraphSession, sources: Sequence[Sequence[int]]) -> float:
    """PyTorch against ONNX Runtime over one padded batch, along PyTorch's greedy tokens.

    Returns the largest absolute difference of a log-probability over all rows, tokens, and steps up to `max_output` of
    the row's source: far behind a sentence's end a recurrent state may wander, and magnify what is rounded. NaN or
    infinity where one of them is not finite, unless both are minus infinity, as they are for a token that the output's
    bias forbids.
    """
    start, first_position = model.output_ids.start, model.output_ids.first_position
    limits = np.array([len(start) - 1 + max_output(source) for source in sources])
    steps = int(limits.max())
    state = model.start_state(*pad_sources(sources), max_target=steps)
    values = session.encode(sources, max_target=steps)
    differences = []
    for position in range(first_position, steps):
        if position < len(start):
            previous_ids = torch.full((len(sources),), start[position])
        positions = torch.full((len(sources),), position, dtype=torch.int32)
        logits, next_state = model.step(previous_ids, positions, state)
        state.update(next_state)
        log_probs = logits.log_softmax(dim=1)
        expected = log_probs.numpy()
        exported = session.step(previous_ids.numpy(), positions.numpy(), values)["log_probs"]
        forbidden = (expected == exported) & (expected == -np.inf)
        difference = np.abs(np.where(forbidden, 0, exported) - np.where(forbidden, 0, expected))
        differences.append(difference[position < limits].max())
        previous_ids = log_probs.argmax(dim=1)
    return float(np.max(differences))  # NaN, where there is one; Python's `max` may pass over it

"""PyTorch in eager mode, as a first version of a server would use it: static batches of sorted sentences, greedy."""

from collections.abc import Sequence
from pathlib import Path

import torch

from bench.systems import System
from models.checkpoint import load_checkpoint
from models.greedy import greedy_decode


class PyTorch(System):
    settings = (8, 32)

    def __init__(self, checkpoint: Path, with_cache: bool, threads: int) -> None:
        torch.set_num_threads(threads)
        _, model, _ = load_checkpoint(checkpoint)
        self._model = model if with_cache else model.without_cache()

    def translate(
        self, sources: Sequence[list[int]], beam_size: int, setting: int, num_output: int | None = None
    ) -> list[list[int]]:
        assert beam_size == 1
        assert num_output is None
        order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
        outputs: list[list[int]] = [[] for _ in sources]
        for start in range(0, len(order), setting):
            batch = order[start : start + setting]
            for index, output in zip(batch, greedy_decode(self._model, [sources[i] for i in batch]), strict=True):
                outputs[index] = output
        return outputs

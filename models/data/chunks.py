"""Batches of chunk after chunk, made ahead by other processes where a GPU would wait for them."""

import itertools
import os
from collections.abc import Callable, Iterator

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from models.data.batches import Batch

_SPARED_CORES = 2


class _Chunks(IterableDataset[tuple[int, Batch]]):
    """Batches with the number of their chunk; each worker of a loader makes chunks of its own."""

    def __init__(self, make: Callable[[int], Iterator[Batch]], first: int, step: int) -> None:
        self._make = make
        self._first = first
        self._step = step

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        worker = get_worker_info()
        place, num_workers = (worker.id, worker.num_workers) if worker else (0, 1)
        if worker:
            os.nice(10)  # whoever gives a GPU its work must not wait for a core
        for number in itertools.count(self._first + place * self._step, num_workers * self._step):
            for batch in self._make(number):
                yield number, batch


def read_ahead(
    make: Callable[[int], Iterator[Batch]], first: int, step: int, device: torch.device
) -> Iterator[tuple[int, Batch]]:
    """Batches, without end, of every `step`th chunk from the `first` on, with the chunk's number.

    make: a chunk's number -> its batches. For a CPU they are made by this process, between two training steps.
    """
    num_workers = max(1, len(os.sched_getaffinity(0)) - _SPARED_CORES) if device.type == "cuda" else 0
    context = "fork" if num_workers else None  # any other would copy the whole text to each of them
    chunks = _Chunks(make, first, step)
    return iter(DataLoader(chunks, batch_size=None, num_workers=num_workers, multiprocessing_context=context))

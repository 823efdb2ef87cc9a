"""Several processes that train one model: each on its own batches, all with the same weights.

Small matrices gain little from threads: a Transformer of d 128 trained 3,200 tokens a second on one thread and 4,200 on
two, where two runs side by side, of one thread each, trained 6,500 together.
"""

import logging
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import ProcessException, ProcessRaisedException, spawn


class Team(NamedTuple):
    """The processes of one training, as one of them sees it."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def average_gradients(self, model: nn.Module) -> None:
        """Every process ends with the mean of all processes' gradients."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, mean in zip(gradients, (flat / self.size).split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def share(self, number: float) -> float:
        """The leader's number, in every process."""
        if self.size == 1:
            return number
        shared = torch.tensor(number, dtype=torch.float64)
        dist.broadcast(shared, 0)
        return shared.item()

    def gather(self, part: Any) -> list[Any]:
        """What every process gave, in the order of their ranks."""
        if self.size == 1:
            return [part]
        parts: list[Any] = [None] * self.size
        dist.all_gather_object(parts, part)
        return parts


class TeamError(Exception):
    """A process of a team failed; the message is what it said: one line where what it was given was wrong, a traceback
    where the program was."""


def run_team(size: int, work: Callable[[Team], None]) -> None:
    """Call `work`, which must be picklable, in `size` processes, and wait for all.

    Raises TeamError if one of them failed; with one process, whatever `work` raises. KeyboardInterrupt ends them all
    first.
    """
    if size == 1:
        work(Team())
        return
    logging.getLogger(spawn.__module__).setLevel(logging.ERROR)  # else it names each process that it ends
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"file://{folder}/meeting"
        context = spawn(_join_team, args=(size, meeting, work), nprocs=size, join=False)
        try:
            while not context.join():
                pass
        except ProcessRaisedException as error:
            raise TeamError(_last_words(str(error))) from None
        except ProcessException as error:
            raise TeamError(str(error)) from None
        except KeyboardInterrupt:
            for process in context.processes:
                process.terminate()
            for process in context.processes:
                process.join()
            raise


def _last_words(report: str) -> str:
    """What a process raised: the message of a ValueError, which says what was wrong with its input, else all of it."""
    traceback = report.split("\n", 3)[-1].strip()
    last = traceback.rsplit("\n", 1)[-1]
    name, colon, message = last.partition(": ")
    return message if colon and name.startswith("models.") and name.endswith("Error") else traceback


def _join_team(rank: int, size: int, meeting: str, work: Callable[[Team], None]) -> None:
    torch.set_num_threads(1)
    if rank:
        logging.disable(logging.WARNING)  # all would say the same
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size)
    try:
        work(Team(rank, size))
        dist.barrier()  # whoever leaves while others are still in their last exchange may break theirs
    finally:
        dist.destroy_process_group()

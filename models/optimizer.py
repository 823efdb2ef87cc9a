"""Muon for the weight matrices, Adam for everything else."""

import functools

import torch
from torch import Tensor, nn

from models.config import TrainingConfig

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration, from the Muon write-up; they bring singular values to about one."""


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/).

    PyTorch's own `torch.optim.Muon` iterates in bfloat16 everywhere, which takes 20 times as long on a CPU without
    bfloat16 products.
    """

    def __init__(self, parameters: list[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is ever given
        for group in self.param_groups:
            alike: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = {}
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(state["momentum"], group["momentum"])  # Nesterov's
                alike.setdefault(parameter.shape, []).append((parameter, update))
            for (rows, columns), matrices in alike.items():
                step_size = group["lr"] * max(1.0, rows / columns) ** 0.5
                updates = orthogonalised(torch.stack([update for _, update in matrices]))
                for (parameter, _), update in zip(matrices, updates, strict=True):
                    parameter.add_(update, alpha=-step_size)


@functools.cache
def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 are faster there than those of float32."""
    return device.type == "cuda" or bool(torch.cpu._is_avx512_bf16_supported())


def orthogonalised(matrices: Tensor, iterations: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly: [matrices, rows, columns] -> the same shape.

    All in one go: a GPU takes as long to begin a product of small matrices as to compute dozens of them.
    """
    a, b, c = _QUINTIC
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    if has_fast_bfloat16(matrices.device):
        x = x.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


def build_optimizers(model: nn.Module, settings: TrainingConfig) -> list[torch.optim.Optimizer]:
    """Every parameter group carries `peak_lr`, which the schedule scales.

    Embeddings are lookups, not maps between spaces, and stay with Adam, as do output layers, tied with one or not.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    vocabulary_sizes = {module.num_embeddings for module in model.modules() if isinstance(module, nn.Embedding)}
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in model.parameters():
        is_table = id(parameter) in embeddings or parameter.shape[0] in vocabulary_sizes
        is_matrix = parameter.ndim == 2 and not is_table
        (matrices if is_matrix else others).append(parameter)
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Adam(others, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True),
        Muon(matrices, lr=settings.matrix_learning_rate),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers

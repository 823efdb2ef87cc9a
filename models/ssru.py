"""The simpler simple recurrent unit (Kim et al. 2019), which takes self-attention's place in fast decoders.

    f = sigmoid(W_f x + b_f)
    c' = f * c + (1 - f) * W x
    h = relu(c')

All that it knows of earlier positions is one vector, the cell c: a step costs the same at every position.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.seq2seq import StateTensor


class Ssru(nn.Module):
    """One layer over target positions; the cell begins with zeros."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.input = nn.Linear(d_model, d_model, bias=False)
        self.forget = nn.Linear(d_model, d_model)
        self.state = (StateTensor("cell", "replace", (1, d_model)),)

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, target, d_model] -> like x; each position knows itself and those before it."""
        cell = torch.zeros_like(x[:, :1])
        outputs = []
        for new, forget in zip(*(part.split(1, dim=1) for part in self._new_and_forget(x)), strict=True):
            cell = _next_cell(cell, new, forget)
            outputs.append(torch.relu(cell))
        return torch.cat(outputs, dim=1)

    def step(self, x: Tensor, positions: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """One position of every row: x [rows, 1, d_model] -> like x, and the next state. `positions` count for nothing,
        as the cell holds all that came before."""
        cell = _next_cell(state["cell"], *self._new_and_forget(x))
        return torch.relu(cell), {"cell": cell}

    def begin(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The first position: x [rows, 1, d_model] -> like x, and the state behind it."""
        return self.step(x, x, {"cell": torch.zeros_like(x)})

    def _new_and_forget(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """W x and f, each like x, in one product."""
        weight = torch.cat([self.input.weight, self.forget.weight])
        bias = torch.cat([torch.zeros_like(self.forget.bias), self.forget.bias])
        new, forget = F.linear(x, weight, bias).chunk(2, dim=-1)
        return new, torch.sigmoid(forget)


def _next_cell(cell: Tensor, new: Tensor, forget: Tensor) -> Tensor:
    return new + forget * (cell - new)

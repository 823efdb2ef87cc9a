"""Tables of sinusoids as they differ between toolkits: all sines first and then all cosines, of other frequencies."""

from typing import Literal

import torch
from torch import Tensor

Frequencies = Literal["2i/d", "i/(d/2-1)"]
"""Negative exponent of 10000, for i from 0 to d/2 - 1: that of Vaswani et al. 2017, or that of Tensor2Tensor and
Marian, whose slowest sinusoid is at exactly 1/10000."""


def sinusoid_halves(num_rows: int, d_model: int, frequencies: Frequencies, first: int = 0) -> Tensor:
    """Rows of positions `first`, `first + 1`, ...: float32 [num_rows, d_model], computed in float64."""
    half = (d_model + 1) // 2
    steps = torch.arange(half, dtype=torch.float64)
    exponents = 2 * steps / d_model if frequencies == "2i/d" else steps / max(half - 1, 1)
    angles = torch.arange(first, first + num_rows, dtype=torch.float64)[:, None] * 10000.0**-exponents
    return torch.cat([angles.sin(), angles.cos()[:, : d_model - half]], dim=1).float()

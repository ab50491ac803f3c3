"""Numbers as how far each has come through the bins of its own distribution.

    x  →  (e_1, …, e_T),    e_t = clip((x - b_{t-1}) / (b_t - b_{t-1}), 0, 1)

with b_0 … b_T the quantiles of x in the data: Gorishniy, Rubachev and Babenko 2022, "On embeddings
for numerical features in tabular deep learning", arXiv:2203.05556, section 3.2. An arm is beside a
hole for as many ticks as it is on its way there, but within a hundredth of the distance; a network
that reads distances divided by their standard deviation hardly sees what differs there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class PiecewiseLinear(nn.Module):
    """(…, size) to (…, size · bins), each number within 0 and 1.

    Args:
        size: Numbers in.
        bins: T.
    """

    bounds: Tensor

    def __init__(self, size: int, bins: int = 16) -> None:
        super().__init__()
        self.size = size * bins
        self.register_buffer("bounds", torch.zeros(size, bins + 1))

    def fit(self, values: NDArray[Any]) -> None:
        """Take the quantiles of data of shape (N, size)."""
        levels = np.linspace(0.0, 1.0, self.bounds.shape[1])
        self.bounds.copy_(torch.from_numpy(np.quantile(values, levels, axis=0).T))

    def forward(self, x: Tensor) -> Tensor:
        """Encode; a bin without width, of a value that occurs often, says nothing."""
        low, width = self.bounds[:, :-1], self.bounds.diff(dim=1)
        through = (x[..., None] - low) / torch.where(width > 0.0, width, torch.inf)
        return through.clamp(0.0, 1.0).flatten(-2)

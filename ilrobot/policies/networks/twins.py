"""Two perceptrons of one shape side by side: each layer of both is one product of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class TwinPerceptrons(nn.Module):
    """Two networks of their own weights that give one number each.

    Args:
        size: Numbers in.
        widths: Features of each hidden layer, with ReLU after it.
    """

    def __init__(self, size: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inner, outer in pairwise((size, *widths, 1)):
            bound = inner**-0.5
            self.weights.append(torch.empty(2, inner, outer).uniform_(-bound, bound))
            self.biases.append(torch.empty(2, 1, outer).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(N, size) to the numbers of both, (2, N)."""
        x = x.expand(2, *x.shape)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x if layer == 0 else x.relu(), weight)
        return x[..., 0]

    def first(self, x: Tensor) -> Tensor:
        """(N, size) to the number of the first alone, (N,)."""
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.addmm(bias[0], x if layer == 0 else x.relu(), weight[0])
        return x[..., 0]

"""Two networks that estimate the same number, of which the lesser is believed.

Fujimoto, van Hoof and Meger 2018, "Addressing function approximation error in actor-critic
methods", arXiv:1802.09477, section 4.2: what is its own target grows too high where
it errs, and the lesser of two does so far less.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

#: Small, because both are asked at every tick, and fitted on a CPU before each round.
_WIDTH = 128
#: Before the sigmoid, at the beginning: 0.02 after it.
_FIRST_LOGIT = -4.0


class Twins(nn.Module):
    """Two perceptrons of two hidden layers, side by side in each product.

    Args:
        size: Numbers in.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inner, outer in pairwise((size, _WIDTH, _WIDTH, 1)):
            bound = inner**-0.5
            self.weights.append(torch.empty(2, inner, outer).uniform_(-bound, bound))
            self.biases.append(torch.empty(2, 1, outer).uniform_(-bound, bound))
        with torch.no_grad():
            self.biases[-1].fill_(_FIRST_LOGIT)

    def forward(self, x: Tensor) -> Tensor:
        """(N, size) to the logits of both, (2, N)."""
        x = x.expand(2, *x.shape)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x if layer == 0 else x.relu(), weight)
        return x[..., 0]

    def lesser(self, x: Tensor) -> Tensor:
        """(N, size) to the lesser of the two probabilities, (N,)."""
        return self(x).sigmoid().amin(dim=0)

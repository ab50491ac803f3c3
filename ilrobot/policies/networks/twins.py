"""Two perceptrons of one shape side by side: each layer of both is one product of matrices.

Products between hidden layers, which are nearly all that a step computes, may be in bfloat16 while
they are trained, see `precision`; what goes in and what comes out is float32, and its products too
where torch itself rounds none.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ilrobot.policies.networks.precision import product_type


class TwinPerceptrons(nn.Module):
    """Two networks of their own weights that give one number each.

    Args:
        size: Numbers in.
        widths: Features of each hidden layer, with ReLU after it.
        normalize: Whether each hidden layer is normalised before its ReLU (Ba et al. 2016, without
            scale and offset), which keeps values of what was never seen near those that were
            (Ball et al. 2023, "Efficient online reinforcement learning with offline data",
            arXiv:2302.02948, section 4.2).
    """

    def __init__(self, size: int, widths: Sequence[int], *, normalize: bool = False) -> None:
        super().__init__()
        self._normalize = normalize
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inner, outer in pairwise((size, *widths, 1)):
            bound = inner**-0.5
            self.weights.append(torch.empty(2, inner, outer).uniform_(-bound, bound))
            self.biases.append(torch.empty(2, 1, outer).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(N, size) to the numbers of both, (2, N)."""
        return self._through(x.expand(2, *x.shape), slice(None))[..., 0]

    def first(self, x: Tensor) -> Tensor:
        """(N, size) to the number of the first alone, (N,)."""
        return self._through(x[None], slice(1))[0, :, 0]

    def _through(self, x: Tensor, which: slice) -> Tensor:
        layers = list(zip(self.weights, self.biases, strict=True))
        for number, (weight, bias) in enumerate(layers):
            inner = 0 < number < len(layers) - 1
            of = product_type(x) if inner else x.dtype
            if number and self._normalize:
                x = torch.nn.functional.layer_norm(x, x.shape[-1:])
            rows = (x.relu() if number else x).to(of)
            x = torch.baddbmm(bias[which].to(of), rows, weight[which].to(of)).to(x.dtype)
        return x
